"""HTTP over plain ASGI: reads bodies within limits, and sends responses."""

from __future__ import annotations

import asyncio
import contextlib
from functools import cache, lru_cache
from typing import Any, NamedTuple

from server.event import Answer
from server.headers import INGEST_CORS, RATE_LIMIT, ingest_preflight
from server.ingest.gate import OverLimit
from server.problems import CONTENT_TYPE, Limited, Malformed, MethodNotAllowed, Problem, TooLarge, TooSlow
from server.shared import LimitState

Scope = dict[str, Any]
Header = tuple[bytes, bytes]

_CLOSING = (TooLarge, TooSlow)
_DRAIN_BYTES = 16 * 1024 * 1024  # bytes of a refused body that are read and discarded
_DRAIN_SECONDS = 2.0


class ClientGone(Exception):
    """The client disconnected before its body arrived, or before the response."""


class BodyReader:
    """Reader of bodies with limits on size and time. One periodic check finds all slow requests, because a timer per request costs more."""

    CHECK_EVERY = 0.5  # seconds

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, receive: Any, headers: dict[bytes, bytes], limit: int) -> bytes:
        """Read the body. Raises TooLarge as early as possible, TooSlow, Malformed for an invalid length, and ClientGone."""
        announced = headers.get(b"content-length")
        if announced is not None:
            if not announced.isdigit():
                raise Malformed("Content-Length must be a number.")
            if len(announced) > 12 or int(announced) > limit:
                raise TooLarge(f"The body must be at most {limit} bytes.")
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self.CHECK_EVERY, self._check)
        try:
            return await _read(receive, limit)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise TooSlow(f"The body must arrive within {self._seconds:g} seconds.") from None
        finally:
            del self._reading[task]
            self._late.discard(task)

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, deadline in self._reading.items():
            if deadline < now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._timer = loop.call_later(self.CHECK_EVERY, self._check) if self._reading else None


async def _read(receive: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body must be at most {limit} bytes.")
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Reply(NamedTuple):
    """A response without its `Content-Length` and RateLimit headers, which `headers_of` adds.

    `headers` is a tuple shared by all responses of a kind, so that callers can cache them. `closes`: the connection closes after the response.
    """

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""
    limit_state: LimitState | None = None
    closes: bool = False


@cache
def preflight(more: tuple[bytes, ...]) -> Reply:
    """Return the response to a CORS preflight of a route whose clients may send these headers, too."""
    return Reply(204, ingest_preflight(more))


def reply(answer: Answer, limit_state: LimitState | None) -> Reply:
    """Return a dialect's response."""
    headers = with_content(answer.content_type) if answer.body else INGEST_CORS
    return Reply(answer.status, headers, answer.body, limit_state)


@lru_cache(maxsize=64)
def with_content(content_type: bytes) -> tuple[Header, ...]:
    """Return the headers of a response with a body."""
    return (*INGEST_CORS, (b"content-type", content_type))


def refusal(problem: Problem, limit_state: LimitState | None) -> Reply:
    """Return the response for a problem. `limit_state` is the client's, unless the limit is the problem."""
    headers: list[Header] = [*INGEST_CORS, (b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    if isinstance(problem, Limited | MethodNotAllowed):
        limit_state = problem.limit_state if isinstance(problem, OverLimit) else None
    # The client may still be sending the rest of the body, which is not read.
    return Reply(problem.code, tuple(headers), problem.to_json(), limit_state, closes=isinstance(problem, _CLOSING))


def headers_of(reply: Reply) -> list[Header]:
    """Return all headers of a response."""
    headers = list(reply.headers)
    if reply.status != 204:  # 204 has no body
        headers.append((b"content-length", b"%d" % len(reply.body)))
    if reply.limit_state is not None:
        headers += zip(RATE_LIMIT, (b"%d" % number for number in reply.limit_state[1:]), strict=True)
    if reply.closes:
        headers.append((b"connection", b"close"))
    return headers


async def send_reply(send: Any, reply: Reply) -> None:
    """Send a response."""
    await send({"type": "http.response.start", "status": reply.status, "headers": headers_of(reply)})
    await send({"type": "http.response.body", "body": reply.body})


async def send_last_reply(send: Any, receive: Any, reply: Reply) -> None:
    """Send a response to a client that is still sending its body, and close the connection after a moment.

    Some network stacks discard received data when the peer closes the connection early; the client would never see the response.
    """
    await send({"type": "http.response.start", "status": reply.status, "headers": headers_of(reply)})
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    left = _DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            message = {"more_body": True}
            while left > 0 and message.get("more_body"):
                message = await receive()
                left -= len(message.get("body", b""))
    await send({"type": "http.response.body", "body": b""})
