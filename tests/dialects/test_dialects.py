"""All dialects: each body has one dialect, and any body results in an event or a problem."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dialects import DIALECTS, Dialect, engagement, flakedrop, native, peon_ping, sonicjs, trackskills
from server.dialects.document import load
from server.event import Outcomes, Receipt, Request
from server.problems import Problem

ROUTES = [(dialect, path) for dialect in DIALECTS for path in dialect.PATHS]


def request(document: Any, route: str = "/v1/events", params: tuple[str, ...] = ()) -> Request:
    return Request(route=route, headers={}, address="198.51.100.4", received_at=1_771_243_200_000, document=document, params=params)


@pytest.mark.parametrize(
    ("document", "dialect"),
    [
        ({"data": {"event_type": "x", "installation_id": "i"}}, sonicjs),
        ({"data": {"event_type": "x"}}, sonicjs),
        ({"data": {"installation_id": "i"}}, sonicjs),
        ({"data": {}}, sonicjs),
        ({"data": {"event_type": 5, "properties": []}}, sonicjs),
        ({"data": {"event_type": "x"}, "type": 5}, sonicjs),
        ({"data": {"name": "x", "installation_id": "i"}}, native),
        ({"data": {"name": "x", "installation_id": "i", "event_type": "x"}}, native),
        ({"data": {"other": 1}}, native),
        ({"data": None}, native),
        ({"data": []}, native),
        ({"data": "text"}, native),
        ({"name": "x", "installation_id": "i"}, native),
        ({"name": "x", "data": {"event_type": "x"}}, native),
        ({"name": "x", "type": "x", "data": {}}, native),
        ({"events": []}, native),
        ({"events": [{"data": {"event_type": "x"}}]}, native),
        ([], native),
        ([{"data": {"event_type": "x"}}], native),
        ({}, native),
        (None, native),
        (True, native),
        (5, native),
        ("text", native),
        ({"type": "heartbeat"}, flakedrop),
        ({"type": "heartbeat", "events": []}, native),
        ({"type": 5, "data": {"data": {}}}, native),
        ({"type": "heartbeat", "data": {"data": {}}}, flakedrop),
        ({"type": "heartbeat", "data": {}}, flakedrop),
        ({"type": "heartbeat", "data": None}, flakedrop),
        ({"type": "", "data": {}}, flakedrop),
        ({"type": "x", "data": {"event_type": "x"}}, flakedrop),
        ({"type": "x", "data": {"name": "x"}}, flakedrop),
    ],
)
def test_each_shape_on_the_shared_path_has_one_dialect(document: Any, dialect: Dialect) -> None:
    asked = (each for each in DIALECTS if any(path.template == "/v1/events" for path in each.PATHS))
    assert next(each.NAME for each in asked if each.claims(request(document))) == dialect.NAME


def test_no_two_dialects_share_a_name_and_only_two_paths_are_shared() -> None:
    assert len({dialect.NAME for dialect in DIALECTS}) == len(DIALECTS)
    templates = [path.template for _, path in ROUTES]
    assert {template for template in templates if templates.count(template) > 1} == {"/v1/events", "/batch"}
    assert DIALECTS[-1] is native


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.NAME)
def test_every_route_is_documented(dialect: Dialect) -> None:
    for path in dialect.PATHS:
        assert path.summary
        assert path.answers
        assert bool(path.accepts) == path.body
        schemas, components = msgspec.json.schema_components(path.accepts)
        assert (len(schemas), bool(components)) == (len(path.accepts), path.body)


@pytest.mark.parametrize("dialect", [sonicjs, native, flakedrop, engagement, trackskills, peon_ping], ids=lambda dialect: dialect.NAME)
def test_no_dialect_changes_the_document_that_it_reads(dialect: Dialect) -> None:
    data = {"installation_id": "i", "event_type": "x", "more": 1, "properties": {"installation_id": "i", "a": {"ip": 1}}}
    inner = {"user_id": "u", "success": True, "os": "linux", "deep": {"ip": 1}}
    batch = [
        {"name": "x", "installation_id": "i", "more": 1, "properties": {"more": 2}},
        {"targetType": "a", "targetId": "b", "kind": "view", "more": 1, "metadata": {"ip": 1, "more": {"ip": 2}}},
        {"tool_name": "t", "more": 1, "status": "error", "metadata": {"status": 1}},
    ]
    for path in dialect.PATHS:
        for document in (
            {"data": data},
            {"type": "deployment", "data": {"data": inner}},
            {"type": "deployment", "data": inner},
            batch,
            *batch,
        ):
            before = copy.deepcopy(document)
            outcome(dialect, request(document, path.template, ("pack",)))
            assert document == before


# Nearly valid documents (known fields with any values), and any other documents. All values that a client sends are marked, so that they can be
# searched for in the response.

MARK = "confidential"
NUMBER = 83_838_383
FIELDS = sorted(
    {
        *(
            "name",
            "events",
            "data",
            "type",
            "id",
            "target",
            "error",
            "message",
            "properties",
            "metadata",
            "ci",
            "environment",
            "timestamp",
            "os",
        ),
        *("duration_ms", "outcome", "version", "arch", "session_id", "installation_id", "event_type", "first_seen", "last_seen", "user_id"),
        *(
            "success",
            "targetType",
            "targetId",
            "kind",
            "userId",
            "sessionId",
            "ua",
            "referrer",
            "ip",
            "tool_name",
            "tool_category",
            "status",
        ),
        *("error_type", "error_message", "isCI", "NODE_ENV", "durationMs", "nodeVersion"),
    }
)
marked = st.text(max_size=4).map(lambda text: MARK + text.replace("\0", ""))
plain = st.sampled_from(["x", "view", "2026-02-16T12:00:00Z", "success", "error", "ci", "https://example.com/x", "{}", '{"a":1}', "v20.1"])
leaves = (
    st.none()
    | st.booleans()
    | marked
    | plain
    | st.sampled_from(["", " ", 0, 1, -1, 1.5, NUMBER, -NUMBER, NUMBER * 1_000.5, 2**63 - 1, -(2**63), 1e308])
)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=24,
)


def outcome(dialect: Dialect, asked: Request) -> tuple[list[bytes], int]:
    """Return the text of an error and the number of events, through claims, decode and answer."""
    try:
        dialect.claims(asked)
        decoded = dialect.decode(asked)
    except Problem as problem:
        return [problem.to_json()], 0
    places = decoded.positions or list(range(len(decoded.events)))
    assert len(places) == len(decoded.events)
    assert not {rejection.index for rejection in decoded.rejected} & set(places)
    count = len(decoded.events)
    errors = [msgspec.json.encode(decoded.rejected)]
    for receipt in Receipt:
        receipts = Outcomes(receipts=[receipt] * count, ids=range(count), created=[True] * len(decoded.installs))
        try:
            answer = dialect.answer(decoded, receipts)
        except Problem as problem:
            errors.append(problem.to_json())
            assert receipt in (Receipt.UNKNOWN_TARGET, Receipt.TOO_MANY_TARGETS, Receipt.FAILED)
        else:
            assert 200 <= answer.status < 300
            assert not answer.body or json.loads(answer.body) is not None
    return errors, count


def everywhere(document: Any) -> Iterator[bytes]:
    for dialect, path in ROUTES:
        said, _ = outcome(dialect, request(document, path.template, ("pack",) if "{" in path.template else ()))
        yield from said


@given(documents)
def test_any_document_is_events_or_a_problem_that_quotes_none_of_it(document: Any) -> None:
    for said in everywhere(document):
        assert MARK.encode() not in said
        assert str(NUMBER).encode() not in said


@given(documents)
def test_a_document_from_a_request_is_read_like_any_other(document: Any) -> None:
    assert list(everywhere(load(json.dumps(document).encode()))) == list(everywhere(document))


@given(st.text(max_size=70))
def test_any_pack_is_a_pack_or_a_problem_that_does_not_quote_it(pack: str) -> None:
    said, count = outcome(peon_ping, request(None, "/dl/{pack}", (MARK.upper() + pack,)))
    assert count == 0
    assert MARK.upper().encode() not in b"".join(said)
