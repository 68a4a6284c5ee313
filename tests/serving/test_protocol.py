"""HTTP on the wire: the fast path and uvicorn's own path behave the same."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

BODY = b'{"data": {"installation_id": "install-1", "event_type": "installation_started"}}'


def post(path: str = "/v1/events", body: bytes = BODY, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Wire:
    """A connection that sends exactly the given bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.received = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes, pause: float = 0.0) -> None:
        for part in parts:
            self.socket.sendall(part)
            time.sleep(pause)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        while b"\r\n\r\n" not in self.received:
            self._more()
        head, _, rest = self.received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            self._more()
            rest = self.received.partition(b"\r\n\r\n")[2]
        self.received = rest[length:]
        return int(lines[0].split()[1]), headers, rest[:length]

    def closed(self) -> bool:
        """Return True if the server closes the connection without further data."""
        return self.received == b"" and self.socket.recv(1) == b""

    def _more(self) -> None:
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed before the answer was whole")
        self.received += part


@pytest.fixture(scope="module")
def shared(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = server_class(tmp_path_factory.mktemp("protocol"), {}).start()
    yield server
    server.close()


@pytest.fixture
def server(shared: Any) -> Any:
    """A server for all tests of this module. `stored` counts the events of one test."""
    shared.stored_before = count(shared)
    return shared


@pytest.fixture
def wire(server: Any) -> Iterator[Callable[[], Wire]]:
    opened: list[Wire] = []

    def connect() -> Wire:
        opened.append(Wire(server.port))
        return opened[-1]

    yield connect
    for each in opened:
        each.socket.close()


def stored(server: Any) -> int:
    return count(server) - server.stored_before


def count(server: Any) -> int:
    with contextlib.closing(sqlite3.connect(server.database)) as connection, connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])


def test_a_complete_post_and_one_in_parts_get_the_same_answer(server: Any, wire: Callable[[], Wire]) -> None:
    whole, pieces = wire(), wire()
    request = post()
    whole.send(request)
    pieces.send(*(request[at : at + 7] for at in range(0, len(request), 7)), pause=0.002)
    (status, headers, body), (other_status, other_headers, other_body) = whole.answer(), pieces.answer()
    assert (status, other_status) == (201, 201)
    assert headers.keys() == other_headers.keys() >= {"date", "content-type", "access-control-allow-origin"}
    assert re.sub(rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[^\"]+", b"", body) == re.sub(
        rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[^\"]+", b"", other_body
    )
    assert stored(server) == 2


@pytest.mark.parametrize("cut", [1, 20, 60, 90, 130])
def test_a_post_in_two_parts_is_stored_once(server: Any, wire: Callable[[], Wire], cut: int) -> None:
    connection, request = wire(), post()
    connection.send(request[:cut], request[cut:], pause=0.05)
    assert connection.answer()[0] == 201
    assert stored(server) == 1


def test_a_connection_takes_one_post_after_the_other_and_other_requests_between_them(wire: Callable[[], Wire]) -> None:
    connection = wire()
    for _ in range(3):
        connection.send(post())
        assert connection.answer()[0] == 201
        connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.answer()[0] == 200
        connection.send(post("/dl/glados", b""))
        assert connection.answer()[0] == 202


def test_pipelined_requests_are_answered_in_order(server: Any, wire: Callable[[], Wire]) -> None:
    connection = wire()
    connection.send(
        post()
        + post("/dl/glados", b"")
        + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        + post("/v1/events", b"{}")
        + post()
        + post("/nowhere", b"")
    )
    assert [connection.answer()[0] for _ in range(6)] == [201, 202, 200, 422, 201, 404]
    assert stored(server) == 3


def test_hundreds_of_pipelined_posts_are_all_answered(server: Any, wire: Callable[[], Wire]) -> None:
    connection = wire()
    connection.send(post("/dl/glados", b"") * 300)
    assert {connection.answer()[0] for _ in range(300)} == {202}
    assert stored(server) == 300


def test_a_connection_closes_after_the_answer_if_the_client_requests_it(wire: Callable[[], Wire]) -> None:
    connection = wire()
    connection.send(post("/v1/events", BODY, "Connection: close"))
    status, headers, _ = connection.answer()
    assert (status, headers["connection"]) == (201, "close")
    assert connection.closed()


def test_a_client_of_http_1_0_is_answered_and_disconnected(wire: Callable[[], Wire]) -> None:
    connection = wire()
    connection.send(post().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert connection.answer()[0] == 201
    assert connection.closed()


def test_a_client_that_expects_100_gets_it(wire: Callable[[], Wire]) -> None:
    connection = wire()
    head, _, body = post("/v1/events", BODY, "Expect: 100-continue").partition(b"\r\n\r\n")
    connection.send(head + b"\r\n\r\n")
    assert connection.answer()[0] == 100
    connection.send(body)
    assert connection.answer()[0] == 201


def test_a_chunked_body_is_accepted(server: Any, wire: Callable[[], Wire]) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:30], BODY[30:])) + b"0\r\n\r\n"
    together, apart = wire(), wire()
    together.send(head + chunks)
    apart.send(head, chunks, pause=0.05)
    assert together.answer()[0] == apart.answer()[0] == 201
    assert stored(server) == 2


def test_a_body_that_is_too_large_is_refused_and_the_connection_closed(wire: Callable[[], Wire]) -> None:
    connection = wire()
    connection.send(post("/v1/events", BODY[:-2] + b', "properties": {"text": "%s"}}}' % (b"x" * 20_000)))
    status, headers, _ = connection.answer()
    assert (status, headers["connection"]) == (413, "close")


def test_invalid_http_closes_only_its_connection(server: Any, wire: Callable[[], Wire]) -> None:
    neighbor, connection = wire(), wire()
    neighbor.send(post()[:50])
    connection.send(post().replace(b"Content-Length: ", b"Content-Length: x"))
    assert connection.answer()[0] == 400
    assert connection.closed()
    neighbor.send(post()[50:])
    assert neighbor.answer()[0] == 201


def test_a_client_that_disconnects_does_not_affect_others(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    staying = Wire(server.port)
    for _ in range(20):
        leaving = Wire(server.port)
        leaving.send(post())
        staying.send(post())
        leaving.socket.close()
        assert staying.answer()[0] == 201
    staying.socket.close()
    assert count(server) >= 20


def test_a_stopping_server_answers_the_requests_that_it_accepted(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as blocker:
        connection = Wire(server.port)
        blocker.execute("BEGIN IMMEDIATE")
        connection.send(post())
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.3)
        blocker.execute("ROLLBACK")
        assert connection.answer()[0] == 201
        assert connection.closed()
        connection.socket.close()
    assert server.process.wait(timeout=30) == 0
    assert count(server) == 1


def test_limits_are_counted_alike_on_both_paths(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_RATE_LIMIT="6/minute").start()
    connection, request = Wire(server.port), post()
    remaining = []
    for turn in range(8):
        connection.send(*((request,) if turn % 2 else (request[:40], request[40:])), pause=0.03)
        status, headers, _ = connection.answer()
        remaining.append((status, headers["ratelimit-remaining"]))
    connection.socket.close()
    assert remaining == [(201, "5"), (201, "4"), (201, "3"), (201, "2"), (201, "1"), (201, "0"), (429, "0"), (429, "0")]
