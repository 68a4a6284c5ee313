"""Promises about rejected events: after a fix, a replay stores each one once, and nothing raw is kept until then."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import change_in, rollup_differences

OWN_SERVER = True  # its recount would include events that other modules erase

UUID = "3f2b8c1e-9a4d-4f7b-8a21-5d0c9b7e6f10"
REPLAY = "mutation ($s: String!) { replayRejected(slug: $s) { errors { message } stored duplicates refused } }"
ENGAGEMENT = {"targetType": "doc", "targetId": "1", "kind": "view"}


def replay(field: Any) -> tuple[int, int, int]:
    answer = field.ask(REPLAY, s=field.slug)["replayRejected"]
    assert answer.pop("errors") == []
    return answer["stored"], answer["duplicates"], answer["refused"]


def waiting(field: Any) -> list[tuple[int, bytes]]:
    """The rows of the tray that can be replayed; another event's commit writes them."""
    field.post({"name": "next"})
    return field.rows(
        f"SELECT rejected.id, event FROM rejected JOIN project ON project.id = rejected.project_id WHERE slug = '{field.slug}' AND event IS NOT NULL"
        " ORDER BY rejected.id"
    )


def let_the_server_learn(field: Any, wrong: bytes, right: bytes) -> None:
    """Make a refused document valid, as if a newer decoder accepted it: only one version of the server can run here."""
    rows = waiting(field)
    assert rows
    for number, content in rows:
        sealed = msgspec.msgpack.decode(bytes(content))
        assert wrong in sealed[3], sealed[3]
        sealed[3] = sealed[3].replace(wrong, right)
        blob = msgspec.msgpack.encode(sealed).hex()
        value = (
            f"X'{blob}'"
            if field.server.database.exists() and isinstance(field.server.store, type(field.server.database))
            else f"'\\x{blob}'"
        )
        change_in(field.server.store, f"UPDATE rejected SET event = {value} WHERE id = {number}")


def strip(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("id", "received_at", "occurred_at")}


@pytest.mark.parametrize(
    ("path", "event", "wrong", "right"),
    [
        (
            "/v1/events",
            {
                "name": 5,
                "installation_id": UUID,
                "session_id": "s-" + UUID,
                "id": "e-" + UUID,
                "os": "linux",
                "properties": {"mail": "me@corp.example", "of": UUID, "n": 1.5},
                "error": {"type": "E", "message": f"at /home/alice for {UUID}"},
                "target": {"type": "file", "id": "export-1.csv"},
            },
            b'"name":5',
            b'"name":"five"',
        ),
        (
            "/v1/events",
            {"data": {"installation_id": UUID, "event_type": 5, "properties": {"os": "darwin", "nodeVersion": "v20.1"}}},
            b'"event_type":5',
            b'"event_type":"five"',
        ),
        (
            "/v1/events",
            {"type": "heartbeat", "data": {"data": {"user_id": UUID, "version": 5, "os": "linux"}}},
            b'"version":5',
            b'"version":"five"',
        ),
        ("/v1/engagement", {**ENGAGEMENT, "kind": 5, "userId": UUID, "sessionId": "s-" + UUID}, b'"kind":5', b'"kind":"five"'),
        ("/api/track", {"tool_name": 5, "status": "success", "duration_ms": 5}, b'"tool_name":5', b'"tool_name":"five"'),
    ],
    ids=["native", "sonicjs", "flakedrop", "engagement", "trackskills"],
)
def test_a_refused_event_is_replayed_as_it_would_have_been_stored(field: Any, path: str, event: Any, wrong: bytes, right: bytes) -> None:
    headers = {"mcp_session_id": "mcp-" + UUID} if "track" in path else {}
    of_erasures = rollup_differences(field.server.store)
    assert field.post(event, path, **headers).status_code in (400, 422)
    rows = waiting(field)
    assert len(rows) == 1
    assert not [part for part in (UUID, "alice", "me@corp") if part.encode() in bytes(rows[0][1])]
    before = field.ledger()
    assert (before["received"], before["stored"], before["rejected"]) == (2, 1, 1)
    assert replay(field) == (0, 0, 1)
    assert {**field.ledger(), "tray": None} == {**before, "tray": None}

    let_the_server_learn(field, wrong, right)
    good = json.loads(json.dumps(event, separators=(",", ":")).replace(wrong.decode(), right.decode()))
    assert replay(field) == (1, 0, 0)
    assert replay(field) == (0, 0, 0)
    after = field.ledger()
    assert (after["received"] - after["stored"], after["rejected"], after["tray"]) == (0, 0, [])
    (replayed,) = [each for each in field.events() if each["name"] != "next"]
    assert field.post({**good, "id": "another"} if "id" in good else good, path, **headers).status_code < 300
    (direct,) = [each for each in field.events() if each["name"] != "next" and each["id"] != replayed["id"]]
    assert strip(replayed) == strip(direct)
    assert replayed["install"] is not None
    assert rollup_differences(field.server.store) == of_erasures


def test_an_event_of_a_batch_is_replayed_and_one_that_came_again_meanwhile_is_known(field: Any) -> None:
    batch = [
        {"name": "ok", "installation_id": "a"},
        *({"name": 5, "installation_id": UUID, "id": f"id-{UUID}-{number}"} for number in (1, 2)),
    ]
    assert field.post(batch).json()["accepted"] == 1
    let_the_server_learn(field, b'"name":5', b'"name":"five"')
    assert field.post({"name": "five", "installation_id": UUID, "id": f"id-{UUID}-2"}).json()["accepted"] == 1
    assert replay(field) == (1, 1, 0)
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["duplicates"], ledger["rejected"]) == (5, 4, 1, 0)
    assert len({each["install"] for each in field.events() if each["name"] == "five"}) == 1


def test_a_rejected_number_is_kept_in_its_original_notation(field: Any) -> None:
    body = f'[{{"name":"x","installation_id":"{UUID}","properties":{{"n":12345678901234567890,"m":1e400,"t":"a\\u0000b"}}}}]'
    assert len(field.post(body).json()["rejected"]) == 1
    assert replay_after_commit(field) == (0, 0, 1)
    let_the_server_learn(field, b"12345678901234567890", b"1234567890")
    let_the_server_learn(field, b"1e400", b"1e40")
    assert replay(field) == (0, 0, 1)
    let_the_server_learn(field, b"\\u0000", b"")
    assert replay(field) == (1, 0, 0)
    (event,) = [each for each in field.events() if each["name"] == "x"]
    assert event["properties"] == {"n": 1234567890, "m": 1e40, "t": "ab"}


def replay_after_commit(field: Any) -> tuple[int, int, int]:
    waiting(field)
    return replay(field)


@pytest.mark.one_path
def test_a_replay_refused_for_its_target_is_reported_and_can_be_repeated(field: Any) -> None:
    field.post({"name": 5, "installation_id": UUID, "target": {"type": "tool", "id": "wanted"}})
    let_the_server_learn(field, b'"name":5', b'"name":"five"')
    lists = "mutation ($s: String!) { updateProject(slug: $s, changes: {listsTargets: true}) { errors { message } } }"
    assert field.ask(lists, s=field.slug) == {"updateProject": {"errors": []}}
    assert [replay(field) for _ in range(2)] == [(0, 0, 1)] * 2
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["rejected"]) == (2, 1, 1)
    assert [each["reason"] for each in ledger["tray"]] == ["UNKNOWN_TARGET"]
    target = 'mutation ($s: String!) { setTarget(slug: $s, type: "tool", id: "wanted", visibility: PUBLIC) { errors { message } } }'
    assert field.ask(target, s=field.slug) == {"setTarget": {"errors": []}}
    assert replay(field) == (1, 0, 0)
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["rejected"]) == (2, 2, 0)


@pytest.mark.one_path
def test_erasure_includes_refused_events(field: Any) -> None:
    field.post({"name": "ok", "installation_id": UUID})
    field.post({"name": 5, "installation_id": f" {UUID}\n"})
    assert len(waiting(field)) == 1
    assert field.server.client.delete(f"/p/{field.slug}/v1/installs/{UUID}").status_code == 200
    assert waiting(field) == []


@pytest.mark.one_path
def test_a_caller_known_by_its_address_only_is_the_same_install_after_a_replay(field: Any) -> None:
    call = {"tool_name": "t", "status": "success"}
    assert field.post(call, "/api/track", user_agent="curl/8").status_code == 200
    assert field.post({**call, "tool_name": 5}, "/api/track", user_agent="curl/8").status_code == 400
    let_the_server_learn(field, b'"tool_name":5', b'"tool_name":"t"')
    assert replay(field) == (1, 0, 0)
    assert len({each["install"] for each in field.events() if each["name"] == "tool_call"}) == 1
