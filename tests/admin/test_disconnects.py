"""A page that is left, or whose filter is changed, stops its questions: the next page does not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.app import create_app
from server.front import Front
from server.questions import reader
from server.services import Services, services_of
from server.settings import Settings

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
        async with asyncio.timeout(60):
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
        async with asyncio.timeout(60):
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
