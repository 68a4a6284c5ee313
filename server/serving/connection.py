"""HTTP connections with limits on size and time, based on uvicorn.

Uvicorn alone accepts heads and trailers of any length, keeps silent connections open, continues to read while thousands of requests are queued, does
not respond to a client that closed its sending side, and drops the body of a request that offers HTTP/2 (as Java's client does on its first request).
This module also responds to invalid HTTP with a problem document.

A connection is a state machine; `Reading` names its states:

                 first byte          end of the head
    WAITING ───────────────▶ HEAD ───────────────────▶ BODY
       ▲                      │ complete at once?        ▲ │
       │                      └──────────▶ HELD ─────────┘ │
       │                                    │  must wait   │
       └────────────────────────────────────┴──────────────┘
              end of the request, unless it is the last

    any state ──▶ DONE   last request, invalid HTTP, EOF, timeout: nothing more is read

WAITING  for a request: the first one, or the next one
HEAD     of a request, whose time is limited from its first byte on
HELD     the fast path may answer the request without uvicorn (`protocol.py`)
BODY     the request was passed to uvicorn, and its body follows
"""

from __future__ import annotations

import asyncio
import enum
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from server.problems import CONTENT_TYPE, BrokenHttp, Busy, HeadTooLarge, Problem, TooSlow
from server.serving.open_connections import OpenConnections

MAX_HEAD = 32 * 1024  # bytes without body data: a head, trailers or a chunk extension
PIPELINE_TURNS = 4  # turns of the event loop between a response and the next pipelined request, so that other connections get theirs
MAX_PIPELINED = 64  # queued requests of one connection
_PIECE = 16 * 1024  # bytes that are parsed at a time
_CHECK_EVERY = 10.0  # seconds, or half of a shorter timeout
_PROBE_EVERY = 0.5  # seconds
_PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
_SEND_FACTOR = 6  # the timeout for a client that reads slowly, as a multiple of the receive timeout
_UPGRADE_HEADERS = (b"upgrade", b"http2-settings")


class Reading(enum.Enum):
    """The part of a request that a connection reads, see the drawing above."""

    WAITING = enum.auto()
    HEAD = enum.auto()
    HELD = enum.auto()
    BODY = enum.auto()
    DONE = enum.auto()


WAITING, HEAD, HELD, BODY, DONE = Reading  # variables are read faster than members of an enum


class Flow(FlowControl):
    """Flow control that does not resume reading while the connection has unparsed data."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One connection. `patience` is the timeout in seconds for a head, and for a body. `opened` limits the number of connections."""

    flow: Flow

    def __init__(self, *arguments: Any, patience: float, opened: OpenConnections | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._patience = patience
        self._opened = OpenConnections() if opened is None else opened
        self._counted: tuple[str, ...] = ()  # keys under which this connection is counted
        self._at_once = 0  # requests answered directly since the last read
        self._active_at = 0.0
        self._started_at: float | None = None  # start of the request being received, or of the connection
        self._reading = WAITING
        self._hosts = 0
        self._has_upgrade_offer = False  # the request offers another protocol
        self._is_last = False  # no request may follow this one
        self._has_progress = False  # a body grew or a request ended in this piece
        self._stalled_bytes = 0  # bytes since the last progress
        self._unparsed = b""  # data that was read and not parsed yet
        self._unsent = 0  # bytes at the last check ...
        self._stuck_at = 0.0  # ... and the time since when it is unchanged
        self._timer: asyncio.TimerHandle | None = None

    # --- transport ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._active_at = self._started_at = self.loop.time()
        self._schedule_check()
        counted = self._opened.admit(self.client[0] if self.client else "")
        if counted is None:
            self._refuse(Busy("Too many connections are open from this address."))
        else:
            self._counted = counted

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        self._unparsed = b""
        self._cancel_check()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Handle the client's EOF. If it closed only its sending side, it still gets the responses to its requests.

        Only a write shows whether the client is gone: see `_probe`.
        """
        cycle = self._unanswered()
        if cycle is None or cycle.more_body:
            return None
        self._reading = DONE
        cycle.keep_alive = False
        if self.parser.get_http_version() == "1.1":
            self.loop.call_later(_PROBE_EVERY, self._probe)
        return True

    def _probe(self) -> None:
        """Send an interim response until the response begins. If the client has closed the connection, a write fails, which cancels its request."""
        cycle = self._unanswered()
        if cycle is None or self.transport.is_closing() or getattr(cycle, "response_started", False):
            return
        if not self.pipeline:  # otherwise, an earlier response may have begun
            self.transport.write(_PROCESSING)
        self.loop.call_later(_PROBE_EVERY, self._probe)

    def data_received(self, data: bytes) -> None:
        self._at_once = 0
        self._active_at = self.loop.time()
        if self._unparsed:  # read before the transport paused
            self._unparsed += data
        elif self._reading is not DONE:
            self._parse(data)

    def resume_writing(self) -> None:
        self._unsent = 0
        super().resume_writing()

    def _release(self) -> None:
        counted, self._counted = self._counted, ()
        self._opened.release(counted)

    # --- parser ---

    def on_message_begin(self) -> None:
        if self._reading is DONE:
            raise BrokenHttp("A request with `Connection: close` must be the last one.")
        self._started_at = self._active_at
        self._reading = HEAD
        self._hosts = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is not HEAD:
            return  # a trailer
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._reading = BODY
        parser = self.parser
        if self._hosts != 1 and (self._hosts or parser.get_http_version() != "1.0"):
            raise BrokenHttp("A request must have exactly one Host header.")
        self._is_last = not parser.should_keep_alive()
        self._has_upgrade_offer = parser.should_upgrade() and not self._should_upgrade()
        if self._has_upgrade_offer:
            if parser.get_method() == b"CONNECT":
                raise BrokenHttp("CONNECT is not supported.")
            return  # parsed again without the offer, see `_without_upgrade`
        self.on_head()

    def on_head(self) -> None:
        """Handle a complete and valid head."""
        self._begin()

    def on_body(self, body: bytes) -> None:
        self._has_progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._has_progress = True
        if self._has_upgrade_offer:
            return
        self._started_at = None
        self.on_whole()
        self._reading = DONE if self._is_last else WAITING

    def on_whole(self) -> None:
        """Handle a complete request."""
        super().on_message_complete()

    def on_read(self) -> None:
        """Handle the end of the available data."""

    def _begin(self) -> None:
        """Pass the request to uvicorn from its beginning."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    # --- reading ---

    def _parse(self, data: bytes) -> None:
        """Parse data, up to the maximum number of queued requests."""
        if len(data) <= _PIECE:
            if self._parse_piece(data):
                self.on_read()
            return
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            if not self._parse_piece(piece):
                return
            if len(self.pipeline) > MAX_PIPELINED and at + _PIECE < len(data):
                self._unparsed = data[at + _PIECE :]
                self.flow.pause_reading()
                self.flow.full = True
                return
        self.on_read()

    def _parse_piece(self, piece: bytes) -> bool:
        """Parse one piece. Returns True if more may follow."""
        self._has_progress = False
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._should_upgrade():
                return self._without_upgrade(piece[upgrade.args[0] :])
            self.handle_websocket_upgrade()
            return False
        except httptools.HttpParserError as error:
            if self._reading is not DONE:
                problem = error.__context__
                self._refuse(problem if isinstance(problem, Problem) else BrokenHttp("The request is not valid HTTP/1.1."))
            return False
        self._stalled_bytes = 0 if self._has_progress else self._stalled_bytes + len(piece)
        if self._stalled_bytes > MAX_HEAD:
            self._refuse(HeadTooLarge(f"The headers must be at most {MAX_HEAD} bytes."))
        return self._reading is not DONE

    def _parse_unparsed(self) -> None:
        data, self._unparsed = self._unparsed, b""
        self.flow.full = False
        if self._reading is not DONE and not self.transport.is_closing():
            self._parse(data)
            self.flow.resume_reading()

    def _should_upgrade(self) -> bool:
        return self.parser.get_method() == b"GET" and super()._should_upgrade()

    def _without_upgrade(self, rest: bytes) -> bool:
        """Parse the request again without its upgrade offer. The parser mistook the end of the head for the end of the request."""
        method = self.parser.get_method()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        wanted = [(name, value) for name, value in self.headers if name not in _UPGRADE_HEADERS]
        lines = [b"%b: %b\r\n" % (name, _without_offer(value) if name == b"connection" else value) for name, value in wanted]
        return self._parse_piece(b"".join((method, b" ", self.url, b" HTTP/1.1\r\n", *lines, b"\r\n", rest)))

    def handle_websocket_upgrade(self) -> None:
        self._cancel_check()
        self._release()  # WebSockets have their own limit
        super().handle_websocket_upgrade()

    # --- responses ---

    def on_response_complete(self) -> None:
        """Start the next queued request after a response. `_check` finds idle connections, so this needs no timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._active_at = self.loop.time()
        if self._started_at is not None:
            self._started_at = self._active_at  # reading was paused during the response
        if self.pipeline:
            self._start_next(PIPELINE_TURNS)
        elif self._unparsed:
            self.loop.call_soon(self._parse_unparsed)
        self.flow.resume_reading()

    def _start_next(self, turns: int) -> None:
        """Begin the next pipelined request after some iterations of the loop, so that one connection cannot take them all."""
        if turns:
            self.loop.call_soon(self._start_next, turns - 1)
            return
        if self.pipeline and not self.transport.is_closing():
            self._start_asgi_task(*self.pipeline.pop())

    def _unanswered(self) -> RequestResponseCycle | None:
        """The newest request, if it has no response yet."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _refuse(self, problem: Problem) -> None:
        """Respond with a problem and close. If an earlier complete request has no response yet, send only that one."""
        self._reading = DONE
        cycle = self._unanswered()
        if cycle is not None:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
        body = problem.to_json()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", CONTENT_TYPE),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        self.transport.write(b"".join((STATUS_LINE[problem.code], *(b"%b: %b\r\n" % header for header in headers), b"\r\n", body)))
        self.transport.close()

    # --- timeouts ---

    def _schedule_check(self) -> None:
        self._timer = self.loop.call_later(min(_CHECK_EVERY, self._patience / 2), self._check)

    def _cancel_check(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """Close idle and slow connections. One periodic timer costs less than a new one per request."""
        now, transport = self.loop.time(), self.transport
        answering = self._unanswered() is not None
        unsent = transport.get_write_buffer_size()
        if unsent != self._unsent or not (self.flow.write_paused or not answering or transport.is_closing()):
            self._unsent, self._stuck_at = unsent, now
        elif unsent and now - self._stuck_at >= _SEND_FACTOR * self._patience:
            transport.abort()  # the client reads nothing
            return
        if not transport.is_closing():
            if self.flow.read_paused or self._unparsed:
                pass  # the client waits for the server
            elif self._started_at is not None:
                # Ingest has its own, earlier timeout for bodies. This one is for all other routes.
                if now - self._started_at > (self._patience if self._reading is HEAD or not answering else 2 * self._patience):
                    self._give_up()
            elif not answering and now - self._active_at >= self.timeout_keep_alive:
                transport.close()
        self._schedule_check()

    def _give_up(self) -> None:
        if self._reading is HEAD or self._unanswered() is not None:
            self._refuse(TooSlow(f"A request must arrive within {self._patience:g} seconds."))
        else:
            self.transport.close()  # the client never sent anything


def _without_offer(connection: bytes) -> bytes:
    """Return a Connection header without the upgrade offer."""
    return b", ".join(token for token in map(bytes.strip, connection.split(b",")) if token.lower() not in _UPGRADE_HEADERS)
