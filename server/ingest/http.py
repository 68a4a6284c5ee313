"""The few pieces of HTTP that the way in needs, on bare ASGI: reading a body within bounds, and sending an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from server.ingest.gate import OverLimit
from server.problems import CONTENT_TYPE, Malformed, Problem, TooLarge, TooSlow
from server.shared import Standing

Scope = dict[str, Any]
HeaderList = list[tuple[bytes, bytes]]

CORS: HeaderList = [(b"access-control-allow-origin", b"*")]
# What lets a browser's script on any page post events; never with credentials.
PREFLIGHT: HeaderList = [
    *CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization"),
    (b"access-control-max-age", b"86400"),
]
_CLOSING = (TooLarge, TooSlow)


class ClientGone(Exception):
    """The client hung up before its body had arrived: there is nobody to answer."""


async def read_body(receive: Any, headers: dict[bytes, bytes], *, limit: int, seconds: float) -> bytes:
    """The body. Raises TooLarge as soon as it is known to be, TooSlow, Malformed for a length that is none, ClientGone."""
    announced = headers.get(b"content-length")
    if announced is not None:
        if not announced.isdigit():
            raise Malformed("Content-Length is no number.")
        if len(announced) > 12 or int(announced) > limit:
            raise TooLarge(f"At most {limit} bytes are taken here.")
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body: bytes = message.get("body", b"")
            if len(body) <= limit and not message.get("more_body", False):
                return body
            return await _read_rest(receive, body, limit)
    except TimeoutError:
        raise TooSlow(f"The body must arrive within {seconds:g} seconds.") from None


async def _read_rest(receive: Any, body: bytes, limit: int) -> bytes:
    parts, size, more = [body], len(body), True
    while more:
        if size > limit:
            raise TooLarge(f"At most {limit} bytes are taken here.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    if size > limit:
        raise TooLarge(f"At most {limit} bytes are taken here.")
    return b"".join(parts)


def standing_headers(standing: Standing) -> HeaderList:
    """RateLimit-*, as in draft 6 of the IETF's httpapi working group: three plain numbers, which most clients know."""
    return [
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset),
    ]


async def send_answer(send: Any, status: int, body: bytes, headers: HeaderList) -> None:
    """Send a whole answer; its length is added."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def problem_headers(problem: Problem) -> HeaderList:
    """The headers that go with a problem, its content type among them."""
    headers: HeaderList = [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % problem.retry_after))
    if isinstance(problem, OverLimit):
        headers += standing_headers(problem.standing)
    if isinstance(problem, _CLOSING):
        # The rest of the body may still be coming; nobody will read it.
        headers.append((b"connection", b"close"))
    if problem.code == 401:
        headers.append((b"www-authenticate", b'Bearer realm="footfall"'))
    return headers
