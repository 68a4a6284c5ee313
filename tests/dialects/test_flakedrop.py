"""FlakeDrop: the formats of all releases of its Go client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects import flakedrop
from server.event import Environment, Outcome, Receipt
from server.problems import Invalid

Body = Callable[[str], bytes]
USER = "f3a1c9d2e4b5a6978877665544332211"
AT = 1_754_040_615_000  # 2025-08-01T09:30:15Z


def deployment(**fields: Any) -> dict[str, Any]:
    return {"type": "deployment", "data": {"data": {"user_id": "u", **fields}}}


def test_a_heartbeat_keeps_its_metrics(ask: Any, reply: Any, body: Body) -> None:
    request = ask(body("flakedrop-heartbeat"), user_agent="FlakeDrop/1.1.0")
    assert flakedrop.claims(request)
    decoded = flakedrop.decode(request)
    (event,) = decoded.events
    assert (event.name, event.install, event.occurred_at, event.outcome) == ("heartbeat", USER, AT + 123, Outcome.NONE)
    assert (event.context.os, event.context.arch, event.context.version) == ("darwin", "arm64", "1.1.0")
    assert (event.context.dialect, event.context.environment) == ("flakedrop", Environment.UNKNOWN)
    assert event.properties == {
        "metrics": {"total_deployments": 41, "weekly_deployments": 0, "last_active_date": "2025-07-31", "error_rate": 0.0487}
    }
    answer = reply(flakedrop, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


def test_a_new_configuration_keeps_its_kind(ask: Any, body: Body) -> None:
    (event,) = flakedrop.decode(ask(body("flakedrop-config-created"))).events
    assert (event.name, event.install, event.occurred_at) == ("config_created", USER, AT + 100)
    assert event.properties == {"config_type": "git", "event": "config_created"}


def test_a_deployment_is_a_success_or_a_failure(ask: Any, body: Body) -> None:
    (event,) = flakedrop.decode(ask(body("flakedrop-deployment"))).events
    assert (event.name, event.outcome, event.occurred_at) == ("deployment", Outcome.SUCCESS, AT)
    assert event.properties == {"event": "real_deployment", "file_count": 7}
    (event,) = flakedrop.decode(ask(body("flakedrop-first-release"))).events
    assert (event.name, event.outcome, event.occurred_at, event.install) == ("deployment", Outcome.FAILURE, AT + 500, USER)
    assert event.context.os == "windows"


@pytest.mark.parametrize("success", ["true", 1, None, [], {}])
def test_a_success_that_is_not_a_boolean_is_a_property_and_not_an_outcome(ask: Any, success: Any) -> None:
    (event,) = flakedrop.decode(ask(deployment(success=success))).events
    assert (event.outcome, event.properties) == (Outcome.NONE, {"success": success})


def test_only_a_deployment_has_an_outcome(ask: Any) -> None:
    (event,) = flakedrop.decode(ask({"type": "config_created", "data": {"data": {"success": True}}})).events
    assert (event.outcome, event.properties) == (Outcome.NONE, {"success": True})


@pytest.mark.parametrize("kind", ["rollback", "x" * 100, "with space"])
def test_unknown_types_are_kept(ask: Any, kind: str) -> None:
    (event,) = flakedrop.decode(ask({"type": kind, "data": {"data": {"user_id": "u", "depth": 2}}})).events
    assert (event.name, event.install, event.properties) == (kind, "u", {"depth": 2})


@pytest.mark.parametrize("data", [None, {}, {"data": {}}, {"data": {"user_id": None}}, {"user_id": ""}])
def test_only_the_type_is_required(ask: Any, data: Any) -> None:
    (event,) = flakedrop.decode(ask({"type": "heartbeat", "data": data})).events
    assert (event.name, event.install, event.occurred_at, event.properties) == ("heartbeat", None, None, {})


def test_fields_of_the_outer_object_fill_in_what_the_inner_object_lacks(ask: Any) -> None:
    document = {
        "type": "heartbeat",
        "timestamp": "2025-08-01T09:30:15Z",
        "channel": "beta",
        "data": {"user_id": "outer", "os": "linux", "data": {"user_id": "inner"}},
    }
    (event,) = flakedrop.decode(ask(document)).events
    assert (event.install, event.occurred_at, event.context.os, event.properties) == ("inner", AT, "linux", {"channel": "beta"})


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"type": "", "data": {}}, {"type": "must not be empty"}),
        ({"type": "x" * 101, "data": {}}, {"type": "must be at most 100 characters"}),
        ({"type": "x", "data": []}, {"data": "expected an object, got an array"}),
        (deployment(user_id=5), {"data.data.user_id": "expected a string, got a number"}),
        (deployment(user_id="x" * 201), {"data.data.user_id": "must be at most 200 characters"}),
        (
            {"type": "x", "data": {"user_id": [], "os": 1}},
            {"data.user_id": "expected a string, got an array", "data.os": "expected a string, got a number"},
        ),
    ],
)
def test_a_wrong_field_is_400_and_named(ask: Any, document: Any, errors: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        flakedrop.decode(ask(document))
    assert {error.path: error.message for error in caught.value.errors} == errors
    assert caught.value.code == 400


def test_a_repeated_event_gets_the_same_answer(ask: Any, reply: Any) -> None:
    decoded = flakedrop.decode(ask(deployment(), idempotency_key="k"))
    assert decoded.events[0].id == "k"
    assert reply(flakedrop, decoded, Receipt.DUPLICATE) == reply(flakedrop, decoded, Receipt.STORED)


def test_the_environment_comes_from_the_dialect_s_own_fields(ask: Any) -> None:
    (event,) = flakedrop.decode(ask(deployment(ci=True))).events
    assert (event.context.environment, event.context.reason) == (Environment.CI, "data.data.ci")
