"""PostgreSQL that hangs, is read-only or has no free connections: clients get an error immediately."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import SECRET, rollup_differences, rows_of
from tests.faults.test_postgres import Load
from tests.postgres import Postgres, running

pytestmark = pytest.mark.slow

STILL = 12.5  # seconds: longer than a client should wait for a commit
EVENT = {"name": "run", "installation_id": "install-1"}


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A PostgreSQL server for this test only, which can be paused and reconfigured."""
    with running(own=True) as server:
        yield server


@pytest.fixture
def server(own: Postgres, make_server: Callable[..., Any]) -> Any:
    return make_server(FOOTFALL_DATABASE_URL=own.fresh(), FOOTFALL_SECRET=SECRET).start()


@pytest.mark.slow
async def test_while_it_hangs_clients_wait_briefly_and_nothing_is_lost(own: Postgres, server: Any) -> None:
    load = Load(server.port, patience=3 * STILL)  # clients of the hanging commit wait for it, because its outcome is unknown
    posting = asyncio.create_task(load.run())
    try:
        await load.more(200)
        own.pause()
        paused = time.monotonic()
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            await asyncio.sleep(0.5)  # a commit has begun by then
            early = [asyncio.create_task(client.post("/v1/events", json=EVENT)) for _ in range(3)]
            health = await client.get("/health")
            while health.status_code == 200:  # a commit has just ended
                assert time.monotonic() - paused < 10
                health = await client.get("/health")
            while (await client.get("/ready")).status_code == 200:  # asks whether the last commit was accepted
                assert time.monotonic() - paused < 10
                await asyncio.sleep(0.1)
            await asyncio.sleep(STILL - (time.monotonic() - paused))
            assert all(each.done() for each in early), "requests whose commit has not begun are answered by now"
            assert {(await each).status_code for each in early} == {503}
            for _ in range(3):
                began = time.monotonic()
                refused = await client.post("/v1/events", json=EVENT)
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) > 0
                assert time.monotonic() - began < 3
        own.resume()
        await load.more(200)
    finally:
        own.resume()
        load.ended.set()
        await posting
    assert load.without_retry_after == 0
    assert server.client.get("/health").json()["status"] == "ok"
    assert server.client.get("/ready").status_code == 200
    assert server.stop() == 0
    stored = Counter(int(number) for (number,) in rows_of(server.store, "SELECT CAST(properties AS json) ->> 'number' FROM event"))
    assert load.acknowledged <= stored.keys()
    assert set(stored.values()) == {1}
    assert rollup_differences(server.store) == {}


def until_taken(server: Any) -> None:
    deadline = time.monotonic() + 60
    while server.client.post("/v1/events", json=EVENT).status_code != 202:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.05)


def test_a_read_only_postgresql_is_a_503_until_it_accepts_writes(own: Postgres, server: Any) -> None:
    until_taken(server)
    with psycopg.connect(own.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    try:
        deadline = time.monotonic() + 60
        while (answer := server.client.post("/v1/events", json=EVENT)).status_code == 202:
            assert time.monotonic() < deadline
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        time.sleep(2.1)
        assert server.client.get("/health").json()["store"]["writable"] is False
        assert "footfall_store_up 0.0" in server.client.get("/metrics").text
        asked = server.client.get("/counts")
        assert asked.status_code == 200, "reads continue"
        (there,) = rows_of(server.store, "SELECT count(*) FROM event")
    finally:
        with psycopg.connect(own.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")
    until_taken(server)
    assert rows_of(server.store, "SELECT count(*) FROM event") == [(there[0] + 1,)]
    time.sleep(1.1)  # the server checks once a second
    assert server.client.get("/health").status_code == 200
    assert rollup_differences(server.store) == {}


def test_the_server_waits_for_a_postgresql_without_free_connections(own: Postgres, server: Any) -> None:
    until_taken(server)
    with psycopg.connect(server.store, autocommit=True) as last, contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(own.url))
        last.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'footfall' AND datname = current_database()"
        )
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(own.url))
        answer = server.client.post("/v1/events", json=EVENT)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        time.sleep(1.1)  # the server checks once a second
        assert server.client.get("/health").status_code == 503
        for path in ("/counts", "/counts/some-pack"):
            assert server.client.get(path).status_code in (200, 404, 503)
    until_taken(server)
    time.sleep(1.1)
    assert server.client.get("/health").status_code == 200
    assert rollup_differences(server.store) == {}
    assert server.stop() == 0
