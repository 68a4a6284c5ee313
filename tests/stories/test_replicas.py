"""Three servers behind one address, one PostgreSQL, one Redis: killed and started again under load, they lose nothing and count nothing twice.

FOOTFALL_TEST_REPLICA_EVENTS=200000 runs the full size; by default, fewer events are sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.admin.test_live import TOKEN, opened, received, subscribe
from tests.conftest import SECRET, rollup_differences, rows_of
from tests.postgres import Postgres
from tests.redis_server import running_redis

EVENTS = int(os.environ.get("FOOTFALL_TEST_REPLICA_EVENTS", "12000"))
CONNECTIONS = 100
REPLICAS = 3
KILLS = 6

pytestmark = pytest.mark.timeout(900)


def body(number: int) -> bytes:
    return json.dumps({
        "id": f"event-{number}", "name": f"command_{number % 5}", "installation_id": f"install-{number % 3_000}", "version": f"1.{number % 4}.0",
        "outcome": ("success", "failure")[number % 2], "duration_ms": number % 900, "os": ("linux", "darwin", "windows")[number % 3],
        "target": {"type": "tool", "id": f"tool-{number % 20}"}, "ci": number % 3 == 0, "properties": {"number": number},
    }).encode()  # fmt: skip


class Story:
    """The events that are still to be sent, and those that were acknowledged."""

    def __init__(self, servers: list[Any]) -> None:
        self.servers = servers
        self.waiting = list(range(EVENTS))
        self.acknowledged: set[int] = set()

    async def client(self, place: int) -> None:
        """Posts one event after the other, to the next server if one is down, until all are acknowledged."""
        while self.waiting:
            number: int | None = self.waiting.pop()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.servers[place % REPLICAS].port)
                try:
                    while number is not None:
                        if await post(reader, writer, number) == 202:
                            self.acknowledged.add(number)
                            number = self.waiting.pop() if self.waiting else None
                        else:
                            await asyncio.sleep(0.05)
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError):
                if number is not None:
                    self.waiting.append(number)
                place += 1
                await asyncio.sleep(0.01)

    async def trouble(self) -> None:
        """Kills a random server at intervals, and starts it again."""
        chance = random.Random(4)
        for turn in range(1, KILLS + 1):
            while len(self.acknowledged) < EVENTS * turn / (KILLS + 2):
                await asyncio.sleep(0.01)
            victim = self.servers[chance.randrange(REPLICAS)]
            victim.kill()
            await asyncio.sleep(0.2)
            await asyncio.to_thread(victim.start)


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
    sent = body(number)
    writer.write(
        b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent
    )
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


@pytest.mark.slow
def test_three_replicas_lose_nothing_and_count_nothing_twice(make_server: Callable[..., Any], postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        shared = {"FOOTFALL_DATABASE_URL": postgres.fresh(), "FOOTFALL_SECRET": SECRET, "FOOTFALL_REDIS_URL": redis.url}
        servers = [
            make_server(**shared, FOOTFALL_RATE_LIMIT="1000000/minute", FOOTFALL_EVENT_LIMIT="1000000/minute") for _ in range(REPLICAS)
        ]
        for server in servers:
            server.start()
        story = Story(servers)

        async def run() -> None:
            clients = [asyncio.create_task(story.client(place)) for place in range(CONNECTIONS)]
            await story.trouble()
            await asyncio.gather(*clients)

        asyncio.run(run())
        stored = Counter(json.loads(properties)["number"] for (properties,) in rows_of(servers[0].store, "SELECT properties FROM event"))
        assert stored == Counter(range(EVENTS))
        assert story.acknowledged == set(range(EVENTS))
        assert rollup_differences(servers[0].store) == {}
        assert all(server.stop() == 0 for server in servers)


async def test_two_replicas_act_as_one_for_senders_and_watchers(
    make_server: Callable[..., Any], postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        shared = {
            "FOOTFALL_DATABASE_URL": postgres.fresh(), "FOOTFALL_SECRET": SECRET, "FOOTFALL_REDIS_URL": redis.url, "FOOTFALL_ADMIN_TOKEN": TOKEN,
            "FOOTFALL_RATE_LIMIT": "30/minute",
        }  # fmt: skip
        servers = [make_server(**shared) for _ in range(2)]
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        one, other = servers
        socket = await opened(one.url, TOKEN)
        await subscribe(socket)
        await asyncio.sleep(1.5)  # the other looks once a second who watches
        view = {"targetType": "snippet", "targetId": "abc", "kind": "view", "sessionId": "viewer-1"}
        seen = [server.client.post("/v1/engagement", json=view) for server in (other, one, other)]
        assert [(answer.status_code, answer.json()["counted"]) for answer in seen] == [(202, True), (202, False), (202, False)]
        again = [server.client.post("/v1/events", json={"name": "run", "installation_id": "x", "id": "the-same"}) for server in servers]
        assert [answer.status_code for answer in again] == [202, 202]
        watched: list[str] = []
        while len(watched) < 2:
            watched += [event["name"] for event in (await received(socket))["payload"]["data"]["events"]["events"]]
        assert watched == ["view", "run"]
        await socket.close()
        rest = await asyncio.gather(
            *(asyncio.to_thread(servers[place % 2].client.post, "/v1/events", content=body(place)) for place in range(40))
        )
        assert [answer.status_code for answer in rest].count(202) == 30 - len(seen) - len(again)
        assert {answer.status_code for answer in rest} == {202, 429}
        assert [server.stop() for server in servers] == [0, 0]
        (account,) = rows_of(one.store, "SELECT sum(CASE WHEN entry = 'stored' THEN events END), sum(events) FROM ledger")
        assert account == (2 + 25, len(seen) + len(again) + len(rest))


@pytest.mark.slow  # `tests/storage/test_replicas.py` starts five processes on an empty database
def test_five_servers_that_start_at_once_on_an_empty_database(make_server: Callable[..., Any], postgres: Postgres) -> None:
    url = postgres.address(postgres.empty())
    servers = [make_server(FOOTFALL_DATABASE_URL=url, FOOTFALL_SECRET=SECRET) for _ in range(5)]

    async def start() -> None:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))

    asyncio.run(start())
    for number, server in enumerate(servers):
        assert server.client.post("/v1/events", content=body(number)).status_code == 202
    (events,) = rows_of(url, "SELECT count(*) FROM event")
    assert events == (5,)
    (migrated,) = rows_of(url, "SELECT count(*), count(DISTINCT name) FROM migration")
    assert migrated[0] == migrated[1]
    assert [project for (project,) in rows_of(url, "SELECT slug FROM project")] == ["default"]


@pytest.mark.slow
def test_a_job_runs_in_one_replica_only(make_server: Callable[..., Any], postgres: Postgres) -> None:
    url = postgres.fresh()
    servers = [make_server(FOOTFALL_DATABASE_URL=url, FOOTFALL_SECRET=SECRET).start() for _ in range(2)]
    results = [server.footfall("job", "trending") for server in servers]
    assert [result.returncode for result in results] == [0, 0]
    overlapping = rows_of(
        url,
        "SELECT count(*) FROM job_run AS one JOIN job_run AS other ON one.name = other.name AND one.id < other.id"
        " AND one.started_at < other.ended_at AND other.started_at < one.ended_at",
    )
    assert overlapping == [(0,)]
