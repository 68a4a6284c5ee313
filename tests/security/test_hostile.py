"""Hostile input: it is not stored, echoed or able to affect other clients or the server."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.quick import first

ROUTES = ("/v1/events", "/api/v1/events", "/v1/installs", "/v1/engagement", "/api/track", "/api/track/batch")
GOOD: dict[str, Any] = {
    "/v1/events": {"name": "x", "installation_id": "i"},
    "/api/v1/events": {"data": {"event_type": "x", "installation_id": "i", "properties": {}}},
    "/v1/installs": {"data": {"installation_id": "i"}},
    "/v1/engagement": {"targetType": "snippet", "targetId": "a", "kind": "copy"},
    "/api/track": {"tool_name": "t", "tool_category": "c", "duration_ms": 1, "status": "success"},
    "/api/track/batch": [{"tool_name": "t", "tool_category": "c", "duration_ms": 1, "status": "success"}],
}
CANARY = "canary7f3a"


def with_extra(route: str, raw: bytes) -> bytes:
    """The route's good body with one more member in its innermost object, given as raw JSON."""
    text = json.dumps(GOOD[route]).encode()
    end = text.rindex(b'"') + 1
    while text[end : end + 1] not in b"}":
        end += 1
    return text[:end] + b", " + raw + text[end:]


# Each is added to a valid body; the response is a 4xx that names the field.
MEMBERS = {
    "deep nesting": b'"canary7f3a": ' + b"[" * 400 + b"]" * 400,
    "bottomless nesting": b'"canary7f3a": ' + b"[" * 4_000,
    "a number beyond 64 bits": b'"canary7f3a": ' + b"9" * 300,
    "a number beyond any float": b'"canary7f3a": 1e999',
    "a NUL as an escape": b'"canary7f3a": "a\\u0000b"',
    "a NUL in a key": b'"canary7f3a\\u0000": 1',
    "a raw NUL": b'"canary7f3a": "a\x00b"',
    "invalid UTF-8": b'"canary7f3a": "\xff\xfe"',
    "a key twice": b'"canary7f3a": 1, "canary7f3a": 2',
    "a key twice, once escaped": b'"canary7f3a": 1, "c\\u0061nary7f3a": 2',
    "a long key": b'"' + b"k" * 5_000 + b'": 1',
    "no JSON at all": b'"canary7f3a": undefined',
    "not a number": b'"canary7f3a": NaN',
}
WHOLE = {
    "nothing": b"",
    "blank": b"   ",
    "a number": b"5",
    "null": b"null",
    "a string": b'"canary7f3a"',
    "an empty object": b"{}",
    "UTF-16": json.dumps(GOOD["/v1/events"]).encode("utf-16"),
    "two documents": b"{} {}",
    "a form": b"name=canary7f3a&installation_id=i",
    "gzip": b"\x1f\x8b\x08\x00canary7f3a",
    "a mebibyte of braces": b"{" * 1024 * 1024,
    "a mebibyte of one key": b'{"' + b"k" * (1024 * 1024 - 10) + b'": 1}',
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, server_class: Any) -> Iterator[Any]:
    running = server_class(tmp_path_factory.mktemp("hostile"), {}).start()
    yield running
    assert running.process.poll() is None
    log = running.log.read_text()
    running.close()
    assert CANARY not in log
    assert "ingest_failed" not in log
    assert "commit_failed" not in log


def stored(server: Any) -> int:
    with closing(sqlite3.connect(server.database)) as connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])


def assert_refused(answer: Any) -> dict[str, Any]:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    return problem


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("what", MEMBERS)
def test_one_bad_member_is_refused_by_name(hostile: Any, route: str, what: str) -> None:
    before = stored(hostile)
    answer = hostile.client.post(route, content=with_extra(route, MEMBERS[what]))
    if route.endswith("/batch") and answer.status_code == 200:  # the event is refused, and not the batch
        assert (answer.json()["accepted"], len(answer.json()["rejected"])) == (0, 1)
    else:
        problem = assert_refused(answer)
        assert problem.get("errors") or problem["type"].endswith(("malformed", "too-large"))
    assert stored(hostile) == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("what", WHOLE)
def test_a_body_that_is_not_an_event_is_refused(hostile: Any, route: str, what: str) -> None:
    before = stored(hostile)
    problem = assert_refused(hostile.client.post(route, content=WHOLE[what]))
    assert CANARY not in json.dumps(problem)
    assert stored(hostile) == before


def wrong_types() -> Iterator[tuple[str, str, Any]]:
    for route, body in GOOD.items():
        inner = body[0] if isinstance(body, list) else body.get("data", body)
        for field in inner:
            for value in (None, 5, True, [], {}, [CANARY], {CANARY: CANARY}, "", CANARY * 1_000):
                if isinstance(value, str) and len(value) > 100 and field == "properties":
                    continue
                yield route, field, value


def test_a_field_of_the_wrong_type_is_named_and_its_value_not_repeated(hostile: Any) -> None:
    for route, field, value in wrong_types():
        body = json.loads(json.dumps(GOOD[route]))
        inner = body[0] if isinstance(body, list) else body.get("data", body)
        if isinstance(inner[field], type(value)) and value != "":
            continue
        inner[field] = value
        answer = hostile.client.post(route, json=body)
        assert answer.status_code < 500, (route, field, value)
        assert CANARY not in answer.text or 200 <= answer.status_code < 300, (route, field, value)
        if 400 <= answer.status_code < 500 and answer.status_code != 413:
            assert any(error["path"].split(".")[-1].startswith(field) for error in answer.json()["errors"]), (
                route,
                field,
                value,
                answer.text,
            )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


def near_misses(route: str) -> st.SearchStrategy[Any]:
    """Good bodies of which one member, at any depth, is something else."""
    body = GOOD[route]
    inner = body[0] if isinstance(body, list) else body.get("data", body)

    def put(field: str, value: Any) -> Any:
        changed = {**inner, field: value}
        return [changed] if isinstance(body, list) else {"data": changed} if "data" in body else changed

    return st.builds(put, st.sampled_from([*inner, "timestamp", "id", "properties", "metadata", "type", "data", "events"]), json_values)


@pytest.mark.parametrize("route", first(ROUTES))
def test_any_json_is_answered_and_the_server_continues(hostile: Any, route: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(json_values | near_misses(route))
    def story(body: Any) -> None:
        text = json.dumps(body)
        answer = hostile.client.post(route, content=text.encode("utf-8", "surrogatepass"))
        assert answer.status_code < 500, text

    story()
    assert hostile.client.post(route, json=GOOD[route]).status_code < 300


@pytest.mark.parametrize("route", first(ROUTES))
def test_any_bytes_are_answered_and_the_server_continues(hostile: Any, route: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=200))
    def story(body: bytes) -> None:
        assert 400 <= hostile.client.post(route, content=body).status_code < 500

    story()
    assert hostile.client.post(route, json=GOOD[route]).status_code < 300


PACKS = ("UPPER", "-x", "a" * 65, "a b", "a%00", "a%2fb", "..", "%2e%2e", "é", "a%0A", "a'--", "<script>", "a.b")


@pytest.mark.parametrize("pack", PACKS)
def test_an_invalid_pack_name_creates_no_target(hostile: Any, pack: str) -> None:
    assert hostile.client.post(f"/dl/{pack}").status_code in (404, 405)
    with closing(sqlite3.connect(hostile.database)) as connection:
        names = [row[0] for row in connection.execute("SELECT external_id FROM target WHERE type = 'pack'")]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) for name in names)


def raw(server: Any, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /%ff%fe/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /p/%00/v1/events HTTP/1.1\r\nHost: \xff\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Footfall-Key: " + b"k" * 20_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_invalid_http_does_not_affect_other_clients(hostile: Any, head: bytes) -> None:
    answer = raw(hostile, head)
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert hostile.client.post("/v1/events", json=GOOD["/v1/events"]).status_code == 202


def test_a_thousand_idle_connections_do_not_keep_others_out(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(500)]
    for connection in idle:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert server.client.post("/v1/events", json=GOOD["/v1/events"]).status_code == 202
    for connection in idle:
        connection.close()
    assert server.client.post("/v1/events", json=GOOD["/v1/events"]).status_code == 202
    assert "Traceback" not in server.log.read_text()


def test_hostile_input_is_stored_as_text_only(hostile: Any) -> None:
    name = "'; DROP TABLE event; --<script>alert(1)</script>"
    assert hostile.client.post("/v1/events", json={"name": name, "installation_id": "i", "properties": {name: name}}).status_code == 202
    with closing(sqlite3.connect(hostile.database)) as connection:
        assert connection.execute("SELECT count(*) FROM event_name WHERE text = ?", (name,)).fetchone() == (1,)


@pytest.mark.slow
def test_a_batch_that_is_slow_to_scrub_does_not_delay_others(hostile: Any) -> None:
    slow = [{"name": "x", "installation_id": "i", "properties": {"text": "https://u:p@h/ token=a1 " * 160}}] * 260
    body = json.dumps(slow).encode()
    with socket.create_connection(("127.0.0.1", hostile.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(3):
            assert hostile.client.post("/v1/events", json=GOOD["/v1/events"]).status_code == 202
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):  # its own answer is still to come
            connection.recv(1)
        connection.settimeout(20)
        assert connection.recv(65536).startswith(b"HTTP/1.1 202")
