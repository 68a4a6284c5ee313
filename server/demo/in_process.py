"""The complete server without a socket: start, stop, and requests with a simulated clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from server.demo.calls import Call
from server.front import Front
from server.storage.migrations import StoreError

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}


class Clock:
    """The simulated time of arrival in epoch milliseconds. It never goes back."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __call__(self) -> int:
        return self._at

    def forward(self, at: int) -> None:
        self._at = max(self._at, at)


@contextlib.asynccontextmanager
async def running(app: Front) -> AsyncIterator[None]:
    """Run the server during a block, by ASGI's lifespan protocol. Raises the error that kept it from starting."""
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    responses: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "asgi": _VERSIONS, "state": {}}, requests.get, responses.put))
    try:
        await requests.put({"type": "lifespan.startup"})
        answer = asyncio.create_task(responses.get())
        await asyncio.wait({answer, life}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != "lifespan.startup.complete":
            answer.cancel()
            raise app.failure or StoreError("the server could not start")
        yield
        await requests.put({"type": "lifespan.shutdown"})
        await life
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


async def send(app: Front, calls: Iterable[Call], *, slug: str, clock: Clock) -> None:
    """Send calls concurrently, so that they share a commit. They arrive in order, each at its own time.

    Raises StoreError if the server could not accept one through no fault of the client.
    """
    await asyncio.gather(*(_send(app, call, slug, clock) for call in calls))


async def _send(app: Front, call: Call, slug: str, clock: Clock) -> None:
    clock.forward(call.at)  # tasks start in order of creation, and a request reads the time before it first waits
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def hear(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(_scope(call, slug), receive, hear)
    if messages[0]["status"] >= 500:
        raise StoreError(f"the server answered {messages[0]['status']}: {messages[-1].get('body', b'').decode(errors='replace')}")


def _scope(call: Call, slug: str) -> dict[str, Any]:
    path = f"/p/{slug}{call.path}"
    return {
        "type": "http",
        "asgi": _VERSIONS,
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"footfall.example"), (b"content-length", b"%d" % len(call.body)), *call.headers],
        "client": (call.address, 40_000),
        "server": ("footfall.example", 80),
    }
