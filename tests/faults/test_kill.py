"""Acknowledged events survive SIGKILL."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import rows_of

ENGINES = ("sqlite", "postgres")

EVENTS = 10_000
CONNECTIONS = 50
KILLS = 10


def native(number: int) -> dict[str, Any]:
    return {
        "id": f"event-{number}",
        "name": f"command_{number % 5}",
        "installation_id": f"install-{number % 400}",
        "outcome": ("success", "failure")[number % 2],
        "duration_ms": number % 900,
        "target": {"type": "tool", "id": f"tool-{number % 20}"},
        "os": ("linux", "darwin", "windows")[number % 3],
        "version": f"1.{number % 4}.0",
        "ci": number % 3 == 0,
        "properties": {"number": number},
    }


async def post_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
    """Post an event over a persistent connection. Return the status once the response is complete."""
    body = json.dumps(native(number)).encode()
    writer.write(
        b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def post_until_cut_off(port: int, waiting: list[int], acknowledged: set[int]) -> None:
    """Post the waiting events in order. Events without an acknowledgement are sent again, like a client with an outbox does."""
    number = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            while waiting:
                number = waiting.pop()
                assert await post_one(reader, writer, number) == 202
                acknowledged.add(number)
                number = None
    except (OSError, asyncio.IncompleteReadError):
        if number is not None:
            waiting.append(number)


def stored_numbers(store: Path | str) -> Counter[int]:
    return Counter(json.loads(properties)["number"] for (properties,) in rows_of(store, "SELECT properties FROM event"))


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_counted_twice_in_ten_kills(
    make_server: Callable[..., Any], rollup_differences: Callable[[Path | str], Any]
) -> None:
    chance = random.Random(20261120)
    server = make_server()
    waiting, acknowledged = list(range(EVENTS)), set[int]()

    async def round_of_posts(seconds: float | None) -> None:
        posts = [asyncio.create_task(post_until_cut_off(server.port, waiting, acknowledged)) for _ in range(CONNECTIONS)]
        if seconds is not None:
            # Wait for the first acknowledgements, so that the kill interrupts the load.
            before = len(acknowledged)
            while len(acknowledged) < before + 20:
                await asyncio.sleep(0.001)
            await asyncio.sleep(seconds)
            server.kill()
        await asyncio.gather(*posts)

    for _ in range(KILLS):
        server.start()
        asyncio.run(round_of_posts(chance.uniform(0.0, 0.15)))
        stored = stored_numbers(server.store)
        assert acknowledged <= stored.keys()
        assert set(stored.values()) == {1}
        assert rollup_differences(server.store) == {}
    assert waiting, "everything was sent before the last kill, so the test proves nothing"
    server.start()
    asyncio.run(round_of_posts(None))
    assert server.stop() == 0
    assert stored_numbers(server.store) == Counter(range(EVENTS))
    assert rollup_differences(server.store) == {}


def test_stopping_commits_accepted_events_and_exits_cleanly(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    waiting, acknowledged = list(range(3_000)), set[int]()

    async def story() -> int:
        posts = [asyncio.create_task(post_until_cut_off(server.port, waiting, acknowledged)) for _ in range(CONNECTIONS)]
        while len(acknowledged) < 200:
            await asyncio.sleep(0.001)
        status = await asyncio.to_thread(server.stop)
        await asyncio.gather(*posts)
        return status

    assert asyncio.run(story()) == 0
    assert acknowledged <= stored_numbers(server.store).keys()
    assert "Traceback" not in server.log.read_text()
