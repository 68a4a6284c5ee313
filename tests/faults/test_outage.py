"""An outage of PostgreSQL under load: clients get an error immediately, no acknowledged event is lost, and no restart is needed."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import SECRET, rollup_differences, rows_of
from tests.postgres import running

SECONDS = float(os.environ.get("FOOTFALL_TEST_OUTAGE_SECONDS", "4"))
CLIENTS = 30


class Client:
    """A client with an outbox: it sends events in order, each until it is acknowledged."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url, number
        self.acknowledged: list[str] = []
        self.refused: list[httpx.Response] = []
        self.waits: list[float] = []

    async def run(self, until: Callable[[], bool]) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=40) as client:
            sent = 0
            while not until():
                sent += 1
                event = {"name": "run", "installation_id": f"install-{self.number}", "id": f"{self.number}-{sent}", "outcome": "success"}
                while True:
                    began = time.monotonic()
                    answer = await client.post("/v1/events", json=event)
                    if answer.status_code == 202:
                        self.acknowledged.append(event["id"])
                        break
                    self.waits.append(time.monotonic() - began)
                    self.refused.append(answer)
                    await asyncio.sleep(0.1)


@pytest.mark.slow
def test_an_outage_of_postgresql_under_load(make_server: Callable[..., Any]) -> None:
    with running(own=True) as postgres:
        server = make_server(FOOTFALL_DATABASE_URL=postgres.fresh(), FOOTFALL_SECRET=SECRET).start()
        clients = [Client(server.url, number) for number in range(CLIENTS)]
        healths: list[int] = []

        async def story() -> None:
            over = False
            posting = [asyncio.create_task(client.run(lambda: over)) for client in clients]
            await asyncio.sleep(1.5)
            await asyncio.to_thread(postgres.stop_at_once)
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                healths.append((await asyncio.to_thread(server.client.get, "/health")).status_code)
            before = sum(len(client.acknowledged) for client in clients)
            await asyncio.to_thread(postgres.start)
            while sum(len(client.acknowledged) for client in clients) < before + 500:
                await asyncio.sleep(0.05)
            over = True
            await asyncio.gather(*posting)

        asyncio.run(asyncio.wait_for(story(), 100))
        refused = [answer for client in clients for answer in client.refused]
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        waits = sorted(wait for client in clients for wait in client.waits)
        assert waits[int(len(waits) * 0.9)] < 2  # except those with a commit in flight
        assert healths[-1] == 503
        assert server.client.get("/health").status_code == 200
        assert server.process.poll() is None

        acknowledged = Counter(one for client in clients for one in client.acknowledged)
        (stored,) = rows_of(server.store, "SELECT count(*) FROM event")
        assert (max(acknowledged.values()), stored[0]) == (1, len(acknowledged))  # each event was sent until it was acknowledged
        assert rollup_differences(server.store) == {}
        log = Path(server.log).read_text()
        assert "postgresql://" not in log
        assert server.stop() == 0
