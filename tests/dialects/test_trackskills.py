"""Track-Skills: tool calls from the JavaScript client, the shell script and the hook."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects import trackskills
from server.event import Environment, Outcome, Receipt
from server.problems import Invalid, TooLarge, TooManyTargets

Body = Callable[[str], bytes]
ROUTE = "/api/track"
BATCH = "/api/track/batch"
CALL = {"tool_name": "seo_audit"}


def test_a_successful_call(ask: Any, reply: Any, body: Body) -> None:
    decoded = trackskills.decode(ask(body("trackskills-client"), ROUTE, authorization="Bearer key-1"))
    (event,) = decoded.events
    assert (event.name, event.target) == ("tool_call", ("tool", "query_content"))
    assert (event.outcome, event.duration_us, event.error_type, event.error_message) == (Outcome.SUCCESS, 182_000, None, None)
    assert (event.install, event.session, event.occurred_at) == ("key:Bearer key-1", None, None)
    assert (event.context.dialect, event.context.environment) == ("trackskills", Environment.UNKNOWN)
    assert event.properties == {
        "status": "success",
        "category": "cms_ontology",
        "params_keys": ["query", "limit"],
        "result_count": 12,
    }
    answer = reply(trackskills, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"success": True, "message": "Event tracked"})


def test_a_failed_call(ask: Any, body: Body) -> None:
    (event,) = trackskills.decode(ask(body("trackskills-client-error"), ROUTE)).events
    assert (event.outcome, event.duration_us, event.error_type) == (Outcome.FAILURE, 30_000_000, "TypeError")
    assert event.error_message == "Cannot read properties of undefined (reading 'pages')"


def test_the_shell_client_has_four_fields_and_an_empty_key(ask: Any, body: Body) -> None:
    request = ask(body("trackskills-shell"), ROUTE, authorization="Bearer ", user_agent="curl/8.5", content_type="application/json")
    (event,) = trackskills.decode(request).events
    assert (event.target, event.outcome, event.duration_us) == (("tool", "seo_audit"), Outcome.SUCCESS, 100_000)
    assert (event.install, event.visitor) == (None, "198.51.100.4\ncurl/8.5")
    assert event.properties == {"status": "success", "category": "your_category"}


@pytest.mark.parametrize(
    ("headers", "install", "session", "visitor"),
    [
        ({"mcp_session_id": "m", "authorization": "Bearer k", "user_agent": "a"}, "session:m", "m", None),
        ({"mcp_session_id": "  ", "authorization": "Bearer k"}, "key:Bearer k", None, None),
        ({"authorization": "Basic abc"}, "key:Basic abc", None, None),
        ({"authorization": "bearer  ", "user_agent": "a"}, None, None, "198.51.100.4\na"),
        ({"authorization": "Bearer undefined", "mcp_session_id": "null", "user_agent": "a"}, None, None, "198.51.100.4\na"),
        ({"authorization": ""}, None, None, "198.51.100.4\n"),
        ({}, None, None, "198.51.100.4\n"),
    ],
)
def test_the_headers_name_the_install_or_else_the_address_does(
    ask: Any, headers: dict[str, str], install: str | None, session: str | None, visitor: str | None
) -> None:
    (event,) = trackskills.decode(ask(CALL, ROUTE, **headers)).events
    assert (event.install, event.session, event.visitor) == (install, session, visitor)


@pytest.mark.parametrize(
    ("said", "outcome", "error_type"),
    [
        ({"status": "success"}, Outcome.SUCCESS, None),
        ({"status": "error"}, Outcome.FAILURE, None),
        ({"status": "timeout"}, Outcome.NONE, "timeout"),
        ({"status": "timeout", "error_type": "Slow"}, Outcome.NONE, "Slow"),
        ({"status": "timeout", "error_type": " "}, Outcome.NONE, "timeout"),
        ({"status": None}, Outcome.NONE, None),
        ({}, Outcome.NONE, None),
    ],
)
def test_a_status_is_an_outcome(ask: Any, said: dict[str, Any], outcome: Outcome, error_type: str | None) -> None:
    (event,) = trackskills.decode(ask({**CALL, **said}, ROUTE)).events
    assert (event.outcome, event.error_type) == (outcome, error_type)


@pytest.mark.parametrize(
    ("metadata", "properties"),
    [
        (None, {}),
        ("", {}),
        ({}, {}),
        ({"rows": 3}, {"rows": 3}),
        ('{"rows": 3}', {"rows": 3}),
        ('{"rows": {"a": [1]}}', {"rows": {"a": [1]}}),
        ("{}", {}),
        ("three rows", {"metadata": "three rows"}),
        ("[1]", {"metadata": "[1]"}),
        ("5", {"metadata": "5"}),
        ('{"a": 1, "a": 2}', {"metadata": '{"a": 1, "a": 2}'}),
        ('{"a": "\\u0000"}', {"metadata": '{"a": "\\u0000"}'}),
        ("[" * 5_000, {"metadata": "[" * 5_000}),
        ({"status": "mine", "category": "too"}, {"status": "mine", "category": "too"}),
    ],
)
def test_metadata_is_an_object_or_a_string_that_holds_one(ask: Any, metadata: Any, properties: dict[str, Any]) -> None:
    (event,) = trackskills.decode(ask({**CALL, "metadata": metadata}, ROUTE)).events
    assert event.properties == properties


def test_metadata_takes_no_name_of_ours(ask: Any) -> None:
    said = {**CALL, "status": "success", "tool_category": "seo", "model": "b", "metadata": {"status": "ok", "category": 1, "model": "a"}}
    (event,) = trackskills.decode(ask(said, ROUTE)).events
    assert event.properties == {"status": "success", "category": "seo", "$status": "ok", "$category": 1, "model": "a", "$model": "b"}


def test_metadata_may_name_the_environment(ask: Any) -> None:
    (event,) = trackskills.decode(ask({**CALL, "metadata": '{"is_ci": true}'}, ROUTE)).events
    assert (event.context.environment, event.context.reason) == (Environment.CI, "metadata.is_ci")


@pytest.mark.parametrize("duration", [-5, 2_592_000_001, 1e300])
def test_an_invalid_duration_is_kept_as_a_property(ask: Any, duration: float) -> None:
    (event,) = trackskills.decode(ask({**CALL, "duration_ms": duration}, ROUTE)).events
    assert (event.duration_us, event.properties) == (None, {"duration_ms": duration})


def test_long_errors_are_cut(ask: Any) -> None:
    (event,) = trackskills.decode(ask({**CALL, "error_type": "t" * 300, "error_message": "m" * 5_000}, ROUTE)).events
    assert (event.error_type, event.error_message) == ("t" * 199 + "…", "m" * 4_000)


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"tool_name": ""}, {"tool_name": "must not be empty"}),
        ({"tool_name": None}, {"tool_name": "expected a string, got null"}),
        ({"tool_name": "x" * 201}, {"tool_name": "must be at most 200 characters"}),
        ({"duration_ms": "fast"}, {"duration_ms": "expected a number, got a string"}),
        ({"status": 5}, {"status": "expected a string, got a number"}),
        ({"error_type": 5}, {"error_type": "expected a string, got a number"}),
        ({"metadata": [1]}, {"metadata": "expected a string or an object, got an array"}),
    ],
)
def test_a_wrong_field_is_400_and_named(ask: Any, change: dict[str, Any], errors: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        trackskills.decode(ask({**CALL, **change}, ROUTE))
    assert {error.path: error.message for error in caught.value.errors} == errors
    assert caught.value.code == 400


@pytest.mark.parametrize(("document", "path"), [({}, "tool_name"), ([CALL], ""), (None, ""), ("x", "")])
def test_a_body_that_is_not_a_call_is_400(ask: Any, document: Any, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        trackskills.decode(ask(document, ROUTE))
    assert ([error.path for error in caught.value.errors], caught.value.code) == ([path], 400)


def test_a_batch_reports_the_result_of_each_event(ask: Any, reply: Any) -> None:
    decoded = trackskills.decode(ask([CALL, {}, CALL, CALL], BATCH, idempotency_key="k"))
    assert [event.id for event in decoded.events] == ["k:0", "k:2", "k:3"]
    assert decoded.positions == [0, 2, 3]
    answer = reply(trackskills, decoded, Receipt.STORED, Receipt.DUPLICATE, Receipt.TOO_MANY_TARGETS)
    assert answer.status == 200
    said = json.loads(answer.body)
    assert (said["success"], said["message"], said["accepted"], said["duplicates"]) == (True, "Events tracked", 1, 1)
    assert [(item["index"], item["errors"][0]["path"]) for item in said["rejected"]] == [(1, "tool_name"), (3, "tool_name")]


@pytest.mark.parametrize("document", [CALL, {"events": [CALL]}, None])
def test_a_batch_is_an_array(ask: Any, document: Any) -> None:
    with pytest.raises(Invalid) as caught:
        trackskills.decode(ask(document, BATCH))
    assert (caught.value.code, caught.value.errors[0].message) == (400, "expected an array")


def test_a_batch_holds_at_most_a_thousand(ask: Any) -> None:
    with pytest.raises(TooLarge):
        trackskills.decode(ask([CALL] * 1_001, BATCH))


def test_a_repeated_call_gets_the_same_answer_and_one_tool_more_than_the_limit_is_422(ask: Any, reply: Any) -> None:
    decoded = trackskills.decode(ask({**CALL, "id": "c-1"}, ROUTE))
    assert decoded.events[0].id == "c-1"
    assert reply(trackskills, decoded, Receipt.DUPLICATE) == reply(trackskills, decoded, Receipt.STORED)
    with pytest.raises(TooManyTargets):
        reply(trackskills, decoded, Receipt.TOO_MANY_TARGETS)
