"""SonicJS: events from create-sonicjs and the CMS, and the records they get back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects import sonicjs
from server.event import Environment, Outcome, Receipt
from server.event_id import to_uuid
from server.problems import Invalid

Body = Callable[[str], bytes]
INSTALLATION = "0b0e8c1e-0c3c-4b8e-9a7e-0d9c3a1f2b4d"


def wrapped(**data: Any) -> dict[str, Any]:
    return {"data": {"installation_id": "i", "event_type": "installation_started", **data}}


@pytest.mark.parametrize("route", ["/v1/events", "/api/v1/events"])
def test_an_installation_starts(ask: Any, reply: Any, body: Body, route: str) -> None:
    request = ask(body("sonicjs-installation-started"), route, content_type="application/json", sec_fetch_mode="cors")
    assert sonicjs.claims(request)
    decoded = sonicjs.decode(request)
    (event,) = decoded.events
    assert (event.name, event.install, event.occurred_at) == ("installation_started", INSTALLATION, 1_765_274_400_000)
    assert (event.outcome, event.duration_us, event.session, event.target) == (Outcome.NONE, None, None, None)
    assert (event.context.os, event.context.runtime, event.context.package_manager) == ("darwin", "node 20.10", "npm")
    assert (event.context.environment, event.context.reason, event.context.dialect) == (Environment.UNKNOWN, "", "sonicjs")
    sent = json.loads(body("sonicjs-installation-started"))["data"]
    assert event.properties == sent["properties"]
    answer = reply(sonicjs, decoded)
    assert answer.status == 201
    assert json.loads(answer.body) == {"data": {"id": to_uuid(0), **sent}, "success": True}


def test_an_installation_completes(ask: Any, body: Body) -> None:
    (event,) = sonicjs.decode(ask(body("sonicjs-installation-completed"))).events
    assert (event.outcome, event.duration_us, event.error_type) == (Outcome.SUCCESS, 48_211_000, None)
    assert event.properties["duration"] == 48_211


def test_an_installation_fails(ask: Any, body: Body) -> None:
    (event,) = sonicjs.decode(ask(body("sonicjs-installation-failed"))).events
    assert (event.outcome, event.duration_us, event.context.os) == (Outcome.FAILURE, 1_730_000, "windows")
    assert event.error_type == "ENOENT, open '/home/ada/my-app/wrangler.toml'"


def test_other_names_have_no_outcome(ask: Any, body: Body) -> None:
    for name in ("sonicjs-installation-cancelled", "sonicjs-demo-login"):
        (event,) = sonicjs.decode(ask(body(name))).events
        assert event.outcome is Outcome.NONE
    assert (event.name, event.install, event.properties) == ("demo_login", "demo-unknown", {})


def test_a_snapshot_of_a_project_keeps_its_json_but_not_the_repeated_id(ask: Any, reply: Any, body: Body) -> None:
    decoded = sonicjs.decode(ask(body("sonicjs-project-snapshot")))
    (event,) = decoded.events
    assert "installation_id" not in event.properties
    assert INSTALLATION not in json.dumps(event.properties)
    assert event.properties["collection_counts"] == '{"posts":12,"pages":3}'
    assert event.context.version == "2.0.0"
    said = json.loads(reply(sonicjs, decoded).body)
    assert said["data"]["properties"] == json.loads(body("sonicjs-project-snapshot"))["data"]["properties"]


def test_properties_and_time_may_be_missing(ask: Any, reply: Any) -> None:
    for data in ({}, {"properties": None, "timestamp": None}):
        decoded = sonicjs.decode(ask(wrapped(**data)))
        assert (decoded.events[0].occurred_at, decoded.events[0].properties) == (None, {})
        assert json.loads(reply(sonicjs, decoded).body)["data"] == {
            "id": to_uuid(0),
            "installation_id": "i",
            "event_type": "installation_started",
            "properties": {},
            "timestamp": "2026-02-16T12:00:00.000Z",
        }


@pytest.mark.parametrize("said", ["2026-02-16T13:00:00.123456+01:00", 1_771_243_200_123, 1_771_243_200_123.0, 0])
def test_the_time_comes_back_as_it_was_sent(ask: Any, reply: Any, said: Any) -> None:
    decoded = sonicjs.decode(ask(wrapped(timestamp=said)))
    assert decoded.events[0].occurred_at == (1_771_243_200_123 if said else 0)
    assert json.loads(reply(sonicjs, decoded).body)["data"]["timestamp"] == said


def test_an_id_need_not_be_a_uuid(ask: Any) -> None:
    for installation in ("test-e2e-install", "x" * 100):
        assert sonicjs.decode(ask(wrapped(installation_id=installation))).events[0].install == installation


@pytest.mark.parametrize("name", ["x", "x" * 100, "page_viewed", "Ein Name mit Leerzeichen"])
def test_any_name_of_up_to_a_hundred_characters_is_taken(ask: Any, name: str) -> None:
    assert sonicjs.decode(ask(wrapped(event_type=name))).events[0].name == name


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"node_version": "v18.2", "package_manager": "bun", "sonicjs_version": "3.0"}, ("node 18.2", "bun", "3.0", None)),
        ({"nodeVersion": "v20.1", "node_version": "v18.2", "version": "2", "sonicjs_version": "3"}, ("node 20.1", None, "2", None)),
        ({"durationMs": 12.5, "duration": 99}, (None, None, None, 12_500)),
        ({"os": 5, "nodeVersion": ["v20"], "packageManager": {}, "version": 2, "durationMs": "12", "errorType": 7}, (None,) * 4),
        ({"durationMs": -1}, (None,) * 4),
        ({"duration": 1e300}, (None,) * 4),
        ({"duration": True}, (None,) * 4),
    ],
)
def test_properties_of_the_right_type_become_fields_and_all_are_kept(
    ask: Any, properties: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    (event,) = sonicjs.decode(ask(wrapped(properties=properties))).events
    assert (event.context.runtime, event.context.package_manager, event.context.version, event.duration_us) == expected
    assert (event.context.os, event.error_type) == (None, None)
    assert event.properties == properties


def test_long_words_are_cut(ask: Any) -> None:
    properties = {"os": "o" * 99, "version": "v" * 99, "errorType": "e" * 300}
    (event,) = sonicjs.decode(ask(wrapped(properties=properties))).events
    assert (event.context.os, event.context.version, event.error_type) == ("o" * 63 + "…", "v" * 63 + "…", "e" * 199 + "…")


def test_the_environment_comes_from_the_client_s_own_fields(ask: Any) -> None:
    (event,) = sonicjs.decode(ask(wrapped(properties={"NODE_ENV": "production", "is_ci": "1"}))).events
    assert (event.context.environment, event.context.reason) == (Environment.CI, "properties.is_ci")


def test_unknown_fields_of_the_record_are_kept(ask: Any) -> None:
    (event,) = sonicjs.decode(ask(wrapped(properties={"stage": "setup"}, stage="database", attempt=2))).events
    assert event.properties == {"stage": "setup", "$stage": "database", "attempt": 2}


def test_a_repeated_event_gets_the_same_answer(ask: Any, reply: Any) -> None:
    decoded = sonicjs.decode(ask(wrapped(), idempotency_key="k"))
    assert decoded.events[0].id == "k"
    assert reply(sonicjs, decoded, Receipt.DUPLICATE) == reply(sonicjs, decoded, Receipt.STORED)


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"data": {}}, {"data.installation_id": "is missing", "data.event_type": "is missing"}),
        ({"data": {"event_type": "x"}}, {"data.installation_id": "is missing"}),
        ({"data": {"installation_id": "x"}}, {"data.event_type": "is missing"}),
        (wrapped(installation_id=""), {"data.installation_id": "must not be empty"}),
        (wrapped(installation_id="x" * 101), {"data.installation_id": "must be at most 100 characters"}),
        (wrapped(installation_id=5), {"data.installation_id": "expected a string, got a number"}),
        (wrapped(event_type=None), {"data.event_type": "expected a string, got null"}),
        (wrapped(event_type="x" * 101), {"data.event_type": "must be at most 100 characters"}),
        (wrapped(properties=[]), {"data.properties": "expected an object, got an array"}),
        (wrapped(timestamp={}), {"data.timestamp": "expected a number or a string, got an object"}),
        ({}, {"data": "is missing"}),
        ({"data": 5}, {"data": "expected an object, got a number"}),
        ([], {"": "expected an object, got an array"}),
        (None, {"": "expected an object, got null"}),
    ],
)
def test_a_wrong_field_is_400_and_named(ask: Any, document: Any, errors: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        sonicjs.decode(ask(document, "/api/v1/events"))
    assert {error.path: error.message for error in caught.value.errors} == errors
    assert caught.value.code == 400


@pytest.mark.parametrize("route", ["/v1/installs", "/api/v1/installs"])
@pytest.mark.parametrize(("created", "status"), [(True, 201), (False, 200)])
def test_an_install_is_created_and_then_updated(ask: Any, reply: Any, body: Body, route: str, created: bool, status: int) -> None:
    request = ask(body("sonicjs-install"), route)
    assert sonicjs.claims(request)
    decoded = sonicjs.decode(request)
    (report,) = decoded.installs
    assert decoded.events == []
    assert (report.install, report.first_seen, report.last_seen) == ("uuid-v4", 1_765_274_400_000, 1_765_274_400_000)
    assert (report.context.os, report.context.runtime, report.context.package_manager) == ("darwin", "node 20.10", "npm")
    answer = reply(sonicjs, decoded, created=[created])
    assert answer.status == status
    assert json.loads(answer.body) == {**json.loads(body("sonicjs-install")), "success": True}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "data.installation_id"),
        ({"installation_id": "i", "first_seen": {}}, "data.first_seen"),
        ({"installation_id": "i", "last_seen": []}, "data.last_seen"),
        ({"installation_id": "i", "os": 5}, "data.os"),
    ],
)
def test_a_wrong_install_is_400_and_named(ask: Any, data: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as caught:
        sonicjs.decode(ask({"data": data}, "/v1/installs"))
    assert ([error.path for error in caught.value.errors], caught.value.code) == ([path], 400)
