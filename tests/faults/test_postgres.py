"""Outages of PostgreSQL: each acknowledged event is stored once, and every request gets a response."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.event import Context, Event
from server.event_id import EventIds
from server.storage.batch import Batch
from server.storage.postgres.postgres_store import PostgresStore
from tests.postgres import Postgres, running

OUTAGE = float(os.environ.get("FOOTFALL_TEST_OUTAGE_SECONDS", "4"))
CONNECTIONS = 30
SECRET = "a secret that all servers of a test share"
PATIENCE = 15.0  # seconds: the limit for a response that should be immediate


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A PostgreSQL server for this test only, which can be stopped."""
    with running(own=True) as server:
        yield server


class Load:
    """Clients with an outbox: each sends an event until it is acknowledged."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self.port = port
        self.patience = patience
        self.acknowledged: set[int] = set()
        self.statuses: Counter[int] = Counter()
        self.without_retry_after = 0
        self.ended = asyncio.Event()
        self._numbers = itertools.count()

    async def run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CONNECTIONS)))

    async def _client(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer):
            while not self.ended.is_set():
                number = next(self._numbers)
                while (answer := await asyncio.wait_for(self._post(reader, writer, number), self.patience)) == 503:
                    await asyncio.sleep(0.05)
                    if self.ended.is_set():
                        break
                assert answer in (202, 503)
                if answer == 202:
                    self.acknowledged.add(number)

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
        event = {
            "id": f"event-{number}",
            "name": f"command_{number % 5}",
            "installation_id": f"install-{number % 400}",
            "target": {"type": "tool", "id": f"tool-{number % 20}"},
            "os": ("linux", "darwin", "windows")[number % 3],
            "outcome": "success",
            "properties": {"number": number},
        }
        body = json.dumps(event).encode()
        writer.write(
            b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        await reader.readexactly(next(int(line.split(b":")[1]) for line in head if line.startswith(b"content-length")))
        status = int(head[0].split()[1])
        self.statuses[status] += 1
        self.without_retry_after += status == 503 and not any(line.startswith(b"retry-after:") for line in head)
        return status

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, self.statuses
            await asyncio.sleep(0.01)

    async def more(self, count: int) -> None:
        """Wait for a number of additional acknowledgements."""
        wanted = len(self.acknowledged) + count
        await self.until(lambda: len(self.acknowledged) >= wanted)


@pytest.mark.slow
def test_an_outage_under_load_loses_nothing_and_ends_without_a_restart(
    own: Postgres,
    make_server: Callable[..., Any],
    rows_of: Callable[[str, str], list[tuple[Any, ...]]],
    rollup_differences: Callable[[str], Any],
) -> None:
    url = own.fresh()
    server = make_server(FOOTFALL_DATABASE_URL=url, FOOTFALL_SECRET=SECRET).start()
    chance = random.Random(20261121)
    # Events of the interrupted commit get a response once the outcome is known, or after 30 s; all others immediately.
    load = Load(server.port, patience=OUTAGE + 35.0)

    async def story() -> None:
        posting = asyncio.create_task(load.run())
        try:
            for outage in (0.0, OUTAGE, 0.2, 0.0):
                await load.more(200)
                await asyncio.sleep(chance.uniform(0, 0.2))
                await asyncio.to_thread(own.stop_at_once)
                if outage:
                    await asyncio.to_thread(_refuses, server)
                    if outage == OUTAGE:
                        await asyncio.to_thread(_says_that_its_store_is_gone, server)
                    await asyncio.sleep(outage)
                await asyncio.to_thread(own.start)
            await load.more(200)
        finally:
            load.ended.set()
            await posting

    asyncio.run(story())
    assert server.client.get("/ready").status_code == 200
    assert server.client.get("/health").json()["status"] == "ok"
    assert load.statuses.keys() <= {202, 503}
    assert load.without_retry_after == 0
    assert server.stop() == 0
    stored = Counter(int(number) for (number,) in rows_of(url, "SELECT CAST(properties AS json) ->> 'number' FROM event"))
    # Each event was sent until it was acknowledged, except the last ones. No event is stored twice.
    assert load.acknowledged <= stored.keys()
    assert set(stored.values()) == {1}
    assert rollup_differences(url) == {}
    log = server.log.read_text()
    assert log.count("store_lost") == log.count("store_available")


def _refuses(server: Any) -> None:
    """Wait until new events are refused with 503. Earlier ones may belong to a commit with an unknown outcome."""
    deadline = time.monotonic() + 20
    event = {"name": "newcomer", "installation_id": "newcomer", "properties": {"number": 1_000_000}, "id": "newcomer"}
    while (answer := server.client.post("/v1/events", json=event)).status_code != 503:
        assert answer.status_code == 202
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "retry-after" in answer.headers


def _says_that_its_store_is_gone(server: Any) -> None:
    deadline = time.monotonic() + 20
    while server.client.get("/ready").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    health, ready = server.client.get("/health"), server.client.get("/ready")
    assert (health.status_code, health.json()["status"], health.json()["store"]["writable"]) == (503, "unavailable", False)
    assert (ready.status_code, ready.json()["status"]) == (503, "store unavailable")
    for path in ("/counts/snippet/x/views", "/v1/stats"):
        assert server.client.get(path).status_code in (503, 404)
    for _ in range(10):  # the key cannot be looked up
        keyed = server.client.post("/v1/events", json={"name": "run"}, headers={"Authorization": "Bearer ff_nobody_knows_this_key_yet"})
        assert keyed.status_code == 503
        time.sleep(0.05)


class Cable:
    """A proxy between a store and PostgreSQL that breaks the connection at a COMMIT: `before` it arrives, or `after` it, before its response."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self._address = address
        self.breaks: str | None = None
        self.broken = 0

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_unix_server(self._connected, self.folder / ".s.PGSQL.5432")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_unix_connection(self._address)
        cut = False

        async def home() -> None:
            while data := await far.read(1 << 16):
                if cut:
                    break  # drops the response of the COMMIT
                back.write(data)
            back.close()

        homeward = asyncio.create_task(home())
        while data := await near.read(1 << 16):
            if self.breaks is not None and b"COMMIT" in data:
                cut = self.breaks == "after"
                self.breaks, self.broken = None, self.broken + 1
                if cut:
                    forth.write(data)
                    await homeward
                break
            forth.write(data)
        homeward.cancel()
        forth.close()
        back.close()


ids = EventIds(9)


def batch(*marks: int) -> Batch:
    return Batch([Event(id=ids.take(1)[0], project=1, name="run", occurred_at=1, context=Context(), mark=mark) for mark in marks])


async def stored(store: PostgresStore) -> tuple[int, int, int]:
    """The number of events: stored, in the rollup, and in the ledger."""
    (row,) = await store.rows(
        "SELECT (SELECT count(*) FROM event) AS events, (SELECT coalesce(sum(events), 0)::bigint FROM rollup_hour) AS hours,"
        " (SELECT coalesce(sum(events), 0)::bigint FROM ledger WHERE entry = 'stored') AS ledger"
    )
    return row["events"], row["hours"], row["ledger"]


@pytest.mark.parametrize("breaks", ["before", "after"])
async def test_after_a_lost_connection_the_outcome_of_the_commit_is_looked_up(own: Postgres, breaks: str, tmp_path_factory: Any) -> None:
    url = own.fresh()
    about = psycopg.conninfo.conninfo_to_dict(url)
    folder = Path(tmp_path_factory.mktemp("cable"))
    async with Cable(folder, f"{about['host']}/.s.PGSQL.5432") as cable:
        store = await PostgresStore.open(f"postgresql://postgres@/{about['dbname']}?host={folder}")
        try:
            await store.commit(batch(1))
            cable.breaks = breaks
            if breaks == "after":
                assert not (await store.commit(batch(2))).exceptions, "it was stored, and must not be reported as a duplicate"
            else:
                with pytest.raises(psycopg.OperationalError):
                    await store.commit(batch(2))
                assert await stored(store) == (1, 1, 1)
                assert not (await store.commit(batch(2))).exceptions, "an event that was not stored may be sent again"
            assert cable.broken == 1
            assert await stored(store) == (2, 2, 2)
            assert (await store.commit(batch(2, 3))).exceptions.keys() == {0}
            assert store.available
        finally:
            await store.close()


@pytest.mark.slow
async def test_a_number_that_a_crash_gave_to_another_transaction_proves_nothing(own: Postgres) -> None:
    store = await PostgresStore.open(own.fresh())
    try:
        await store.commit(batch(1))
        (row,) = await store.rows("SELECT xmin::text AS number, id FROM event")
        was_committed = store._writer._was_committed
        assert await asyncio.to_thread(was_committed, row["number"], row["id"])
        assert not await asyncio.to_thread(was_committed, row["number"], row["id"] + 1)
        assert not await asyncio.to_thread(was_committed, "4000000000", row["id"] + 1)
    finally:
        await store.close()
