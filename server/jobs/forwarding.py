"""Forwards what a project receives from SDKs to the system that it replaces (shadow mode), to compare the counts of both.

Requests wait in a bounded queue in memory for each project, and are sent in the background: the client's answer never depends on the other
system. Connections are checked like those of webhooks, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import msgspec

from server import __version__, logs
from server.event import DAY
from server.jobs.addresses import CheckedTransport, Refused, Resolver, check_url, lookup
from server.storage.engine import Store
from server.storage.projects import FieldProblem, LiveProject
from server.storage.upkeep import forwarded_counts
from server.storage.upkeep.forwarded_counts import ForwardedCounts
from server.tasks import cancel_and_wait

log = logs.get(__name__)

MAX_WAITING = 1_000  # requests of a project
MAX_BYTES = 8 << 20  # of their targets, headers and bodies
SENDERS = 4  # requests of a project at a time
TIMEOUT = 10.0  # seconds for one attempt
ATTEMPTS = 3
_FIRST_WAIT = 1.0  # seconds, doubled after each attempt
_PATIENT = MAX_WAITING // 10  # requests that may wait while one is sent again
WRITE_EVERY = 2.0  # seconds
_TRANSIENT = frozenset({408, 425, 429})  # and those from 500, without _FINAL
_FINAL = frozenset({501, 508})
_UNSAFE = (b"\r", b"\n", b"\0")

Header = tuple[bytes, bytes]


class _Message(NamedTuple):
    """A request to forward. `tally` is that of its project and day."""

    url: str
    headers: list[Header]
    body: bytes
    events: int
    tally: ForwardedCounts

    @property
    def size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) + len(self.body)


class _Queue:
    """The requests of a project that wait, and the number of tasks that send them."""

    def __init__(self) -> None:
        self.waiting: deque[_Message] = deque()
        self.size = 0
        self.senders = 0


def check_target(text: str | None) -> str | None:
    """Return the address of a system to forward to, without a slash at its end. Raises FieldProblem."""
    if text is None or not text.strip():
        return None
    try:
        url = check_url(text.strip())
    except Refused as refused:
        raise FieldProblem("forwardTo", f"is not accepted: {refused}") from None
    if url.query:
        raise FieldProblem("forwardTo", "must not contain a query (?)")
    return str(url).rstrip("/")


class Forwarder:
    """Forwards requests. `private` allows private networks; `resolver` and `first_wait` (seconds) are for tests."""

    def __init__(self, store: Store, *, private: bool, resolver: Resolver = lookup, first_wait: float = _FIRST_WAIT) -> None:
        self._store = store
        self._first_wait = first_wait
        self._client = httpx.AsyncClient(transport=CheckedTransport(private=private, resolver=resolver), trust_env=False, timeout=TIMEOUT)
        self._queues: dict[int, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: dict[tuple[int, int], ForwardedCounts] = {}
        self._stopping = asyncio.Event()

    def offer(self, project: LiveProject, target: str, headers: list[Header], body: bytes, *, events: int, stored: int, at: int) -> None:
        """Forward a request in the background, or drop it if too many wait. Never blocks."""
        if project.forward_to is None:
            return
        count = self._count(project, events, stored, at)
        queue = self._queues.setdefault(project.id, _Queue())
        message = _Message(project.forward_to + target, headers, body, events, count)
        if len(queue.waiting) >= MAX_WAITING or queue.size + message.size > MAX_BYTES:
            count.dropped += events
            return
        queue.waiting.append(message)
        queue.size += message.size
        if queue.senders < SENDERS:
            queue.senders += 1
            task = asyncio.create_task(self._send_waiting(queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def skip(self, project: LiveProject, *, events: int, stored: int, at: int) -> None:
        """Count a request that cannot be forwarded: it has a key that only Footfall knows."""
        self._count(project, events, stored, at).dropped += events

    def _count(self, project: LiveProject, events: int, stored: int, at: int) -> ForwardedCounts:
        count = self._counts.setdefault((project.id, at // DAY), ForwardedCounts())
        count.events += events
        count.stored += stored
        return count

    async def _send_waiting(self, queue: _Queue) -> None:
        try:
            while queue.waiting:
                message = queue.waiting.popleft()
                queue.size -= message.size
                await self._send(message, queue)
        finally:
            queue.senders -= 1

    async def _send(self, message: _Message, queue: _Queue) -> None:
        """Send a request, again after a transient error unless many wait, and count its result."""
        error, is_final = None, False
        try:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(self._first_wait * 2 ** (attempt - 1))
                status, error = await self._post(message)
                is_final = status is not None and (status in _FINAL or (status < 500 and status not in _TRANSIENT))
                if is_final or len(queue.waiting) > _PATIENT:
                    break
        except asyncio.CancelledError:
            message.tally.dropped += message.events
            raise
        if error is None:
            message.tally.accepted += message.events
        elif is_final:
            message.tally.refused += message.events
        else:
            message.tally.failed += message.events
        message.tally.error = error or message.tally.error

    async def _post(self, message: _Message) -> tuple[int | None, str | None]:
        """Return the status, if there is one, and the error, if there is one."""
        headers = [(b"user-agent", f"Footfall/{__version__}".encode()), *message.headers]
        headers = [*{name: value for name, value in headers if not any(sign in value for sign in _UNSAFE)}.items()]
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await self._client.post(message.url, content=message.body, headers=headers, follow_redirects=False)
        except Refused as refused:
            return None, str(refused)
        except TimeoutError:
            return None, f"no answer in {TIMEOUT:g} seconds"
        except httpx.HTTPError as error:
            return None, f"no answer ({type(error).__name__})"
        except Exception as error:  # a request that cannot be written must not end the task
            log.error("forwarding_failed", error=type(error).__name__)
            return None, f"not sent ({type(error).__name__})"
        return response.status_code, None if response.is_success else f"answered {response.status_code}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write the counts every few seconds while the context is open. At its end, requests that still wait are dropped."""
        task = asyncio.create_task(self._write_periodically())
        try:
            yield
        finally:
            await cancel_and_wait(self._tasks)
            for queue in self._queues.values():
                for message in queue.waiting:
                    message.tally.dropped += message.events
            self._stopping.set()
            await task
            await self._client.aclose()

    async def _write_periodically(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY):
                    await self._stopping.wait()
            await self.write()

    async def write(self) -> None:
        """Add the counts to those of the store. If this fails, the next call adds them."""
        written = {key: msgspec.structs.replace(count) for key, count in self._counts.items() if count != ForwardedCounts()}
        if not written:
            return
        try:
            await forwarded_counts.add(self._store, written)
        except Exception as error:
            log.warning("forwarded_counts_not_written", error=type(error).__name__)
            return
        for key, done in written.items():
            count = self._counts[key]
            for name in forwarded_counts.COUNTS:
                setattr(count, name, getattr(count, name) - getattr(done, name))
            if count.error == done.error:
                count.error = None
        if not self._tasks:  # no request that is being sent needs its tally
            self._counts = {key: count for key, count in self._counts.items() if count != ForwardedCounts()}
