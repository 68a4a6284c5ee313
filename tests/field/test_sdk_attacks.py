"""Bodies that no SDK sends, on the routes of SDKs: the server responds, keeps running, and accounts for each."""

from __future__ import annotations

import copy
import gzip
import itertools
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.quick import first

SITE = "attacked.example"
MESSAGES: dict[str, Any] = {
    "/batch": {"batch": [{"event": "run", "distinct_id": "d", "uuid": "u1", "properties": {"$os": "Linux", "n": 1}}], "sent_at": "2026-03-14T09:26:53Z"},
    "/capture": {"event": "run", "distinct_id": "d", "properties": {"$exception_list": [{"type": "E", "value": "v"}]}},
    "/i/v1/analytics/events": {"batch": [{"event": "run", "distinct_id": "d", "options": {"process_person_profile": False}, "session_id": "s"}]},
    "/v1/batch": {"batch": [{"type": "track", "event": "run", "anonymousId": "a", "context": {"library": {}, "app": {"version": "1"}, "os": {"name": "tux"}}}]},
    "/v1/identify": {"userId": "u", "traits": {"version": "1"}, "context": {"traits": {"os": "linux"}}},
    "/2/httpapi": {"events": [{"event_type": "run", "device_id": "d", "time": 1_773_480_413_000, "session_id": 5, "event_properties": {"a": 1}}], "options": {}},
    "/api/v0/events": [{"eventName": "run", "sessionId": "1", "timestamp": "2026-03-14T09:26:53Z", "systemProps": {"osName": "Tux", "isDebug": True}, "props": {"a": 1}}],
    "/track": {"type": "track", "payload": {"name": "run", "profileId": "p", "properties": {"__timestamp": "2026-03-14T09:26:53Z", "os": "linux"}}},
    "/api/event": {"n": "run", "d": SITE, "p": '{"a":1}', "u": "https://attacked.example/"},
    "/api/send": {"type": "event", "payload": {"website": SITE, "name": "run", "id": "i", "timestamp": 1_700_000_000, "data": {"a": 1}, "tag": "t"}},
    "/v1/logs": {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "os.type", "value": {"stringValue": "linux"}}]},
                "scopeLogs": [{"logRecords": [{"eventName": "run", "timeUnixNano": "1773480413589000000", "attributes": [{"key": "a", "value": {"intValue": "1"}}]}]}],
            }
        ]
    },
}  # fmt: skip
ODD: list[Any] = [
    *(None, True, 0, -1, 0.5, 1e308, -(2**63), 2**63, 10**400, "", " ", "\0", "\ud83c", "x" * 30_000, "null", "1e999", "2026-99-99", "\u202e", "a\r\nb"),
    *([], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": [1]}}}, [{}] * 3, {"\0": 1}, float("nan"), float("inf"), 253_402_300_800_000, -62_135_596_800_001),
]  # fmt: skip
ENCODED = {
    "empty": b"",
    "UTF-16": '{"batch":[]}'.encode("utf-16"),
    "Latin-1": '{"event":"caf\xe9"}'.encode("latin-1"),
    "half of gzip": gzip.compress(b'{"batch":[]}')[:14],
    "gzip of gzip": gzip.compress(gzip.compress(b"{}")),
    "zlib of nothing": zlib.compress(b""),
    "bomb": gzip.compress(b" " * 30_000_000),
    "deep": b"[" * 100_000,
    "deep objects": b'{"batch":' * 20_000,
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(20_000)) + b"}",
    "the same key": b"{" + b'"batch":[],' * 20_000 + b'"a":1}',
    "many events": b'{"batch":[' + b"{}," * 5_000 + b"{}]}",
    "protobuf": bytes(range(256)) * 20,
    "form": b"data=eyJldmVudCI6ICJydW4ifQ==&compression=base64",
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))


def with_odd(message: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.deepcopy(message)
    within = changed
    for part in path[:-1]:
        within = within[part]
    within[path[-1]] = odd
    return changed


UPDATE = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { message } } }"


@pytest.mark.parametrize("count", [25, pytest.param(80, marks=pytest.mark.slow)])
@pytest.mark.parametrize("route", first(MESSAGES, 2))
def test_no_value_in_any_field_breaks_the_route_of_an_sdk(field: Any, route: str, count: int) -> None:
    message, site = MESSAGES[route], f"{field.slug}.example"
    assert field.ask(UPDATE, s=field.slug, c={"sites": [site]})["updateProject"]["errors"] == []
    pairs = list(itertools.product(places(message), ODD))
    for path, odd in random.Random(7).sample(pairs, min(len(pairs), count)):
        body = json.dumps(with_odd(message, path, odd)).replace(SITE, site)
        answer = field.post(body, route, content_type="application/json")
        assert answer.status_code < 500, (path, str(odd)[:40], answer.text)
    for name, content in ENCODED.items():
        for headers in ({}, {"content_encoding": "gzip"}, {"content_type": "application/x-protobuf"}):
            answer = field.post(content, route, **headers)
            assert answer.status_code < 500, (name, headers, answer.text)
    assert field.post(json.dumps(message).replace(SITE, site), route, content_type="application/json").status_code < 300
    ledger = field.ledger()  # received is the sum of all else
    assert ledger["limited"] == 0
    assert "ingest_failed" not in field.server.log.read_text()
