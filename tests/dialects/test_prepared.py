"""The one-pass parser gives the same result as the ordinary path, or declines."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dialects import native, sonicjs
from server.dialects.document import load
from server.event import Decoded, Outcomes, Receipt, Request
from server.problems import Problem
from tests.dialects.conftest import BODIES, RECEIVED_AT

DIALECTS = (sonicjs, native)  # in the order in which they may claim a body

_UUID = "6f1c1b0e-3b7d-4bad-9bdd-2b0d7b3dcb6d"
_NATIVE: dict[str, Any] = {"name": "build", "installation_id": _UUID}
_SONICJS: dict[str, Any] = {"installation_id": _UUID, "event_type": "installation_started"}


def request_for(document: Any = None) -> Request:
    return Request(
        route="/v1/events", headers={b"idempotency-key": b"k-1"}, address="198.51.100.4", received_at=RECEIVED_AT, document=document
    )


def in_one_pass(body: bytes) -> tuple[Any, Decoded] | None:
    """Return the dialect that reads a body in one pass, and its result."""
    for dialect in DIALECTS:
        (prepared,) = {path.prepared for path in dialect.PATHS if path.prepared is not None}
        decoded = prepared(body, request_for())
        if decoded is not None:
            return dialect, decoded
    return None


def on_ordinary_path(body: bytes) -> tuple[Any, Decoded]:
    """Decode a body on the ordinary path. Raises Problem."""
    request = request_for(load(body))
    dialect = next(dialect for dialect in DIALECTS if dialect.claims(request))
    return dialect, dialect.decode(request)


def result_of(dialect: Any, decoded: Decoded) -> tuple[Any, ...]:
    """Return everything that the rest of ingest receives, and the response."""
    for event in decoded.events:
        assert event.document in (None, msgspec.json.encode(event.properties).decode() if event.properties else "")
    events = [msgspec.structs.replace(event, document=None) for event in decoded.events]
    receipts = [Receipt.STORED] * len(events)
    answer = dialect.answer(decoded, Outcomes(receipts=receipts, ids=range(len(events))))
    return dialect, events, decoded.rejected, decoded.positions, decoded.batch, decoded.ignored, answer.status, json.loads(answer.body)


def among_others(body: bytes) -> bytes | None:
    """Return a batch that contains a native event, long enough to be converted by column. None for other bodies."""
    if not body.startswith(b'{"name"'):
        return None
    return b'{"events":[' + b",".join([*[_ORDINARY] * 5, body, *[_ORDINARY] * 5]) + b"]}"


_ORDINARY = json.dumps({**_NATIVE, "timestamp": "2026-02-16T11:00:00Z"}, separators=(",", ":")).encode()


def is_same_on_both_paths(body: bytes) -> bool:
    """Check that both paths give the same result. Return True if the one-pass parser accepts the body."""
    found = in_one_pass(body)
    if found is not None:
        assert result_of(*found) == result_of(*on_ordinary_path(body))
        if (batch := among_others(body)) is not None:
            in_batch = in_one_pass(batch)
            assert in_batch is not None
            assert result_of(*in_batch) == result_of(*on_ordinary_path(batch))
    return found is not None


PLAIN = [
    _NATIVE,
    [_NATIVE, _NATIVE],
    {"events": [_NATIVE, {**_NATIVE, "ci": False, "properties": {"a": {"b": [1, 2.5, None, "x:y"]}}}]},
    {"events": []},
    {**_NATIVE, "timestamp": "2026-02-16T11:00:00.123Z", "id": "e-1", "session_id": "s-1", "duration_ms": 12.5, "outcome": "failure"},
    {**_NATIVE, "target": {"type": "pack", "id": "peon"}, "error": {"type": " TypeError ", "message": "x is no y"}, "environment": "ci"},
    {**_NATIVE, "os": "macOS", "arch": "x86_64", "runtime": "node 20.10", "version": "1.2.3", "package_manager": "npm"},
    {"name": "telemetry_declined"},
    {
        **_NATIVE,
        "os": "",
        "outcome": "",
        "environment": "",
        "id": "",
        "session_id": "",
        "version": "v" * 300,
        "target": {"type": "", "id": "x"},
    },
    {**_NATIVE, "properties": {"isCI": "true", "name": "x", "größe": "süß 🙂"}},
    {"data": _SONICJS},
    {"data": {**_SONICJS, "timestamp": 1_771_243_100_000, "properties": {"os": "darwin", "nodeVersion": "v20.10", "durationMs": 12}}},
    {"data": {**_SONICJS, "event_type": "installation_failed", "properties": {"installation_id": _UUID, "errorType": "E", "stage": "x"}}},
    {"data": {**_SONICJS, "properties": {"os": ["a", {"b": None}], "duration": -1, "nodeVersion": 20}}},
]


@pytest.mark.parametrize("document", PLAIN)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("twice", [False, True])
def test_the_usual_bodies_of_clients_take_the_fast_path(document: Any, separators: tuple[str, str], twice: bool) -> None:
    body = json.dumps(document, separators=separators, ensure_ascii=False).encode()
    assert is_same_on_both_paths(body)
    if twice:  # the second time, its parts are cached
        assert is_same_on_both_paths(body)


@pytest.mark.parametrize("file", sorted(BODIES.glob("*.json")), ids=lambda file: file.stem)
def test_bodies_of_real_clients_give_the_same_result_on_both_paths(file: Any) -> None:
    is_same_on_both_paths(file.read_bytes())


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"a","name":"b","installation_id":"x"}',
        b'{"name":"a","installation_id":"x","properties":{"a":1,"a":2}}',
        b'{"name":"a","installation_id":"x","properties":{"a":1},"properties":{"a":2}}',
        b'{"name":"a","name":"\\u003a","installation_id":"x"}',
        # Encoding turns 1e9 into 1000000000.0: the text stays as long although a key was lost.
        b'{"name":"a","installation_id":"x","os":"a","os":"a","duration_ms":1e9}',
        b'{"name":"a","installation_id":"x","os":"a","os":"a","weight":1e9}',
        b'{"name":"a","installation_id":"x","os":"a","os":"a","sample_rate":1e9}',
        b'{"name":"a","installation_id":"x","os":"a","os":"a","timestamp":1e9}',
        b'{"name":"a","installation_id":"x","properties":{"b\\u003a":1,"a":1,"a":2}}',
        b'{"name":"a\\u0000","installation_id":"x"}',
        b'{"name":"a","installation_id":"x","properties":{"a\\u0000":1}}',
        b'{"name":"a","installation_id":"x","properties":{"a":9223372036854775808}}',
        b'{"name":"a","installation_id":"x","properties":{"a":1e999}}',
        b'{"name":"a","installation_id":"x","properties":{"a":"\xff"}}',
        b'{"name":"a","installation_id":"x","properties":' + b'{"a":' * 20 + b"1" + b"}" * 21,
        b'{"name":"a","installation_id":"x","properties":[]}',
        b'{"name":"a","installation_id":"x","properties":{"' + b"k" * 300 + b'":1}}',
        b'{"name":"a","installation_id":"x","duration_ms":1' + b"0" * 400 + b"}",
        b'{"name":"","installation_id":"x"}',
        b'{"name":"a","installation_id":"x"} {}',
        b'[{"name":"a","installation_id":"x"},{"name":7,"installation_id":"x"}]',
        b"[" + b",".join([b'{"name":"a","installation_id":"x"}'] * 1001) + b"]",
        b'{"data":{"installation_id":"x"}}',
        b'{"data":{"installation_id":"x","event_type":"a","properties":7}}',
        b'{"data":{"installation_id":"x","event_type":"a","event_type":"a"}}',
        b"",
        b"[" * 100_000,
        b'{"name":"a","installation_id":"x","properties":' + b"[" * 100_000,
    ],
)
def test_invalid_bodies_take_the_ordinary_path_which_names_the_error(body: bytes) -> None:
    assert in_one_pass(body) is None
    if (batch := among_others(body)) is not None:
        assert in_one_pass(batch) is None
    try:
        _, decoded = on_ordinary_path(body)
    except Problem:
        return
    assert decoded.rejected


@pytest.mark.parametrize(
    ("document", "ignored"),
    [
        ({**_NATIVE, "properties": {str(number): 1 for number in range(101)}}, "properties"),
        ({**_NATIVE, "timestamp": "yesterday"}, "timestamp"),
        ({**_NATIVE, "duration_ms": -1}, "duration_ms"),
        ({**_NATIVE, "outcome": "skipped"}, "outcome"),
        ({**_NATIVE, "environment": "agent"}, "environment"),
        ({**_NATIVE, "error": {"type": "E", "stack": "at x"}}, "error.stack"),
        ({"events": [_NATIVE, {**_NATIVE, "timestamp": "yesterday"}]}, "timestamp"),
        ({"data": {**_SONICJS, "timestamp": "yesterday"}}, "data.timestamp"),
    ],
)
def test_unknown_values_take_the_ordinary_path_and_are_ignored_there(document: Any, ignored: str) -> None:
    body = json.dumps(document, separators=(",", ":")).encode()
    assert in_one_pass(body) is None
    if (batch := among_others(body)) is not None:
        assert in_one_pass(batch) is None
    _, decoded = on_ordinary_path(body)
    assert (decoded.rejected, decoded.ignored) == ([], [ignored])


@pytest.mark.parametrize(
    "document",
    [
        {**_NATIVE, "extra": 1},
        {**_NATIVE, "messageId": "m-1"},
        {**_NATIVE, "version": None},
        {**_NATIVE, "properties": None},
        {"data": _NATIVE},
        {"data": {**_SONICJS, "extra": 1}},
        {"data": {**_SONICJS, "properties": None}},
        {"data": _SONICJS, "name": "x"},
        {"events": [_NATIVE], "sent_at": 7},
        {"type": "heartbeat", "data": {"data": {"user_id": "x"}}},
    ],
)
def test_unusual_bodies_take_the_ordinary_path(document: Any) -> None:
    assert in_one_pass(json.dumps(document).encode()) is None


_short = st.text(max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _short,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_short, inner, max_size=3),
    max_leaves=8,
)
_properties = st.dictionaries(
    st.sampled_from(["os", "ci", "isCI", "duration", "durationMs", "errorType", "nodeVersion", "a"]) | _short, _json
)
_times = st.sampled_from(["2026-02-16T11:00:00Z", "2026-02-16 11:00:00.5+02:00", 0, -1.5, 1_771_243_100_000, "", "x"])
_native = st.fixed_dictionaries(
    {"name": _short},
    optional={
        "installation_id": _short,
        **dict.fromkeys(("id", "session_id", "version", "os", "arch", "runtime", "package_manager"), _short),
        "timestamp": _times,
        "duration_ms": st.integers(-5, 10**13) | st.floats(allow_nan=False, allow_infinity=False),
        "target": st.fixed_dictionaries({"type": _short, "id": _short}),
        "error": st.fixed_dictionaries({}, optional={"type": _short, "message": _short}),
        "outcome": st.sampled_from(["success", "failure", "maybe", ""]),
        "environment": st.sampled_from(["ci", "person", "robot", "docker", ""]),
        "ci": st.booleans(),
        "properties": _properties,
    },
)
_sonicjs = st.fixed_dictionaries(
    {"installation_id": _short, "event_type": _short}, optional={"properties": _properties, "timestamp": _times}
).map(lambda data: {"data": data})
_bodies = st.one_of(_native, _sonicjs, st.lists(_native, max_size=4), st.lists(_native, max_size=4).map(lambda events: {"events": events}))


@given(_bodies, st.booleans())
def test_any_body_gives_the_same_result_on_both_paths(document: Any, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    is_same_on_both_paths(body)
