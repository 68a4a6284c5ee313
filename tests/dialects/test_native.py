"""The native format: three shapes, strict JSON types, and isolation of invalid events in a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects import native
from server.event import Environment, Outcome, Receipt
from server.problems import Invalid, Problem, TooLarge, TooManyTargets, UnknownTarget

MINIMAL = {"name": "build", "installation_id": "i-1"}
FULL = {
    **MINIMAL,
    "timestamp": 1_771_243_200_250,
    "id": "e-1",
    "session_id": "s-1",
    "target": {"type": "command", "id": "build"},
    "outcome": "success",
    "duration_ms": 12,
    "error": {"type": "E", "message": "m"},
    "version": "1",
    "os": "linux",
    "arch": "x64",
    "runtime": "python 3.12",
    "package_manager": "uv",
    "environment": "person",
    "ci": False,
    "properties": {},
}


def test_an_event_shows_all_of_its_fields(ask: Any, body: Callable[[str], bytes]) -> None:
    (event,) = native.decode(ask(body("native-event"))).events
    assert (event.name, event.install, event.id, event.session) == ("build", "6a1f7f7a", "e-1", "s-1")
    assert event.occurred_at == 1_771_243_200_250
    assert event.target == ("command", "build")
    assert (event.outcome, event.duration_us) == (Outcome.FAILURE, 1_234_500)
    assert (event.error_type, event.error_message) == ("CompileError", "no such file")
    assert (event.context.environment, event.context.reason, event.context.dialect) == (Environment.CI, "environment", "native")
    assert (event.context.os, event.context.arch, event.context.runtime) == ("darwin", "arm64", "python 3.12")
    assert (event.context.version, event.context.package_manager) == ("1.4.2", "uv")
    assert event.properties == {"files": 12, "shell": "zsh"}
    assert event.debounce is None


def test_a_name_and_an_installation_are_enough(ask: Any) -> None:
    (event,) = native.decode(ask(MINIMAL)).events
    assert (event.occurred_at, event.id, event.target, event.outcome, event.duration_us) == (None, None, None, Outcome.NONE, None)
    assert (event.context.environment, event.context.reason, event.properties) == (Environment.UNKNOWN, "", {})


def test_null_counts_as_missing(ask: Any) -> None:
    (event,) = native.decode(ask({**dict.fromkeys(FULL), **MINIMAL})).events
    assert event == native.decode(ask(MINIMAL)).events[0]


@pytest.mark.parametrize(("document", "batch"), [({"data": FULL}, False), ({"events": [FULL]}, True), ([FULL], True)])
def test_an_event_is_the_same_in_every_accepted_shape(ask: Any, document: Any, batch: bool) -> None:
    decoded = native.decode(ask(document))
    assert decoded.events == native.decode(ask(FULL)).events
    assert decoded.batch == batch


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"name": ""}, {"name": "must not be empty"}),
        ({"name": "x" * 101}, {"name": "must be at most 100 characters"}),
        ({"name": 5}, {"name": "expected a string, got a number"}),
        ({"installation_id": "x" * 201}, {"installation_id": "must be at most 200 characters"}),
        ({"timestamp": True}, {"timestamp": "expected a number or a string, got a boolean"}),
        ({"id": 7}, {"id": "expected a string, got a number"}),
        ({"target": {"type": "x"}}, {"target.id": "is missing"}),
        ({"target": "pack"}, {"target": "expected an object, got a string"}),
        ({"duration_ms": "12"}, {"duration_ms": "expected a number, got a string"}),
        (
            {"outcome": 1, "environment": []},
            {"outcome": "expected a string, got a number", "environment": "expected a string, got an array"},
        ),
        ({"error": "boom"}, {"error": "expected an object, got a string"}),
        ({"error": {"message": 5}}, {"error.message": "expected a string, got a number"}),
        ({"os": ["linux"]}, {"os": "expected a string, got an array"}),
        ({"ci": "true"}, {"ci": "expected true or false, got a string"}),
        ({"properties": []}, {"properties": "expected an object, got an array"}),
        (
            {"name": None, "os": 1, "ci": 2},
            {"name": "expected a string, got null", "os": "expected a string, got a number", "ci": "expected true or false, got a number"},
        ),
    ],
)
def test_a_wrong_field_is_422_and_named(ask: Any, change: dict[str, Any], errors: dict[str, str]) -> None:
    for event, prefix in (({**FULL, **change}, ""), ({"data": {**FULL, **change}}, "data.")):
        with pytest.raises(Invalid) as caught:
            native.decode(ask(event))
        assert {error.path: error.message for error in caught.value.errors} == {prefix + path: said for path, said in errors.items()}
        assert caught.value.code == 422


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({}, ["name"]),
        (None, [""]),
        ("event", [""]),
        (5, [""]),
        ({"data": None}, ["data"]),
        ({"data": [MINIMAL]}, ["data"]),
        ({"events": None}, ["events"]),
        ({"events": {"0": MINIMAL}}, ["events"]),
    ],
)
def test_a_document_that_is_not_an_event_is_refused_with_the_missing_field(ask: Any, document: Any, paths: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        native.decode(ask(document))
    assert [error.path for error in caught.value.errors] == paths


def test_long_errors_are_cut_and_not_refused(ask: Any) -> None:
    (event,) = native.decode(ask({**MINIMAL, "error": {"type": "T" * 201, "message": "m" * 4_001}})).events
    assert event.error_type == "T" * 199 + "…"
    assert event.error_message == "m" * 4_000


def test_unknown_fields_are_kept_without_replacing_a_property(ask: Any) -> None:
    (event,) = native.decode(ask({**MINIMAL, "shell": "zsh", "tty": True, "properties": {"shell": "fish"}})).events
    assert event.properties == {"shell": "fish", "$shell": "zsh", "tty": True}


def test_properties_name_the_environment_if_no_field_does(ask: Any) -> None:
    (event,) = native.decode(ask({**MINIMAL, "properties": {"isCI": True}})).events
    assert (event.context.environment, event.context.reason) == (Environment.CI, "properties.isCI")
    (event,) = native.decode(ask({**MINIMAL, "ci": False, "properties": {"isCI": True}})).events
    assert (event.context.environment, event.context.reason) == (Environment.PERSON, "ci")


@pytest.mark.parametrize("field", ["id", "messageId", "uuid"])
def test_an_event_s_own_id_goes_before_the_header(ask: Any, field: str) -> None:
    (event,) = native.decode(ask({**MINIMAL, field: "mine"}, idempotency_key="header")).events
    assert (event.id, event.properties) == ("mine", {})


def test_the_header_is_the_id_of_a_single_event_and_the_beginning_of_a_batch_s(ask: Any) -> None:
    (event,) = native.decode(ask({"data": MINIMAL}, idempotency_key="k")).events
    assert event.id == "k"
    batch = native.decode(ask([MINIMAL, {}, {**MINIMAL, "id": "own"}, MINIMAL], idempotency_key="k"))
    assert [event.id for event in batch.events] == ["k:0", "own", "k:3"]


def test_one_bad_event_never_loses_its_neighbors(ask: Any, reply: Any, body: Callable[[str], bytes]) -> None:
    decoded = native.decode(ask(body("native-batch")))
    assert [event.name for event in decoded.events] == ["a", "d"]
    assert decoded.positions == [0, 3]
    answer = reply(native, decoded, Receipt.STORED, Receipt.DUPLICATE)
    assert answer.status == 202
    assert json.loads(answer.body) == {
        "accepted": 1,
        "duplicates": 1,
        "rejected": [
            {"index": 1, "errors": [{"path": "name", "message": "is missing"}]},
            {"index": 2, "errors": [{"path": "target", "message": "expected an object, got a string"}]},
        ],
    }


def test_a_batch_reports_which_events_the_store_refused(ask: Any, reply: Any) -> None:
    decoded = native.decode(ask([5, FULL, FULL, FULL, FULL]))
    answer = reply(native, decoded, Receipt.TOO_MANY_TARGETS, Receipt.STORED, Receipt.UNKNOWN_TARGET, Receipt.DEBOUNCED)
    said = json.loads(answer.body)
    assert (said["accepted"], said["duplicates"]) == (1, 1)
    assert [(item["index"], item["errors"][0]["path"]) for item in said["rejected"]] == [(0, ""), (1, "target"), (3, "target")]


@pytest.mark.parametrize(
    ("receipt", "accepted", "duplicates"), [(Receipt.STORED, 1, 0), (Receipt.DUPLICATE, 0, 1), (Receipt.DEBOUNCED, 0, 1)]
)
def test_a_single_event_is_answered_like_a_batch_of_one(ask: Any, reply: Any, receipt: Receipt, accepted: int, duplicates: int) -> None:
    for document in (MINIMAL, {"data": MINIMAL}, [MINIMAL], {"events": [MINIMAL]}):
        answer = reply(native, native.decode(ask(document)), receipt)
        assert (answer.status, answer.content_type) == (202, b"application/json")
        assert json.loads(answer.body) == {"accepted": accepted, "duplicates": duplicates, "rejected": []}


@pytest.mark.parametrize(("receipt", "problem"), [(Receipt.UNKNOWN_TARGET, UnknownTarget), (Receipt.TOO_MANY_TARGETS, TooManyTargets)])
def test_a_single_event_whose_target_the_store_refused_is_a_problem(ask: Any, reply: Any, receipt: Receipt, problem: type[Problem]) -> None:
    with pytest.raises(problem) as caught:
        reply(native, native.decode(ask(FULL)), receipt)
    assert [error.path for error in caught.value.errors] == ["target"]


def test_a_batch_may_be_empty_and_holds_at_most_a_thousand(ask: Any, reply: Any) -> None:
    assert json.loads(reply(native, native.decode(ask([]))).body) == {"accepted": 0, "duplicates": 0, "rejected": []}
    decoded = native.decode(ask({"events": [MINIMAL] * 1_000}))
    assert (len(decoded.events), decoded.positions) == (1_000, [])
    with pytest.raises(TooLarge, match="1,000"):
        native.decode(ask([MINIMAL] * 1_001))
