"""Jobs in a separate process beside a server that receives events."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, Context, Event
from server.event_id import first_id
from server.settings import load
from server.storage.batch import Batch
from server.storage.engine import open_store
from server.storage.projects import ensure_default

# The promise is about 500,000 events: FOOTFALL_TEST_RETENTION_EVENTS=500000, which takes a minute.
OLD_EVENTS = int(os.environ.get("FOOTFALL_TEST_RETENTION_EVENTS", "50000"))
CLIENTS = 50
SLOWEST = 1.0  # seconds, on a machine that runs several tests at once

Make = Callable[..., Any]


async def fill(folder: Path, count: int, days: int) -> None:
    """Store events that arrived `days` ago, before the server's first start."""
    store = await open_store(load({"FOOTFALL_DATA_DIR": str(folder / "data")}))
    await ensure_default()
    at = time.time_ns() // 1_000_000 - days * DAY
    for first in range(0, count, 2_000):
        await store.commit(
            Batch(
                [
                    Event(
                        id=first_id(at) + number,
                        project=1,
                        name=f"n{number % 5}",
                        occurred_at=at,
                        context=Context(version=f"{number % 9}"),
                        install=number % 5_000,
                        duration_us=number,
                    )
                    for number in range(first, min(count, first + 2_000))
                ]
            )
        )
    await store.close()


def sums(database: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(database)) as connection:
        today = time.time_ns() // 1_000_000 // DAY
        return {
            table: sorted(
                connection.execute(f"SELECT * FROM {table} WHERE {period} < {(today - 30) * (24 if period == 'hour' else 1)}"), key=repr
            )
            for table, period in (
                ("rollup_hour", "hour"),
                ("rollup_name_duration", "day"),
                ("rollup_dimension", "day"),
                ("activity", "day"),
            )
        }


class Clients:
    """Fifty clients that post events in a loop, each over its own connection."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        self.refused: list[bytes] = []
        self._port = port
        self._stop = False

    async def during(self, work: Callable[[], Any]) -> Any:
        """Post while `work` runs in a thread. Return the result of `work`."""
        posting = asyncio.gather(*(self._post(number) for number in range(CLIENTS)))
        try:
            return await asyncio.to_thread(work)
        finally:
            self._stop = True
            await posting

    async def _post(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = json.dumps({"name": "run", "installation_id": f"new-{number}"}).encode()
        request = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        while not self._stop:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            self.waits.append(time.perf_counter() - began)
            if not head.startswith(b"HTTP/1.1 202"):
                self.refused.append(head.split(b"\r\n")[0])
            await asyncio.sleep(0.01)
        writer.close()

    def summary(self) -> str:
        waits = sorted(self.waits)
        return (
            f"{len(waits):,} posts of {CLIENTS} clients: median {waits[len(waits) // 2] * 1000:.1f} ms, slowest {waits[-1] * 1000:.0f} ms"
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_retention_beside_a_server_refuses_nothing_and_changes_no_sum(make_server: Make, capsys: pytest.CaptureFixture[str]) -> None:
    server = make_server()
    asyncio.run(fill(server.folder, OLD_EVENTS, 400))
    server.start()
    before, clients = sums(server.database), Clients(server.port)
    size = server.database.stat().st_size

    ran = asyncio.run(clients.during(lambda: server.footfall("job", "retention", timeout=500)))
    with capsys.disabled():
        print(f"\n  {ran.stdout.strip()}\n  beside {clients.summary()}")
    assert ran.returncode == 0, ran.stderr
    assert f"{OLD_EVENTS:,} events" in ran.stdout
    assert clients.refused == []
    assert max(clients.waits) < SLOWEST
    assert sums(server.database) == before
    assert server.client.get("/health").json()["status"] == "ok"
    assert server.stop() == 0
    assert server.database.stat().st_size < size
    with closing(sqlite3.connect(server.database)) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (len(clients.waits),)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_server_runs_due_jobs_and_stops_cleanly(make_server: Make) -> None:
    server = make_server()
    asyncio.run(fill(server.folder, 2_000, 400))
    server.start()
    ran = server.footfall("job", "check-rollups")
    assert "all agree" in ran.stdout
    began = time.monotonic()
    # The first job is due ten seconds after the start, and the operator stops the server at about that time.
    while b'"job": "trending", "result": "done"' not in server.log.read_bytes() and time.monotonic() - began < 60:
        time.sleep(0.1)
    assert server.stop() == 0
    log = server.log.read_text()
    assert '"job": "trending", "result": "done"' in log
    assert "Traceback" not in log
    assert "job_failed" not in log
    listed = server.footfall("job")
    assert listed.returncode == 0
    assert "trending" in listed.stdout
    with closing(sqlite3.connect(server.database)) as connection:
        assert connection.execute("SELECT count(*) FROM lease").fetchone() == (0,)
