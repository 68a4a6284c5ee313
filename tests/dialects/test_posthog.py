"""PostHog: batches of both protocols, single events, the SDK's own events, and flags."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.dialects import posthog_sdk as posthog
from server.event import Outcome
from tests.dialects.conftest import RECEIVED_AT

INSTALL = "4f0c6ae2-9a53-4c55-8f0e-9a3a0c3a1b11"
EVENT = {
    "properties": {
        "command": "build",
        "version": "1.2.3",
        "duration_ms": 1500,
        "success": True,
        "$session_id": "s-1",
        "$os": "Mac OS X",
        "$os_version": "15.1",
        "$python_runtime": "CPython",
        "$python_version": "3.11.7",
        "$lib": "posthog-python",
        "$lib_version": "7.91.1",
        "$geoip_disable": True,
        "$groups": {"company": "Example"},
    },
    "timestamp": "2026-02-16T11:59:30+00:00",
    "distinct_id": "inst-1",
    "event": "cli command",
    "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
}


def batch(*events: Any, **fields: Any) -> dict[str, Any]:
    return {
        "batch": list(events),
        "historical_migration": False,
        "sent_at": "2026-02-16T12:00:00+00:00",
        "api_key": "phc_testkey",
        **fields,
    }


def test_an_event_of_the_python_sdk(ask: Any, reply: Any) -> None:
    decoded = posthog.decode(ask(batch(EVENT), "/batch"))
    (event,) = decoded.events
    assert (event.name, event.install, event.session, event.id) == ("cli command", "inst-1", "s-1", EVENT["uuid"])
    assert (event.occurred_at, event.duration_us, event.outcome) == (RECEIVED_AT - 30_000, 1_500_000, Outcome.SUCCESS)
    assert (event.context.dialect, event.context.os, event.context.version) == ("posthog", "darwin", "1.2.3")
    assert event.context.runtime == "python 3.11.7"
    assert event.properties == {"command": "build", "version": "1.2.3", "duration_ms": 1500, "success": True}
    answer = reply(posthog, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": 1})


def test_the_newer_protocol_of_posthog_is_accepted(ask: Any, reply: Any) -> None:
    sent = {**EVENT, "session_id": "s-2", "options": {}, "properties": {"command": "build"}}
    headers = {"posthog-sdk-info": "posthog-node/5.70.0", "posthog-request-timestamp": "2026-02-16T11:00:00Z"}
    decoded = posthog.decode(ask({"created_at": "2026-02-16T11:00:00Z", "batch": [sent]}, "/i/v1/analytics/events", **headers))
    (event,) = decoded.events
    assert (event.session, event.context.runtime) == ("s-2", "posthog-node 5.70.0")
    assert event.occurred_at == RECEIVED_AT - 30_000 + 3_600_000
    answer = reply(posthog, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"results": {}})


@pytest.mark.parametrize(("sent_at", "error"), [("2026-02-16T09:00:00Z", 10_800_000), ("2026-02-16T11:59:58Z", 0), ("soon", 0), (None, 0)])
def test_a_wrong_clock_is_corrected_by_the_time_of_sending(ask: Any, sent_at: Any, error: int) -> None:
    for name in ("sent_at", "sentAt"):
        body = {**batch(EVENT), "sent_at": None, name: sent_at}
        (event,) = posthog.decode(ask(body, "/batch")).events
        assert event.occurred_at == RECEIVED_AT - 30_000 + error


def test_posthogs_routes_accept_single_events_and_arrays(ask: Any) -> None:
    for route in ("/capture", "/e", "/i/v0/e"):
        for body in (EVENT, [EVENT], [EVENT, EVENT]):
            decoded = posthog.decode(ask(body, route))
            assert [event.name for event in decoded.events] == ["cli command"] * (len(body) if isinstance(body, list) else 1)


def test_an_event_that_is_wrong_is_rejected_and_its_neighbors_are_not(ask: Any, reply: Any) -> None:
    decoded = posthog.decode(ask(batch(EVENT, {"event": ""}, {"event": 5}, "text", None, EVENT), "/batch"))
    assert [rejection.index for rejection in decoded.rejected] == [1, 2, 3, 4]
    assert decoded.positions == [0, 5]
    assert reply(posthog, decoded).status == 200


def test_the_sdks_own_events_are_not_usage_but_describe_the_install(ask: Any) -> None:
    named = ("$identify", "$set", "$set_once", "$unset", "$groupidentify", "$create_alias", "$feature_flag_called")
    decoded = posthog.decode(ask(batch(*({**EVENT, "event": name} for name in named), EVENT), "/batch"))
    assert [event.name for event in decoded.events] == ["cli command"]
    assert decoded.positions == [7]
    assert len(decoded.installs) == 5
    assert {report.install for report in decoded.installs} == {"inst-1"}
    assert {(report.context.os, report.context.version) for report in decoded.installs} == {("darwin", "1.2.3")}
    assert not decoded.rejected


def test_an_id_generated_for_each_event_is_not_an_install(ask: Any) -> None:
    def install(distinct_id: Any, properties: Any = None, **fields: Any) -> str | None:
        event = {"event": "a", "distinct_id": distinct_id, "properties": properties or {}, **fields}
        return posthog.decode(ask(batch(event), "/batch")).events[0].install

    assert install(INSTALL) == INSTALL
    assert install(INSTALL, {"$process_person_profile": True}) == INSTALL
    assert install(INSTALL, {"$process_person_profile": False}) is None
    assert install(INSTALL, options={"process_person_profile": False}) is None
    assert install("machine-1", {"$process_person_profile": False}) == "machine-1"
    for missing in (None, 5, "", "undefined", "null"):
        assert install(missing) is None


def test_an_exception_keeps_its_type_and_message_and_no_source(ask: Any) -> None:
    frame = {"abs_path": "/home/ada/secret.py", "context_line": "password = 1", "pre_context": ["x"], "post_context": ["y"]}
    exception = {"type": "ValueError", "value": "bad value", "stacktrace": {"frames": [frame]}}
    event = {
        **EVENT,
        "event": "$exception",
        "properties": {"$exception_list": [exception], "$exception_level": "error", "command": "build"},
    }
    (found,) = posthog.decode(ask(batch(event), "/batch")).events
    assert (found.error_type, found.error_message, found.outcome) == ("ValueError", "bad value", Outcome.FAILURE)
    assert found.properties == {"command": "build"}


def test_addresses_and_urls_are_not_kept(ask: Any) -> None:
    properties = {
        "$ip": "192.0.2.1", "ip": "192.0.2.1", "$current_url": "https://a.example/x", "url": "/x", "referrer": "r", "registry": "https://b.example/",
        "deep": {"ip": "192.0.2.1", "link": "git+ssh://c.example/x", "n": 1}, "list": ["https://d.example", 2], "kept": "yes",
    }  # fmt: skip
    (event,) = posthog.decode(ask(batch({**EVENT, "properties": properties}), "/batch")).events
    assert event.properties == {"deep": {"n": 1}, "list": [2], "kept": "yes"}


def test_flags_are_answered_with_none(ask: Any, reply: Any) -> None:
    for route in ("/flags", "/decide"):
        decoded = posthog.decode(ask({"distinct_id": "inst-1", "api_key": "phc_testkey"}, route))
        assert not decoded.events
        assert json.loads(reply(posthog, decoded).body)["featureFlags"] == {}


def test_the_key_is_in_the_body(ask: Any) -> None:
    for body in (batch(EVENT), {**EVENT, "api_key": "phc_testkey"}, [{**EVENT, "token": "phc_testkey"}]):
        assert posthog.key_of(ask(body, "/batch")) == "phc_testkey"
    assert posthog.key_of(ask({**EVENT, "properties": {"token": "phc_testkey"}}, "/e")) == "phc_testkey"
    broken: tuple[Any, ...] = (None, [], 5, {"api_key": 5}, {"api_key": "a\nb"}, {"api_key": "é"}, {"api_key": "x" * 201})
    for document in broken:
        assert posthog.key_of(ask(document, "/batch")) == ""
