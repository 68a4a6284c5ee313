"""Fields that are too long, empty or unknown never reject the event."""

from __future__ import annotations

from typing import Any

UNAME = "Linux buildbox-7 6.8.0-45-generic #45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024 x86_64 GNU/Linux"
EVENT = {"name": "build", "installation_id": "i-1"}
EMPTY = dict.fromkeys(
    ("id", "session_id", "outcome", "timestamp", "environment", "version", "os", "arch", "runtime", "package_manager", "installation_id"),
    "",
)


def test_descriptions_that_are_too_long_are_cut_with_a_mark(field: Any) -> None:
    long = {name: name * 60 for name in ("arch", "runtime", "version", "package_manager")}
    answer = field.post({**EVENT, **long, "os": UNAME, "error": {"type": "E" * 300}, "target": {"type": "pack", "id": "p" * 300}})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
    (event,) = field.events()
    assert event["os"] == "linux…"
    for name, text in long.items():
        assert event[name] == f"{text[:63]}…"
    assert event["error_type"] == f"{'E' * 199}…"
    assert event["target_id"] == f"{'p' * 199}…"


def test_ids_of_any_length_keep_events_apart(field: Any) -> None:
    for last in "abb":
        assert field.post({**EVENT, "id": "x" * 500 + last, "session_id": "s" * 500 + last}).status_code == 202
    assert len({event["session"] for event in field.events()}) == 2
    assert field.ledger()["duplicates"] == 1


def test_empty_texts_count_as_missing(field: Any) -> None:
    answer = field.post(
        [{**EVENT, **EMPTY, "target": {"type": "pack", "id": ""}, "error": {"type": ""}}, {**EVENT, **EMPTY, "version": " "}]
    )
    assert answer.json() == {"accepted": 2, "duplicates": 0, "rejected": []}
    for event in field.events():
        assert {event[name] for name in ("install", "session", "outcome", "os", "version", "target_id", "error_type")} == {None}
        assert event["environment"] == "unknown"


def test_unknown_values_of_newer_clients_are_kept_and_named(field: Any) -> None:
    answer = field.post({**EVENT, "environment": "agent", "outcome": "skipped", "error": {"type": "E", "stack": "at x"}})
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "ignored": ["outcome", "environment", "error.stack"]}
    (event,) = field.events()
    assert (event["environment"], event["environment_reason"]) == ("unknown", "agent")
    assert (event["outcome"], event["properties"]) == (None, {"outcome": "skipped"})


def test_a_batch_names_each_ignored_field_once(field: Any) -> None:
    events = [{**EVENT, "environment": "agent"}, {**EVENT, "environment": "robot", "timestamp": "yesterday"}, {**EVENT, "duration_ms": -1}]
    answer = field.post({"events": [*events, EVENT, {**EVENT, "properties": {f"p{number}": 1 for number in range(101)}}], "sent_at": 1})
    assert answer.json() == {
        "accepted": 5,
        "duplicates": 0,
        "rejected": [],
        "ignored": ["sent_at", "environment", "timestamp", "duration_ms", "properties"],
    }


def test_an_unknown_environment_is_scrubbed(field: Any) -> None:
    field.post({**EVENT, "environment": "/home/alice/agent alice@example.org"})
    (event,) = field.events()
    assert "alice" not in event["environment_reason"]


def test_known_values_are_recognized_in_any_case(field: Any) -> None:
    field.post(
        [{**EVENT, "environment": "CI", "outcome": "Success"}, {**EVENT, "environment": "docker"}, {**EVENT, "environment": "unknown"}]
    )
    found = [(event["environment"], event["outcome"]) for event in field.events()]
    assert found == [("ci", "success"), ("container", None), ("unknown", None)]


def test_only_the_name_the_installation_id_and_wrong_types_reject_an_event(field: Any) -> None:
    wrong: list[dict[str, Any]] = [
        {"name": ""},
        {"name": "x" * 101},
        {"installation_id": "x" * 201},
        {"installation_id": 7},
        {"os": 7},
        {"version": ["1"]},
        {"duration_ms": "12"},
        {"ci": "true"},
        {"error": "boom"},
        {"target": {"type": "pack"}},
        {"timestamp": True},
        {"environment": 1},
    ]
    answer = field.post([{**EVENT, **change} for change in wrong])
    paths = [rejection["errors"][0]["path"].partition(".")[0] for rejection in answer.json()["rejected"]]
    assert paths == [name for change in wrong for name in change]


def test_an_event_without_an_installation_counts_and_no_install_does(field: Any) -> None:
    assert field.post({"name": "telemetry_declined"}).status_code == 202
    assert field.post([{"name": "telemetry_declined", "installation_id": None}]).json()["accepted"] == 1
    assert [event["install"] for event in field.events()] == [None, None]
    query = "query ($slug: String!) { project(slug: $slug) { overview { events { value } active { all { value } } } } }"
    overview = field.ask(query, slug=field.slug)["project"]["overview"]
    assert (overview["events"]["value"], overview["active"]["all"]["value"]) == (2, 0)


def test_other_client_families_name_their_ignored_fields(field: Any) -> None:
    posts = [
        ("/api/track", {"tool_name": "t", "status": "cancelled"}, ["status"]),
        ("/api/track/batch", [{"tool_name": "t", "status": ""}, {"tool_name": "t", "timestamp": "soon"}], ["timestamp"]),
        ("/v1/engagement", {"targetType": "a", "targetId": "b" * 300, "kind": "copy", "timestamp": "soon"}, ["timestamp"]),
        ("/v1/events", {"type": "deployment", "data": {"data": {"user_id": "u", "timestamp": "soon"}}}, ["data.data.timestamp"]),
        ("/v1/events", {"data": {"installation_id": "i", "event_type": "e", "timestamp": "soon"}}, ["data.timestamp"]),
        ("/v1/installs", {"data": {"installation_id": "i", "first_seen": "soon"}}, ["data.first_seen"]),
    ]
    for route, body, ignored in posts:
        answer = field.post(body, route)
        assert (answer.is_success, answer.json().get("ignored")) == (True, ignored), answer.text


def test_a_flakedrop_event_of_any_type_counts_without_data(field: Any) -> None:
    for body in ({"type": "weird"}, {"type": "heartbeat"}, {"type": "deployment", "data": {"data": {"success": "yes"}}}):
        answer = field.post(body)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    stats = field.get("/stats").json()
    assert (stats["total_events"], stats["total_deployments"], stats["successful_deploys"], stats["failed_deploys"]) == (3, 1, 0, 0)
