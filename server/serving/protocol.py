"""HTTP with a fast path for posts of events and for cached responses, based on uvicorn.

For each request, uvicorn creates a scope, a task, an event and two messages: fine for a GraphQL query, and most of the cost of an event. A
POST that arrived completely is therefore offered to the front directly, which responds once its commit is done, and so is a GET, whose response
may be cached. Everything else (other methods, bodies in parts, upgrades, pipelined requests, other paths) takes uvicorn's path from the
beginning, unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from server.front import Front
from server.headers import RATE_LIMIT
from server.ingest.asgi import Header, Reply
from server.serving.connection import BODY, HELD, Connection

MAX_AT_ONCE = 16  # requests of one read that are answered directly: further pipelined ones give way to other connections


class Protocol(Connection):
    """One connection. The application is `Front`, without middleware around it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._front = self.app if isinstance(self.app, Front) else None
        self._parts: list[bytes] = []  # of the body

    def on_head(self) -> None:
        if self._is_candidate():
            self._reading = HELD
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        if self._reading is HELD:
            self._has_progress = True
            self._parts.append(body)
        else:
            super().on_body(body)

    def on_whole(self) -> None:
        if self._reading is HELD:
            if self._take_at_once():
                return
            self._fall_back()
        super().on_whole()

    def on_read(self) -> None:
        if self._reading is HELD:  # the rest of the body is still to come
            self._fall_back()

    def _is_candidate(self) -> bool:
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            parser.get_method() in _FAST_METHODS
            and (before is None or before.response_complete)
            and self._at_once < MAX_AT_ONCE
            and self._front is not None
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _take_at_once(self) -> bool:
        before, parts = self.cycle, self._parts
        exchange = _Exchange(self, keep_alive=not self._is_last)
        self.cycle = cast(RequestResponseCycle, exchange)
        peer = self.client[0] if self.client else ""
        assert self._front is not None
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.parser.get_method() == b"POST":
            taken = self._front.take_at_once(self.url, peer, self.headers, body, exchange.answer)
        else:
            ready = None if body else self._front.ready(self.url, self.headers)
            taken = ready is not None
            if ready is not None:
                exchange.answer(ready)
        if taken:
            self._at_once += 1
            parts.clear()
        else:
            self.cycle = before
        return taken

    def _fall_back(self) -> None:
        """Pass the request to uvicorn, with the body received so far."""
        self._reading = BODY
        self._begin()
        body = b"".join(self._parts)
        self._parts.clear()
        if body:
            super().on_body(body)


class _Exchange:
    """A request on the fast path. Takes the role of uvicorn's cycle in pipelining, shutdown and disconnects."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "response_complete")

    more_body = False  # required by uvicorn

    def __init__(self, protocol: Protocol, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> _Exchange:
        """The event that uvicorn sets when the client disconnects. Nothing waits for it here."""
        return self

    def set(self) -> None:
        """Do nothing: required by uvicorn."""

    def answer(self, reply: Reply) -> None:
        """Write the response once. Does nothing if the client disconnected."""
        protocol = self._protocol
        self.response_complete = True
        if self.disconnected or protocol.transport.is_closing():
            return
        closes = reply.closes or not self.keep_alive
        head = _head(reply.status, reply.headers, closes)
        dated = _lines(*protocol.server_state.default_headers)
        limit_state = b"" if reply.limit_state is None else _RATE_LIMIT % reply.limit_state[1:]
        body = reply.body
        protocol.transport.write(b"".join((head, dated, limit_state, b"content-length: %d\r\n\r\n" % len(body), body)))
        if closes:
            protocol.transport.close()
        protocol.on_response_complete()


_FAST_METHODS = (b"POST", b"GET")
_RATE_LIMIT = b"".join(name + b": %d\r\n" for name in RATE_LIMIT)


@lru_cache(maxsize=8)
def _lines(*headers: Header) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


@lru_cache(maxsize=256)
def _head(status: int, headers: tuple[Header, ...], closes: bool) -> bytes:
    return STATUS_LINE[status] + _lines.__wrapped__(*headers) + (b"connection: close\r\n" if closes else b"")
