"""HTTP as uvicorn speaks it, with a short way for posts of events.

For each request uvicorn makes a scope, a task, an event and two messages. That is right for a GraphQL query and most of the cost of an
event. So a POST that has arrived as a whole is offered to the front door directly, which answers it when its commit is done. Whatever
else comes (other methods, bodies in parts, upgrades, a request behind one that is not answered yet, paths that are none of ingest's)
goes uvicorn's own way from the beginning, as if nobody had looked.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from server.front import Front
from server.ingest.http import Header, Reply


class Protocol(HttpToolsProtocol):
    """One connection. `Front` is the application, without any middleware around it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._front = self.app if isinstance(self.app, Front) else None
        self._held = False  # a request of which uvicorn does not know yet
        self._body = b""
        self._active_at = 0.0
        self._look: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._look is not None:
            self._look.cancel()

    def data_received(self, data: bytes) -> None:
        self._active_at = self.loop.time()
        super().data_received(data)
        if self._held:  # the rest of its body is still to come
            self._held = False
            if not self.transport.is_closing():
                self._pass_on()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._body = b""
        self._held = self._may_be_short()
        if not self._held:
            self._pass_on()

    def on_body(self, body: bytes) -> None:
        if self._held:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._held:
            self._held = False
            if self._take_at_once():
                return
            self._pass_on()
        super().on_message_complete()

    def _may_be_short(self) -> bool:
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            parser.get_method() == b"POST"
            and (before is None or before.response_complete)
            and self._front is not None
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _take_at_once(self) -> bool:
        before = self.cycle
        exchange = _Exchange(self, keep_alive=self.parser.should_keep_alive())
        self.cycle = cast(RequestResponseCycle, exchange)
        peer = self.client[0] if self.client else ""
        assert self._front is not None
        if self._front.take_at_once(self.url, peer, self.headers, self._body, exchange.answer):
            return True
        self.cycle = before
        return False

    def _pass_on(self) -> None:
        """Let uvicorn have the request from its beginning up to here."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def on_answered(self) -> None:
        """What uvicorn does when an answer is complete, but for its timer: one that is set and cleared for each request costs more than
        one that looks now and then whether the connection is still in use."""
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._active_at = self.loop.time()
        if self._look is None:
            self._look = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._look = None
        if not self.cycle.response_complete or self.timeout_keep_alive_task is not None:
            return  # busy; whoever answers sets the next timer
        left = self._active_at + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.timeout_keep_alive_handler()
        else:
            self._look = self.loop.call_later(left, self._close_if_idle)


class _Exchange:
    """One request that was taken directly. To uvicorn it is the connection's cycle: for what is pipelined, for shutdown, and when the client goes."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "response_complete")

    def __init__(self, protocol: Protocol, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> _Exchange:
        """Uvicorn wakes the application through this when the client has gone; nobody waits here."""
        return self

    def set(self) -> None:
        """As of an event."""

    def answer(self, reply: Reply) -> None:
        """Write the answer, once; to nobody where the client has gone."""
        protocol = self._protocol
        self.response_complete = True
        if self.disconnected or protocol.transport.is_closing():
            return
        closes = reply.closes or not self.keep_alive
        head = _head(reply.status, reply.headers, closes)
        dated = _lines(*protocol.server_state.default_headers)
        standing = b"" if reply.standing is None else _RATE_LIMIT % reply.standing[1:]
        body = reply.body
        protocol.transport.write(b"".join((head, dated, standing, b"content-length: %d\r\n\r\n" % len(body), body)))
        if closes:
            protocol.transport.close()
        protocol.on_answered()


_RATE_LIMIT = b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n"


@lru_cache(maxsize=8)
def _lines(*headers: Header) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


@lru_cache(maxsize=256)
def _head(status: int, headers: tuple[Header, ...], closes: bool) -> bytes:
    return STATUS_LINE[status] + _lines.__wrapped__(*headers) + (b"connection: close\r\n" if closes else b"")
