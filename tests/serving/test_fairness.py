"""One connection or network takes neither all turns of the loop nor all connections."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from server.front import Front
from server.ingest.asgi import Reply
from server.ingest.routing import Routes
from server.serving.connection import MAX_PIPELINED, PIPELINE_TURNS
from server.serving.open_connections import OpenConnections
from server.serving.protocol import MAX_AT_ONCE, Protocol

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


class Turns:
    """Counts turns of the event loop."""

    def __init__(self) -> None:
        self.now = 0
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.now += 1
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        self._next.cancel()


@asynccontextmanager
async def serving(app: Any, **named: Any) -> AsyncIterator[int]:
    """A server of the protocol in this loop; its port."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False)
    config.load()
    make = partial(Protocol, config=config, server_state=ServerState(), app_state={}, patience=30.0, **named)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answers(reader: asyncio.StreamReader, number: int) -> list[bytes]:
    """The bodies of some answers."""
    found = []
    for _ in range(number):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(await reader.readexactly(length))
    return found


async def test_a_pipelining_connection_does_not_starve_others() -> None:
    began: list[tuple[str, int]] = []
    turns = Turns()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.append((scope["path"], turns.now))
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(GET % b"docs" for _ in range(MAX_PIPELINED)))
        assert await answers(reader, MAX_PIPELINED) == [b"/docs"] * MAX_PIPELINED
        writer.close()
    turns.stop()
    gaps = [after - before for (_, before), (_, after) in itertools.pairwise(began)]
    assert min(gaps) >= PIPELINE_TURNS


async def test_cached_answers_to_pipelined_requests_are_sent_in_order_a_few_per_turn() -> None:
    turns, taken = Turns(), Counter[int]()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    class Ready(Front):
        def ready(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> Reply | None:
            taken[turns.now] += 1
            return Reply(200, (), target)

    async with serving(Ready(Routes(), inner)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(GET % b"%d" % number for number in range(500)))
        assert await answers(reader, 500) == [b"/%d" % number for number in range(500)]
        writer.close()
    turns.stop()
    assert 0 < max(taken.values()) <= MAX_AT_ONCE


@pytest.mark.parametrize(
    ("peers", "admitted"),
    [
        ([f"198.51.100.{number}" for number in range(20)], 20),
        (["198.51.100.1"] * 5, 2),
        (["::ffff:198.51.100.1", "198.51.100.1", "198.51.100.1"], 2),
        ([f"2001:db8:1:1::{number:x}" for number in range(5)], 2),  # a /64
        ([f"2001:db8:1:{number:x}::1" for number in range(20)], 8),  # a /56
        ([f"2001:db8:1:{number << 8:x}::1" for number in range(50)], 32),  # a /48
        (["127.0.0.1", "::1", "::ffff:127.0.0.1", "", "10.0.0.7"] * 5, 25),
    ],
)
def test_connections_are_bounded_by_address_and_network(peers: list[str], admitted: int) -> None:
    opened = OpenConnections((ipaddress.ip_network("10.0.0.0/24"),), limit=2)
    counted = [opened.admit(peer) for peer in peers]
    assert sum(each is not None for each in counted) == admitted
    for each in counted:
        opened.release(each or ())
    assert len(opened) == 0


async def test_a_connection_above_the_limit_gets_an_error_until_another_closes() -> None:
    class Elsewhere(OpenConnections):
        """Limits that also apply to loopback."""

        def _is_exempt(self, peer: str) -> bool:
            return False

    opened = Elsewhere(limit=2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, opened=opened) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in kept:
            writer.write(GET % b"")
            await answers(reader, 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        kept.pop()[1].close()
        while len(opened) and opened.admit("127.0.0.1") is None:
            await asyncio.sleep(0)
        opened.release(("127.0.0.1",))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET % b"")
        assert await answers(reader, 1) == [b""]
        writer.close()
        kept.pop()[1].close()
