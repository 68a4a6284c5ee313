"""Replicas share limits and live events over Redis, and continue on their own if it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from limits import parse

from server.event import Context, Environment, Event
from server.ingest.guesses import WRONG_KEYS
from server.shared.live_events import KEPT
from server.shared.redis import Shared, SharedLimits, SharedLive
from tests.conftest import SECRET
from tests.redis_server import RedisServer, running_redis

EVENT = {"name": "run", "installation_id": "viewer-1"}
FIVE = parse("5/minute")


@pytest.fixture
def server_of_redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with running_redis(folder) as running:
        yield running


def event(number: int, project: int = 1) -> Event:
    return Event(id=number, project=project, name="run", occurred_at=1, context=Context(Environment.PERSON, "", "native"), install=number)


def test_two_servers_share_a_limit_exactly_and_no_address_is_in_redis(
    make_server: Callable[..., Any], server_of_redis: RedisServer
) -> None:
    servers = [
        make_server(FOOTFALL_REDIS_URL=server_of_redis.url, FOOTFALL_SECRET=SECRET, FOOTFALL_RATE_LIMIT="21/minute").start()
        for _ in range(2)
    ]
    answers = [servers[place % 2].client.post("/v1/events", json=EVENT) for place in range(40)]
    assert [answer.status_code for answer in answers].count(202) == 21
    assert {answer.status_code for answer in answers} == {202, 429}
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["20", "19", "18"]
    with redis.Redis(port=server_of_redis.port) as client:
        keys = client.keys("*")
        assert keys
        assert not [key for key in keys if b"127.0.0.1" in key or b"127.0.0.1" in (client.get(key) or b"")]
        assert all(0 < client.ttl(key) <= 61 for key in keys)
        client.save()
    assert b"127.0.0.1" not in (server_of_redis.folder / "dump.rdb").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["off", "1000/minute"])
def test_wrong_keys_at_one_server_count_on_all_servers(make_server: Callable[..., Any], server_of_redis: RedisServer, limit: str) -> None:
    """With and without rate limits, which take other paths through the gate."""
    shared = {
        "FOOTFALL_REDIS_URL": server_of_redis.url,
        "FOOTFALL_SECRET": SECRET,
        "FOOTFALL_RATE_LIMIT": limit,
        "FOOTFALL_EVENT_LIMIT": limit,
    }
    servers = [make_server(**shared, FOOTFALL_ADMIN_TOKEN=f"an-admin-token-{SECRET}").start() for _ in range(2)]

    def send(place: int, key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        status: int = servers[place % 2].client.post("/v1/events", json=EVENT, headers=headers).status_code
        return status

    assert send(0, f"an-admin-token-{SECRET}") == 202
    assert [send(place, f"ff_guess-{place}") for place in range(62)] == [401] * WRONG_KEYS + [429] * 2
    assert [send(place, f"an-admin-token-{SECRET}") for place in range(2)] == [429, 429]
    assert servers[1].client.post("/login", data={"token": "x"}).status_code == 429
    with redis.Redis(port=server_of_redis.port) as client:
        assert not [key for key in client.keys("*") if b"127.0.0.1" in key]


def test_without_redis_events_are_taken_with_limits_of_each_replica(make_server: Callable[..., Any], server_of_redis: RedisServer) -> None:
    server = make_server(FOOTFALL_REDIS_URL=server_of_redis.url, FOOTFALL_SECRET=SECRET, FOOTFALL_RATE_LIMIT="30/minute").start()
    assert server.client.get("/health").json()["redis"] == "ok"
    server_of_redis.kill()
    answers = [server.client.post("/v1/events", json=EVENT) for _ in range(32)]
    assert [answer.status_code for answer in answers] == [202] * 30 + [429] * 2
    health = server.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["redis"]) == (200, "degraded", "lost")
    assert "footfall_redis_up 0.0" in server.client.get("/metrics").text
    assert server.log.read_text().count("redis_lost") == 1

    server_of_redis.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        server.client.post("/v1/events", json=EVENT)
        if server.client.get("/health").json()["status"] == "ok":
            break
        time.sleep(0.1)
    health = server.client.get("/health").json()
    assert (health["status"], health["redis"], health["reason"]) == ("ok", "ok", None)
    assert "footfall_redis_up 1.0" in server.client.get("/metrics").text


def is_well(server: Any) -> None:
    """Wait until the server reports that Redis is available."""
    deadline = time.monotonic() + 60
    while (health := server.client.get("/health").json())["redis"] != "ok":
        assert time.monotonic() < deadline
        server.client.post("/v1/events", json=EVENT)
        time.sleep(0.1)
    assert health["status"] == "ok"


@pytest.mark.slow
async def test_requests_do_not_wait_for_a_stalled_redis(make_server: Callable[..., Any], server_of_redis: RedisServer) -> None:
    server = make_server(FOOTFALL_REDIS_URL=server_of_redis.url, FOOTFALL_SECRET=SECRET, FOOTFALL_RATE_LIMIT="100000/minute").start()
    answers: list[tuple[int, float]] = []
    over = asyncio.Event()

    async def post() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            while not over.is_set():
                began = time.monotonic()
                answer = await client.post("/v1/events", json=EVENT)
                answers.append((answer.status_code, time.monotonic() - began))

    posting = [asyncio.create_task(post()) for _ in range(20)]
    while len(answers) < 100:
        await asyncio.sleep(0.01)
    server_of_redis.pause()
    try:
        before = len(answers)
        await asyncio.sleep(4)
        said = await asyncio.to_thread(server.client.get, "/health")
    finally:
        server_of_redis.resume()
        over.set()
        await asyncio.gather(*posting)
    assert (said.status_code, said.json()["status"], said.json()["redis"]) == (200, "degraded", "lost")
    assert {status for status, _ in answers} == {202}
    meanwhile = sorted(seconds for _, seconds in answers[before:])
    assert len(meanwhile) > 200, "the server must keep accepting events"
    # Once per second, one request checks Redis and waits 0.25 s; the others do not wait.
    assert meanwhile[len(meanwhile) // 2] < 0.5
    assert meanwhile[-1] < 3
    await asyncio.to_thread(is_well, server)
    assert server.log.read_text().count("redis_lost") == server.log.read_text().count("redis_is_back")


async def test_live_events_of_other_replicas_resume_when_redis_is_back(server_of_redis: RedisServer) -> None:
    here, there = Shared(server_of_redis.url), Shared(server_of_redis.url)
    one, other = SharedLive(here), SharedLive(there)
    async with one.running(), other.running():
        with other.watch(1) as far:
            for how in ("killed", "paused"):
                if how == "killed":
                    server_of_redis.kill()
                    one.publish([event(1)])
                    server_of_redis.start()
                else:
                    server_of_redis.pause()
                    one.publish([event(2)])
                    await asyncio.sleep(1)
                    server_of_redis.resume()
                number, got = 10, list[int]()
                async with asyncio.timeout(20):
                    while not got or got[-1] < 10:  # events sent meanwhile may or may not arrive
                        number += 1
                        one.publish([event(number)])
                        await asyncio.sleep(0.1)
                        if far._waiting:
                            got += [each.id for each in (await far.take(100) or ([], 0))[0]]
                assert len(set(got)) == len(got), how
    await here.close()
    await there.close()


async def test_a_limit_is_exact_however_many_replicas_ask_at_once(server_of_redis: RedisServer) -> None:
    several = [Shared(server_of_redis.url) for _ in range(3)]
    limits = [SharedLimits(shared, b"secret") for shared in several]
    await asyncio.gather(*(each.hit(parse("100/minute"), "warm") for each in limits))
    hundred = parse("100/minute")
    ones = await asyncio.gather(*(limits[place % 3].hit(hundred, "one") for place in range(250)))
    assert [standing.allowed for standing in ones].count(True) == 100
    assert {standing.remaining for standing in ones if standing.allowed} == set(range(100))
    threes = await asyncio.gather(*(limits[place % 3].hit(hundred, "three", 3) for place in range(90)))
    assert [standing.allowed for standing in threes].count(True) == 33
    assert all(shared.is_up for shared in several)
    for shared in several:
        await shared.close()


async def test_a_refused_cost_does_not_count_against_the_limit(server_of_redis: RedisServer) -> None:
    shared = Shared(server_of_redis.url)
    limits = SharedLimits(shared, b"secret")
    assert (await limits.hit(FIVE, "a", 3))[:3] == (True, 5, 2)
    assert (await limits.hit(FIVE, "a", 3))[:3] == (False, 5, 2)
    assert (await limits.hit(FIVE, "a", 2))[:3] == (True, 5, 0)
    assert (await limits.hit(FIVE, "b", 5))[:3] == (True, 5, 0)
    await shared.close()


async def test_live_events_reach_the_watchers_of_every_replica_once(server_of_redis: RedisServer) -> None:
    here, there = Shared(server_of_redis.url), Shared(server_of_redis.url)
    one, other = SharedLive(here), SharedLive(there)
    async with one.running(), other.running():
        with one.watch(1) as near, other.watch(1) as far, other.watch(2) as elsewhere:
            while not (one.has_watchers and one._elsewhere >= {1, 2}):
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            one.publish([event(1), event(2), event(3, project=2), event(4, project=3)])
            assert [each.id for each in (await near.take(10) or ([], 0))[0]] == [1, 2]
            got: list[int] = []
            while len(got) < 2:
                got += [each.id for each in (await asyncio.wait_for(far.take(10), 60) or ([], 0))[0]]
            assert got == [1, 2]
            assert [each.id for each in (await asyncio.wait_for(elsewhere.take(10), 60) or ([], 0))[0]] == [3]
            other.publish([event(5)])
            assert [each.id for each in (await asyncio.wait_for(near.take(10), 60) or ([], 0))[0]] == [5]
            assert not near._waiting, "a server received its own events"
    await here.close()
    await there.close()


async def test_without_redis_live_events_are_those_of_each_replica(server_of_redis: RedisServer) -> None:
    shared = Shared(server_of_redis.url)
    live = SharedLive(shared)
    async with live.running():
        with live.watch(1) as watcher:
            server_of_redis.kill()
            live.publish([event(number) for number in range(KEPT + 10)])
            events, missed = await watcher.take(KEPT) or ([], 0)
            assert (len(events), missed) == (KEPT, 10)
    await shared.close()
