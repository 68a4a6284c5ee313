"""HTTP as uvicorn speaks it, with a short way for posts of events.

For each request uvicorn makes a scope, a task, an event and two messages. That is right for a GraphQL query and most of the cost of an
event. So a POST that has arrived as a whole is offered to the front door directly, which answers it when its commit is done. Whatever
else comes (other methods, bodies in parts, upgrades, a request behind one that is not answered yet, paths that are none of ingest's)
goes uvicorn's own way from the beginning, as if nobody had looked.
"""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from server.front import Front
from server.ingest.http import Reply


class Protocol(HttpToolsProtocol):
    """One connection. `Front` is the application, without any middleware around it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._front = self.app if isinstance(self.app, Front) else None
        self._held = False  # a request of which uvicorn does not know yet
        self._body = b""

    def data_received(self, data: bytes) -> None:
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
        transport = protocol.transport
        self.response_complete = True
        if self.disconnected or transport.is_closing():
            return
        parts = [STATUS_LINE[reply.status]]
        for name, value in protocol.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in reply.headers:
            parts += (name, b": ", value, b"\r\n")
        if reply.closes or not self.keep_alive:
            self.keep_alive = False
            parts.append(b"connection: close\r\n")
        parts += (b"content-length: %d\r\n\r\n" % len(reply.body), reply.body)
        transport.write(b"".join(parts))
        if not self.keep_alive:
            transport.close()
        protocol.on_response_complete()
