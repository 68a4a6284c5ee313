"""The time of each step of a single post within one process: posts do not use a socket, and a timer wraps each step."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.load import UNLIMITED
from server.app import create_app
from server.dialects import sonicjs
from server.ingest.asgi import Reply
from server.ingest.gate import Gate
from server.ingest.privacy import Privacy
from server.serving import tune_garbage_collector
from server.settings import load
from server.storage.projects import Projects

_BODY = (
    '{"data":{"installation_id":"%08x-3b7d-4bad-9bdd-2b0d7b3dcb6d","event_type":"installation_started",'
    '"properties":{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"},"timestamp":"%s"}}'
)
_HEADERS = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json"), (b"content-length", b"240")]
CONNECTIONS = 64


class Clocks:
    """CPU time of the event loop's thread, by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._overhead = self._of_one()

    def wrap(self, holder: Any, name: str, step: str) -> None:
        """Count the time of a function for a step."""
        inner = getattr(holder, name)
        self.spent.setdefault(step, 0.0)
        setattr(holder, name, self.clocked(inner, step))

    def clocked(self, inner: Callable[..., Any], step: str) -> Callable[..., Any]:
        """Wrap a function with a timer."""
        clock, spent = time.thread_time, self.spent
        spent.setdefault(step, 0.0)

        def clocked(*arguments: Any, **named: Any) -> Any:
            began = clock()
            try:
                return inner(*arguments, **named)
            finally:
                spent[step] += clock() - began - self._overhead

        return clocked

    def _of_one(self) -> float:
        self._overhead = 0.0
        clocked = self.clocked(lambda _: None, "nothing")
        for _ in range(100_000):
            clocked(0)
        return self.spent.pop("nothing") / 100_000


def steps(requests: int) -> dict[str, float]:
    """µs of CPU time of each step, the mean of `requests` single posts."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_steps(Path(folder), requests))


async def _steps(folder: Path, requests: int) -> dict[str, float]:
    clocks = Clocks()
    Projects.STALE_AFTER = float("inf")  # once in two seconds, a request refreshes them and takes a different path
    kept = [
        (Gate, "cached_caller"),
        (Gate, "count_at_once"),
        (Privacy, "events"),
        (sonicjs, "answer"),
    ]
    originals = [(sonicjs, "PATHS", sonicjs.PATHS), *((holder, name, getattr(holder, name)) for holder, name in kept)]
    of = ("gate", "limiter", "privacy", "dialect")
    # The dialect decodes the body, and the routes hold its function.
    sonicjs.PATHS = tuple(
        path if path.prepared is None else msgspec.structs.replace(path, prepared=clocks.clocked(path.prepared, "dialect"))
        for path in sonicjs.PATHS
    )
    app = create_app(load({**UNLIMITED, "FOOTFALL_DATA_DIR": str(folder), "FOOTFALL_LOG_LEVEL": "error"}))
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    ended = asyncio.Event()

    async def receive(message: dict[str, Any]) -> None:
        if message["type"].endswith(".complete"):
            ended.set()

    async def lifespan(kind: str) -> None:
        ended.clear()
        await messages.put({"type": kind})
        await ended.wait()

    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, messages.get, receive))
    await lifespan("lifespan.startup")
    tune_garbage_collector()
    try:
        await _ask_ordinarily(app)
        await _post(app, requests // 5)
        clocks.spent.clear()
        for (holder, name), step in zip(kept, of, strict=True):
            clocks.wrap(holder, name, step)
        await _post(app, requests)
    finally:
        for holder, name, original in originals:
            setattr(holder, name, original)
        await lifespan("lifespan.shutdown")
        await running
    return {step: spent / requests * 1e6 for step, spent in clocks.spent.items()}


async def _ask_ordinarily(app: Any) -> None:
    """Send one request over ASGI. The projects must have been read for its `Host`."""
    scope = {"type": "http", "method": "POST", "path": "/dl/none", "raw_path": b"/dl/none", "query_string": b"", "headers": _HEADERS[:1]}
    received = asyncio.Queue[dict[str, Any]]()
    received.put_nowait({"type": "http.request", "body": b""})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({**scope, "client": ("127.0.0.1", 1), "root_path": "", "scheme": "http", "http_version": "1.1"}, received.get, send)
    assert sent[0]["status"] == 202, sent


async def _post(app: Any, requests: int) -> None:
    """Send single posts of random installs from a number of clients. Each client waits for its response."""
    loop = asyncio.get_running_loop()
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    bodies = [(_BODY % (random.randint(1, 20_000), now)).encode() for _ in range(requests)]
    done = loop.create_future()
    waiting = requests

    def answered(reply: Reply) -> None:
        nonlocal waiting
        assert reply.status == 201, reply
        waiting -= 1
        if waiting == 0:
            done.set_result(None)
        elif bodies:
            loop.call_soon(send, bodies.pop())

    def send(body: bytes) -> None:
        assert app.take_at_once(b"/v1/events", "127.0.0.1", _HEADERS, body, answered)

    for _ in range(min(CONNECTIONS, requests)):
        send(bodies.pop())
    await done
