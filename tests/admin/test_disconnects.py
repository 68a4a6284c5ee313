"""A page that is left, or whose filter is changed, stops its questions: the next page does not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import httpx
import pytest
import uvicorn

from server.app import create_app
from server.clock import epoch_ms
from server.front import Front
from server.questions import reader, saved
from server.questions.periods import RelativePeriod
from server.questions.template import Template
from server.services import Services, services_of
from server.serving.open_connections import OpenConnections
from server.serving.protocol import Protocol
from server.settings import Settings
from server.storage.projects import create_key, find_project

TOKEN = "ff_the-admin-token-of-the-tests-0123456789"
MEDIAN = {"measures": ["P50"], "where": [{"field": "os", "values": ["linux"]}, {"field": "arch", "values": ["x64"]}]}


class Served:
    """A server in this event loop, and its parts."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.state: Services = services_of(front._inner)

    async def post(self, body: object, gone: asyncio.Event) -> tuple[int, bytes]:
        """Post to /graphql, from a client that disconnects when `gone` is set. Return the status and the body."""
        parts: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {TOKEN}".encode())]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/graphql",
            "raw_path": b"/graphql", "query_string": b"", "root_path": "", "headers": headers, "client": ("192.0.2.1", 1), "server": ("x", 80),
        }  # fmt: skip
        async with asyncio.timeout(20):
            await self.front(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

    def ask(self, gone: asyncio.Event) -> asyncio.Task[tuple[int, bytes]]:
        """Ask for a median under two conditions, which reads the history."""
        variables = {"slug": "default", "question": MEDIAN}
        return asyncio.create_task(self.post({"operationName": "Ask", "variables": variables}, gone))

    @property
    def waiting(self) -> int:
        """The number of questions that wait for the history."""
        return sum(not each.done() for each in self.state.history._at_once._waiters or ())

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(20):
            while self.waiting != count:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def busy(settings: Settings) -> AsyncIterator[Served]:
    """A server whose history is busy: a question about events waits until `_at_once` is released."""
    front = create_app(dataclasses.replace(settings, admin_token=TOKEN))
    async with front._inner.lifespan():
        made = Served(front)
        places = made.state.history._at_once
        held = 0
        while not places.locked():
            await places.acquire()
            held += 1
        yield made
        for _ in range(held):
            places.release()


@contextlib.asynccontextmanager
async def listening(served: Served) -> AsyncIterator[int]:
    """Serve over a socket; yields the port."""
    protocol = cast("type[asyncio.Protocol]", partial(Protocol, patience=10.0, opened=OpenConnections()))
    config = uvicorn.Config(served.front, port=0, lifespan="off", log_config=None, http=protocol)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server._serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


@pytest.fixture(autouse=True)
def always_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)


async def test_a_question_stops_when_its_client_disconnects(settings: Settings) -> None:
    async with busy(settings) as served:
        gone = asyncio.Event()
        asked = served.ask(gone)
        await served.until_waiting(1)
        gone.set()
        assert await asked == (499, b"")
        await served.until_waiting(0)


async def test_a_client_that_asks_the_same_still_gets_its_answer(settings: Settings) -> None:
    async with busy(settings) as served:
        gone = asyncio.Event()
        leaves, stays = served.ask(gone), served.ask(asyncio.Event())
        await served.until_waiting(2)
        gone.set()
        assert (await leaves)[0] == 499
        await served.until_waiting(1)
        served.state.history._at_once.release()
        status, body = await stays
        await served.state.history._at_once.acquire()
        document = json.loads(body)
        assert (status, document.get("errors")) == (200, None)
        assert document["data"]["project"]["ask"]["source"] is not None


async def test_a_mutation_ends_although_its_client_disconnects(settings: Settings) -> None:
    async with busy(settings) as served:
        gone = asyncio.Event()
        gone.set()
        status, _ = await served.post({"operationName": "CreateProject", "variables": {"slug": "made"}}, gone)
        assert status == 200
        assert (await served.state.store.rows("SELECT slug FROM project WHERE slug = 'made'"))[0]["slug"] == "made"


CONDITIONS = "where=os%3Dlinux&where=arch%3Dx64"
EXPORTS = (
    f"/v1/export/ask?measure=p50&{CONDITIONS}",
    f"/v1/export/funnel?step=a:name%3Da&step=b:name%3Db&{CONDITIONS}",
    f"/v1/export/retention?over=day&{CONDITIONS}",
    f"/v1/export/paths?event=name%3Da&{CONDITIONS}",
)


async def get(port: int, path: str, key: str) -> int:
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.get(f"http://127.0.0.1:{port}{path}", headers={"authorization": f"Bearer {key}"})).status_code


@pytest.mark.parametrize("path", EXPORTS)
async def test_an_export_stops_when_its_client_disconnects(settings: Settings, path: str) -> None:
    async with busy(settings) as served, listening(served) as port:
        _, key = await create_key(await find_project("default"), name="reader", scopes=["read"])
        asked = asyncio.create_task(get(port, path, key))
        await served.until_waiting(1)
        asked.cancel()
        await served.until_waiting(0)


async def test_a_query_stops_when_its_client_closes_the_connection(settings: Settings) -> None:
    body = {"operationName": "Ask", "variables": {"slug": "default", "question": MEDIAN}}

    async def post(port: int) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            await client.post(f"http://127.0.0.1:{port}/graphql", json=body, headers={"authorization": f"Bearer {TOKEN}"})

    async with busy(settings) as served, listening(served) as port:
        asked = asyncio.create_task(post(port))
        await served.until_waiting(1)
        asked.cancel()
        await served.until_waiting(0)


@pytest.mark.parametrize("page", ["family", "shared"])
async def test_a_page_stops_when_its_last_reader_disconnects(settings: Settings, page: str) -> None:
    async with busy(settings) as served, listening(served) as port:
        _, key = await create_key(await find_project("default"), name="reader", scopes=["read"])
        path = "/stats"
        if page == "shared":
            await saved.save(served.state.store, 1, "Events", Template(period=RelativePeriod(last=7)), epoch_ms())
            _, path = await saved.share(served.state.store, 1, "Events", 7, epoch_ms())
        flights: Any = (served.state.response_cache if page == "family" else served.state.shared_pages)._pages._flights
        places = cast("asyncio.Semaphore", flights._places)
        held = 0
        while not places.locked():
            await places.acquire()
            held += 1

        async def until_running(count: int) -> None:
            async with asyncio.timeout(20):
                while len(flights._flights) != count or sum(not each.done() for each in places._waiters or ()) != count:
                    await asyncio.sleep(0.01)

        leaves = asyncio.create_task(get(port, path, key))
        await until_running(1)
        leaves.cancel()
        await until_running(0)
        leaves, stays = (asyncio.create_task(get(port, path, key)) for _ in range(2))
        await until_running(1)
        async with asyncio.timeout(20):
            while next(iter(flights._flights.values())).waiting < 2:
                await asyncio.sleep(0.01)
        leaves.cancel()
        for _ in range(held):
            places.release()
        served.state.history._at_once.release()
        assert await stays == 200
        await served.state.history._at_once.acquire()
