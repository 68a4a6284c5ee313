"""Promises about ids: a padded id is the same install, and a word for a missing id is no install."""

from __future__ import annotations

from typing import Any

import pytest

NO_IDS = ["undefined", "null", "None", "[object Object]", "00000000-0000-0000-0000-000000000000", " ", "NaN", " undefined\n"]
CURL = {"user_agent": "curl/8.5.0"}


def installs(field: Any) -> set[str | None]:
    return {event["install"] for event in field.events()}


def reasons(field: Any) -> dict[str, int]:
    return {f"{each['entry'].lower()}:{each['reason']}": each["events"] for each in field.ledger()["reasons"]}


@pytest.mark.parametrize("padded", ["id-77\n", "\ufeffid-77", " id-77\t", "\u200bid-77\r\n", "\xef\xbb\xbfid-77"])
def test_an_id_with_blanks_or_a_byte_order_mark_is_the_same_install(field: Any, padded: str) -> None:
    for raw in ("id-77", padded):
        assert field.post({"name": "run", "installation_id": raw}).status_code == 202
        assert field.post({"data": {"event_type": "x", "installation_id": raw}}).status_code == 201
        assert field.post({"type": "heartbeat", "data": {"data": {"user_id": raw}}}).status_code == 200
        assert field.post({"targetType": "doc", "targetId": "1", "kind": "copy", "userId": raw}, "/v1/engagement").status_code == 202
    assert len(installs(field)) == 1
    assert field.server.client.request("DELETE", f"/p/{field.slug}/v1/install", params={"id": padded}).status_code == 200
    assert field.events() == []


def test_a_placeholder_for_a_missing_id_is_not_an_install_and_the_event_counts(field: Any) -> None:
    for raw in NO_IDS:
        assert field.post({"name": "run", "installation_id": raw, "id": raw, "session_id": raw}).json()["accepted"] == 1
    assert field.post({"data": {"event_type": "x", "installation_id": "undefined"}}).status_code == 201
    assert field.post({"type": "heartbeat", "data": {"data": {"user_id": "null"}}}).status_code == 200
    assert field.post({"targetType": "doc", "targetId": "1", "kind": "copy", "userId": "NaN"}, "/v1/engagement").status_code == 202
    for _ in range(2):
        assert field.post({"data": {"installation_id": "undefined", "os": "linux"}}, "/v1/installs").status_code == 200
    assert installs(field) == {None}
    assert {event["session"] for event in field.events()} == {None}
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["duplicates"]) == (len(NO_IDS) + 3,) * 2 + (0,)
    assert reasons(field) == {"stored:unusable_id": len(NO_IDS) + 3}


def test_the_answer_names_an_id_that_is_none(field: Any) -> None:
    event = {"name": "run", "installation_id": "undefined"}
    assert field.post(event).json()["ignored"] == ["installation_id"]
    assert field.post([event, {**event, "installation_id": "fine"}]).json()["ignored"] == ["installation_id"]
    assert field.post({"data": {"event_type": "x", "installation_id": "null"}}).json()["ignored"] == ["data.installation_id"]
    assert field.post({"type": "heartbeat", "data": {"data": {"user_id": "None"}}}).json()["ignored"] == ["data.data.user_id"]
    copy = {"targetType": "doc", "targetId": "1", "kind": "copy", "userId": "NaN"}
    assert field.post(copy, "/v1/engagement").json()["ignored"] == ["userId"]


def test_where_a_user_is_unknown_the_session_stands_for_it(field: Any) -> None:
    seen = [{"targetType": "doc", "targetId": "1", "kind": "view", "userId": "undefined", "sessionId": f"s-{number}"} for number in (1, 2)]
    assert [field.post(each, "/v1/engagement").json() for each in seen] == [{"counted": True, "ignored": ["userId"]}] * 2
    assert len(installs(field)) == 2
    assert None not in installs(field)


def test_no_route_accepts_a_placeholder_for_a_missing_id(field: Any) -> None:
    client = field.server.client
    for method in ("GET", "DELETE"):
        for raw in NO_IDS:
            answer = client.request(method, f"/p/{field.slug}/v1/install", params={"id": raw})
            assert (answer.status_code, "missing id" in answer.json()["detail"]) == (404, True)
    assert client.request("DELETE", f"/p/{field.slug}/v1/installs/undefined").status_code == 404
    erased = field.ask('mutation ($s: String!) { eraseInstall(slug: $s, installationId: "null") { errors { field } } }', s=field.slug)
    assert erased == {"eraseInstall": {"errors": [{"field": "installationId"}]}}


@pytest.mark.one_path
def test_no_route_shows_or_erases_an_install_known_by_its_address(field: Any) -> None:
    call = {"tool_name": "build", "tool_category": "code", "duration_ms": 5, "status": "success"}
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer undefined"}, {"mcp_session_id": "undefined"}):
        assert field.post(call, "/api/track", **CURL, **headers).status_code == 200
    assert len(installs(field)) == 1
    assert None not in installs(field)
    for day in ("", *(f"{number}\n" for number in range(20_000, 20_010))):
        for prefix in ("address:", "visitor:", ""):
            raw = f"{prefix}{day}127.0.0.1\ncurl/8.5.0"
            for method in ("GET", "DELETE"):
                answer = field.server.client.request(method, f"/p/{field.slug}/v1/install", params={"id": raw})
                assert answer.status_code == 404
    assert len(field.events()) == 4


@pytest.mark.one_path
def test_showing_an_install_requires_a_key_if_the_project_does(field: Any) -> None:
    changed = field.ask(
        "mutation ($s: String!) { updateProject(slug: $s, changes: {requiresKey: true}) { errors { message } } }", s=field.slug
    )
    assert changed == {"updateProject": {"errors": []}}
    made = field.ask(
        "mutation ($s: String!, $scopes: [Scope!]!) { createKey(slug: $s, scopes: $scopes) { key { id } secret } }",
        s=field.slug,
        scopes=["INGEST"],
    )["createKey"]
    key = {"authorization": f"Bearer {made['secret']}"}
    assert field.post({"name": "run", "installation_id": "test"}, **key).status_code == 202
    client, path = field.server.client, f"/p/{field.slug}/v1/installs/test"
    assert client.get(path).status_code == 401
    assert client.delete(path).status_code == 401
    assert len(field.events()) == 1
    assert client.get(path, headers=key).json()["total_events"] == 1
    assert client.delete(path, headers=key).json()["events"] == 1


@pytest.mark.one_path
def test_a_look_at_an_install_and_its_erasure_are_in_the_audit_log(field: Any) -> None:
    field.post({"name": "run", "installation_id": "me@corp.example"})
    client, path = field.server.client, f"/p/{field.slug}/v1/installs/me@corp.example"
    assert client.get(path).status_code == 200
    assert client.delete(path).status_code == 200
    (project,) = field.rows(f"SELECT id FROM project WHERE slug = '{field.slug}'")
    found = field.rows(
        f"SELECT actor, action, detail FROM audit_entry WHERE project_id = {project[0]} AND action LIKE 'install.%' ORDER BY id"
    )
    assert found == [("install", "install.show", "1 events"), ("install", "install.erase", "1 events")]


@pytest.mark.parametrize("raw", ["undefined" + " " * 20, "\ufeff" * 20 + "null", "-00000000-0000-0000-0000-000000000000"])
def test_a_long_placeholder_for_a_missing_id_is_named_on_both_paths(field: Any, raw: str) -> None:
    assert field.post({"name": "run", "installation_id": raw}).json()["ignored"] == ["installation_id"]
    assert field.post({"data": {"event_type": "x", "installation_id": raw}}).json()["ignored"] == ["data.installation_id"]
    assert installs(field) == {None}


def test_plain_words_and_counters_that_are_ids_too_are_kept_in_names_targets_and_properties(field: Any) -> None:
    batch = [
        {"name": "build", "installation_id": "own-1", "id": "100000", "properties": {"file_size": 1000000, "files": 100000}},
        {"name": "deploy", "installation_id": "own-1", "session_id": "deploy", "properties": {"step": "deploy"}},
        {"name": "export", "installation_id": "own-1", "id": "export-1", "target": {"type": "file", "id": "export-10.csv"}},
    ]
    assert field.post(batch).json()["accepted"] == 3
    build, deploy, export = field.events()
    assert build["properties"] == {"file_size": 1000000, "files": 100000}
    assert (deploy["name"], deploy["properties"]) == ("deploy", {"step": "deploy"})
    assert (export["target_type"], export["target_id"]) == ("file", "export-10.csv")
