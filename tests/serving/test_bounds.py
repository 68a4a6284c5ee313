"""Limits of a connection: faulty and slow clients cost little, get an explanation, and do not delay others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from server.serving.connection import Connection

PATIENCE = 1  # seconds
EVENT = b'{"name": "build", "installation_id": "install-1"}'
POST = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(EVENT)
CHUNKED = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GRAPHQL = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, server_class: Any) -> Iterator[Any]:
    running = server_class(tmp_path_factory.mktemp("bounds"), {"FOOTFALL_BODY_TIMEOUT": str(PATIENCE)}).start()
    yield running
    log = running.log.read_text()
    running.close()
    assert "Traceback" not in log


@pytest.fixture
def connect(server: Any) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def everything(connection: socket.socket) -> bytes:
    """Everything received until the server closes the connection."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:  # it closed while we were sending
        pass
    return answer


def problem(answer: bytes) -> dict[str, Any]:
    """The one problem that a connection was closed with."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    said: dict[str, Any] = json.loads(body)
    assert int(head.split()[1]) == said["status"]
    return said


def stored(server: Any) -> int:
    with contextlib.closing(sqlite3.connect(server.database)) as database, database:
        return int(database.execute("SELECT count(*) FROM event").fetchone()[0])


def send_on(connection: socket.socket, part: bytes, most: int) -> int:
    """Send until the server closes the connection or stops reading. Return the number of bytes sent."""
    sent = 0
    connection.settimeout(2)
    try:
        while sent < most:
            sent += connection.send(part)
    except OSError:
        pass
    connection.settimeout(20)
    return sent


@pytest.mark.parametrize(
    ("beginning", "on_and_on"),
    [
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Long: ", b"a" * 10_000),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 2_000),
        (b"POST /", b"a" * 10_000),
        (CHUNKED + b"0\r\n", b"a: b\r\n" * 2_000),
        (CHUNKED + b"1;", b"a" * 10_000),
    ],
    ids=["a header", "headers", "a path", "trailers", "a chunk's extension"],
)
def test_an_endless_head_is_refused_after_a_few_kilobytes(connect: Any, server: Any, beginning: bytes, on_and_on: bytes) -> None:
    connection = connect()
    connection.sendall(beginning)
    assert send_on(connection, on_and_on, 50_000_000) < 20_000_000  # the buffers of the network
    assert problem(everything(connection))["status"] == 431
    assert server.client.post("/v1/events", content=EVENT).status_code == 202


@pytest.mark.parametrize(
    ("sent", "drop"),
    [(b"", b""), (b"POST /v1/ev", b"e"), (POST, b"a: b\r\n"), (GRAPHQL, b" "), (POST + b"\r\n", b" ")],
    ids=["nothing", "a line", "headers", "a question", "an event"],
)
def test_a_client_that_sends_byte_by_byte_is_timed_out(connect: Any, sent: bytes, drop: bytes) -> None:
    connection = connect()
    connection.settimeout(0.2)
    connection.sendall(sent)
    answer, deadline = b"", time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            connection.sendall(drop)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if not part:
            break
        answer += part
    assert time.monotonic() < deadline
    if sent:
        assert problem(answer)["status"] == 408
    else:
        assert answer == b""


@pytest.mark.parametrize(
    "request_",
    [
        POST.replace(b"Host: x\r\n", b"") + b"\r\n" + EVENT,
        POST + b"Host: y\r\n\r\n" + EVENT,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + EVENT,
        POST + b"Content-Length: 5\r\n\r\n" + EVENT,
        POST.replace(b"Content-Length:", b"Content-Length :") + b"\r\n" + EVENT,
        POST.replace(b"\r\n", b"\n") + b"\n" + EVENT,
        POST + b"X-A: b\r\n c\r\n\r\n" + EVENT,
        CHUNKED + b"zz\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["no host", "two hosts", "two kinds of length", "two lengths", "a blank", "bare line ends", "a fold", "no chunk", "CONNECT", "TLS"],
)
def test_an_ambiguous_request_is_refused(connect: Any, server: Any, request_: bytes) -> None:
    before = stored(server)
    connection = connect()
    connection.sendall(request_)
    said = problem(everything(connection))
    assert (said["status"], said["type"]) == (400, "/docs#problem-malformed")
    assert stored(server) == before


def test_requests_after_one_that_closes_the_connection_are_ignored(connect: Any, server: Any) -> None:
    before = stored(server)
    connection = connect()
    connection.sendall(POST + b"Connection: close\r\n\r\n" + EVENT + POST + b"\r\n" + EVENT)
    assert everything(connection).count(b"HTTP/1.1 202") == 1
    assert stored(server) == before + 1


@pytest.mark.parametrize("rubbish", [b"\x00\x01\x02", b"POST /v1/events HTTP/1.1\r\n\r\n", POST + b"Host: y\r\n\r\n"])
def test_garbage_after_an_event_does_not_affect_the_response_to_the_event(connect: Any, server: Any, rubbish: bytes) -> None:
    before = stored(server)
    connection = connect()
    connection.sendall(POST + b"\r\n" + EVENT + rubbish)
    answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 202")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert stored(server) == before + 1


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_a_client_that_closes_only_its_sending_side_is_answered(connect: Any, pause: float) -> None:
    connection = connect()
    connection.sendall(POST + b"\r\n")
    time.sleep(pause)
    connection.sendall(EVENT)
    connection.shutdown(socket.SHUT_WR)
    assert everything(connection).startswith(b"HTTP/1.1 202")


async def test_a_client_that_waits_after_its_eof_gets_interim_responses_before_its_own() -> None:
    """They show whether it is still there. A client that is gone refuses them, which cancels its request."""
    lost = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/slow":
            await asyncio.sleep(1.2)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        else:
            assert (await receive())["type"] == "http.disconnect"
            lost.set()

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(config, state, {}, patience=10.0), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with asyncio.timeout(20), listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        *interim, last = (await reader.read()).split(b"HTTP/1.1 ")[1:]
        assert set(interim) == {b"102 Processing\r\n\r\n"}
        assert (last[:3], last[-2:]) == (b"200", b"ok")
        writer.close()
        _, gone = await asyncio.open_connection("127.0.0.1", port)
        gone.write(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
        gone.close()
        await gone.wait_closed()
        await lost.wait()


@pytest.mark.parametrize("pause", [0.0, 0.1])
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_upgrade_offer_loses_no_event(connect: Any, server: Any, protocol: bytes, pause: float) -> None:
    """Java's client offers HTTP/2 with the first request to each host."""
    before = stored(server)
    connection = connect()
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\r\n" % protocol
    )
    connection.sendall(POST + offer)
    time.sleep(pause)
    connection.sendall(EVENT + POST + b"Connection: close\r\n\r\n" + EVENT)
    assert everything(connection).count(b"HTTP/1.1 202") == 2
    assert stored(server) == before + 2


def test_a_client_that_never_reads_is_not_read_either_and_loses_nothing(connect: Any, server: Any) -> None:
    connection = connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    wrong = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    sent = send_on(connection, wrong * 500, 40_000_000)
    assert sent < 20_000_000
    assert resident(server) < 400
    assert server.client.post("/v1/events", content=EVENT).status_code == 202


def test_a_client_that_never_reads_is_disconnected(connect: Any) -> None:
    connection = connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

    def go_on() -> None:
        for _ in range(150):
            connection.send(b"\r\n")  # may precede a request; a free socket refuses it
            time.sleep(0.2)

    with pytest.raises(OSError, match=r"reset|Broken"):
        go_on()


def resident(server: Any) -> int:
    """Mebibytes of memory."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


@pytest.mark.slow
def test_thousands_of_pipelined_requests_are_answered_in_their_order(connect: Any) -> None:
    connection = connect()
    pair = POST + b"\r\n" + EVENT + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.sendall(pair * 1_500 + POST + b"Connection: close\r\n\r\n" + EVENT)
    answer = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"202", b"404"] * 1_500 + [b"202"]


def test_a_body_that_is_too_large_is_drained_and_gets_a_response(connect: Any) -> None:
    connection = connect()
    connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n" + b" " * 4_000_000)
    assert problem(everything(connection))["status"] == 413
