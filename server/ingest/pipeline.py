"""The steps of ingest: admission, body, dialect, limits, privacy, commit, response. Plain ASGI, because every event takes this path."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

from server import logs
from server.clock import Clock
from server.dialects.document import read
from server.dialects.parsing import Path
from server.event import Decoded, Event, Fault, Incoming, Install, LedgerEntry, Outcomes, Receipt, Refusal, Request
from server.event_id import EventIds
from server.ingest import asgi
from server.ingest.asgi import ClientGone, Reply, Scope
from server.ingest.client_keys import take_key
from server.ingest.decoding import decode, find_dialect
from server.ingest.encodings import encoding_of, inflate
from server.ingest.event_writer import Stored, Writer
from server.ingest.gate import Caller, Gate, opted_out
from server.ingest.ingest_request import IngestRequest, request_of
from server.ingest.privacy import Privacy
from server.ingest.refusals import LARGE, Refusals
from server.ingest.routing import Match
from server.ingest.shadowing import Shadow, check_loop, forward
from server.ingest.sizes import refuse_large
from server.ingest.unserved import Unserved
from server.metrics import Metrics
from server.problems import (
    Busy,
    Failed,
    Invalid,
    Malformed,
    MethodNotAllowed,
    Problem,
    TooLarge,
    TooManyTargets,
    TooSlow,
    UnknownSite,
    UnknownTarget,
)
from server.settings import Settings
from server.shared import LimitState
from server.storage.engine import is_transient
from server.storage.projects import LiveProject

log = logs.get(__name__)

# Problems with the body: a client that opted out gets a success instead.
_BODY_PROBLEMS = (Malformed, Invalid, TooLarge)
# Refusals whose body the admin may inspect as an excerpt.
_WITH_EXCERPT = {Refusal.MALFORMED, Refusal.INVALID, Refusal.UNKNOWN_ROUTE}

ReadBody = Callable[[], Awaitable[None]]
_Submission = tuple[LiveProject, list[Event], list[Install]]
_Steps = Coroutine[_Submission, Stored | Problem, Reply]


class Ingest:
    """Ingest over HTTP.

    The steps of a request are written once (`_steps`) and driven in two ways: `__call__` awaits them, `take_at_once` sends them the result of the
    commit from a callback, without a task (docs/decisions/one-ingest-path.md).
    """

    def __init__(
        self, settings: Settings, gate: Gate, privacy: Privacy, writer: Writer, metrics: Metrics, ids: EventIds, clock: Clock
    ) -> None:
        self._max_body = settings.max_body
        self._max_batch_body = settings.max_batch_body
        self._bodies = asgi.BodyReader(seconds=float(settings.body_timeout))
        self._gate = gate
        self._privacy = privacy
        self._writer = writer
        self._metrics = metrics
        self._ids = ids
        self._clock = clock
        self._refusals = Refusals(privacy, writer, metrics, ids)
        self.unserved = Unserved(gate, writer, metrics, clock)
        self.shadow: Shadow | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any, match: Match, slug: str | None) -> None:
        """Respond to a request to an ingest route."""
        if scope["method"] == "OPTIONS":
            await asgi.send_reply(send, asgi.preflight(match.route.path.forwarded or ()))
            return
        current = IngestRequest(match, dict(scope["headers"]), self._clock())
        is_content = True
        try:
            reply = await self._ingest(scope, receive, current, slug)
        except ClientGone:
            return
        except UnknownSite as error:  # like a path that is not served, until a project lists the site
            template = match.route.path.template
            self._metrics.answers[template, error.code] += 1
            await self.unserved.note(scope, template, slug)
            reply = asgi.refusal(error, None)
        except Exception as error:
            reply = self._refusal(current, error)
            is_content = isinstance(error, Malformed | Invalid)  # which the other system may accept
            if isinstance(error, TooLarge) and not current.body:
                await asgi.send_last_reply(send, receive, reply)
                return
        if is_content and _is_forwarded(current) and self.shadow is not None:
            assert current.caller is not None
            forward(self.shadow, scope, current, self._privacy.forwarding_mark(current.caller.project.id))
        await asgi.send_reply(send, reply)

    def take_at_once(
        self, match: Match, slug: str | None, peer: str, headers: dict[bytes, bytes], body: bytes, answer: Callable[[Reply], None]
    ) -> bool:
        """Ingest a request whose body has arrived completely, without creating a task.

        Calls `answer` once: immediately, or when the events are durable. Returns False and does nothing if the request needs to block for any
        other reason.
        """
        path = match.route.path
        if len(body) > (self._max_batch_body if path.batch else self._max_body) or len(body) >= LARGE or not self._gate.limits.at_once:
            return False
        # The decompressed size is unknown, or the project, whose key is in the body.
        if b"content-encoding" in headers or path.client_key is not None:
            return False
        current = IngestRequest(match, headers, self._clock(), body=body)
        try:
            current.caller = caller = self._gate.cached_caller(peer, headers, slug)
            if caller is None or (caller.project.forward_to is not None and path.forwarded is not None):
                return False
            steps = self._steps(current, caller)
            project, events, installs = steps.send(None)
            self._writer.submit_nowait(project, events, installs, partial(self._resume, steps, current, answer), caller.sender)
        except StopIteration as end:
            answer(end.value)
        except Exception as error:
            answer(self._refusal(current, error))
        return True

    def _resume(self, steps: _Steps, current: IngestRequest, answer: Callable[[Reply], None], result: Stored | Problem) -> None:
        try:
            steps.send(result)
        except StopIteration as end:
            reply = end.value
        except Exception as error:
            reply = self._refusal(current, error)
        answer(reply)

    async def _steps(self, current: IngestRequest, caller: Caller, read_body: ReadBody | None = None) -> Reply:
        """Ingest the request of an admitted caller.

        `read_body` is None if the body is there and nothing may wait except for the commit: this then yields a `_Submission` and is sent its
        result, which needs no event loop.
        """
        gate, is_whole, is_slow = self._gate, read_body is None, False
        current.limit_state = gate.count_at_once(caller.requests) if is_whole else await gate.count(caller.requests)
        if read_body is not None:
            await read_body()
            # The largest bodies, if made to be slow, take 0.1 s to parse and several seconds to scrub: a thread does that.
            is_slow = len(current.body) >= LARGE
        request = request_of(current, caller)
        decoded = await asyncio.to_thread(self._read, current, request) if is_slow else self._read(current, request)
        cost = len(decoded.events) or 1
        self._note_limit_state(current, gate.count_at_once(caller.events, cost) if is_whole else await gate.count(caller.events, cost))
        if not self._count_skipped(current, caller):
            return self._reply(current)
        events, installs = await asyncio.to_thread(self._convert, current, caller) if is_slow else self._convert(current, caller)
        if is_whole:
            stored = await _committed((caller.project, events, installs))
        else:
            stored = await self._writer.submit(caller.project, events, installs, sender=caller.sender)
            current.stored = stored.receipts.count(Receipt.STORED)
        return self._reply(current, stored)

    async def _ingest(self, scope: Scope, receive: Any, current: IngestRequest, slug: str | None) -> Reply:
        if scope["method"] != current.match.route.path.method:
            raise MethodNotAllowed("This route accepts POST.", allowed="POST, OPTIONS")
        client = scope.get("client")
        peer = client[0] if client else ""
        path = current.match.route.path
        problem = None if path.client_key is None else await self._take_key(receive, current)
        if path.by_site:
            current.caller = caller = await self._gate.caller_of_site(peer, current.headers, current.sites, slug)
        else:
            is_client_key = path.client_key is not None
            current.caller = caller = await self._gate.caller(peer, current.headers, slug, is_client_key=is_client_key)
        if path.forwarded is not None and caller.project.forward_to is not None:
            check_loop(current.headers, self._privacy.forwarding_mark(caller.project.id))

        async def read_body() -> None:
            if problem is not None:
                raise problem
            if path.body and path.client_key is None:
                await self._read_body(receive, current)

        return await self._steps(current, caller, read_body)

    async def _read_body(self, receive: Any, current: IngestRequest) -> None:
        """Read and decompress the body, within the limit of the route."""
        path = current.match.route.path
        limit = self._max_batch_body if path.batch else self._max_body
        current.body = current.received_body = await self._bodies.read(receive, current.headers, limit)
        encoding = current.headers.get(b"content-encoding")
        if path.client_key is not None:
            encoding = encoding_of(current.body) or encoding
        if encoding and current.body:
            current.body = await asyncio.to_thread(inflate, current.body, encoding, limit)

    async def _take_key(self, receive: Any, current: IngestRequest) -> Problem | None:
        """Read a body that may hold the key of the project, before admission. Returns the problem of a body that cannot be read."""
        problem = None
        try:
            await self._read_body(receive, current)
        except Problem as error:
            problem, current.body = error, b""
        request = request_of(current)
        if len(current.body) >= LARGE:
            current.sites = await asyncio.to_thread(take_key, current.match.route.path, request, current.body)
        else:
            current.sites = take_key(current.match.route.path, request, current.body)
        current.document, current.faults = request.document, request.faults
        return problem

    def _read(self, current: IngestRequest, request: Request) -> Decoded:
        """Decode a body: in one pass if it is in the plain form of a dialect, else through a document."""
        route, body = current.match.route, current.body
        for dialect, prepared in route.prepared:
            current.decoded = prepared(body, request)
            if current.decoded is not None:
                current.dialect = dialect
                break
        else:
            if route.path.body:
                is_parsed = current.document is not None
                request.document, request.faults = (current.document, current.faults) if is_parsed else _parsed(route.path, body, request)
                current.document, current.faults = request.document, request.faults
            current.dialect = find_dialect(route, request)
            current.decoded = decode(current.dialect, request)
        decoded = current.decoded
        if len(body) > self._max_body:
            if not decoded.batch:
                raise TooLarge(f"A single event must be at most {self._max_body} bytes.")
            # The sizes of events in another form than JSON are those of their documents.
            current.large = refuse_large(decoded, b"" if route.path.parse else body, current.document, self._max_body)
        return decoded

    def _note_limit_state(self, current: IngestRequest, limit_state: LimitState | None) -> None:
        """Report the limit with fewer requests or events remaining."""
        if limit_state is not None and (current.limit_state is None or limit_state.remaining < current.limit_state.remaining):
            current.limit_state = limit_state

    def _count_skipped(self, current: IngestRequest, caller: Caller) -> bool:
        """Count opted-out and rejected events. Returns True if anything is left to store."""
        decoded, received_at = current.decoded, current.received_at
        assert decoded is not None
        has_opted_out = opted_out(current.headers)
        if has_opted_out:
            # Opted-out events are not stored, so their errors do not matter.
            decoded.events += [Incoming(name="") for _ in decoded.rejected]
            decoded.rejected, decoded.positions = [], []
        current.ids = self._ids.take(len(decoded.events), received_at)
        if has_opted_out:
            self._writer.tally(caller.project, LedgerEntry.OPTED_OUT, "", len(decoded.events), received_at)
            return False
        if decoded.rejected:
            self._refusals.note_batch(current, caller, decoded)
        return bool(decoded.events or decoded.installs)

    def _convert(self, current: IngestRequest, caller: Caller) -> tuple[list[Event], list[Install]]:
        """Return the events and installs to store, without raw identifiers. Thread-safe."""
        decoded, received_at, project = current.decoded, current.received_at, caller.project
        assert decoded is not None
        assert current.dialect is not None
        dialect, privacy = current.dialect.NAME, self._privacy
        events = privacy.events(
            decoded.events,
            ids=current.ids,
            project=project.id,
            dialect=dialect,
            received_at=received_at,
            picked=project.picked,
            key=None if caller.key is None else caller.key.id,
        )
        return events, [privacy.install_report(report, project=project.id, received_at=received_at) for report in decoded.installs]

    def _reply(self, current: IngestRequest, stored: Stored | None = None) -> Reply:
        """Return the dialect's response. `stored` is None for a client that opted out, which gets a success."""
        decoded, dialect = current.decoded, current.dialect
        assert decoded is not None
        assert dialect is not None
        if stored is None:
            stored = Stored([Receipt.STORED] * len(decoded.events), [True] * len(decoded.installs))
        elif Receipt.FAILED in stored.receipts:
            raise Failed("The events could not be stored. See the server log.")
        answer = dialect.answer(decoded, Outcomes(receipts=stored.receipts, ids=current.ids, created=stored.created))
        self._metrics.answers[current.match.route.path.template, answer.status] += 1
        return asgi.reply(answer, current.limit_state)

    def _refusal(self, current: IngestRequest, error: Exception) -> Reply:
        """Return the response to a failed request, and count the failure."""
        template = current.match.route.path.template
        problem = error
        if is_transient(error):
            problem = Busy("The store is not available.", retry_after=5)
        elif not isinstance(problem, Problem):
            log.error("ingest_failed", route=template, exc_info=error)
            problem = Failed("The request failed. See the server log.")
        if isinstance(problem, _BODY_PROBLEMS) and current.caller is not None and opted_out(current.headers):
            self._writer.tally(current.caller.project, LedgerEntry.OPTED_OUT, "", 1, current.received_at)  # an invalid body is one event
            return self._absorb(current, problem)
        is_absorbed = isinstance(problem, current.match.route.path.absorbs)
        if not is_absorbed:
            self._metrics.answers[template, problem.code] += 1
        if not _is_counted_elsewhere(problem):
            self._refusals.count(current, problem)
        if problem.refusal in _WITH_EXCERPT and not _is_counted_elsewhere(problem) and not opted_out(current.headers):
            self._refusals.keep(current, problem.refusal, problem.errors, current.document)
        return self._absorb(current, problem) if is_absorbed else asgi.refusal(problem, current.limit_state)

    def _absorb(self, current: IngestRequest, problem: Problem) -> Reply:
        """Return a success for a request that was refused: its client opted out, or cannot handle an error."""
        route = current.match.route
        request = request_of(current)
        request.document = current.document
        answer = (current.dialect or find_dialect(route, request)).success(request)
        self._metrics.answers[route.path.template, answer.status] += 1
        is_unread = isinstance(problem, TooLarge | TooSlow) and not current.body
        return asgi.reply(answer, current.limit_state)._replace(closes=is_unread)


@types.coroutine
def _committed(submission: _Submission) -> Generator[_Submission, Stored | Problem, Stored]:
    """Yield events to store to the driver of the steps, and return the result that it sends. Raises the problem that it sends."""
    result = yield submission
    if isinstance(result, Problem):
        raise result
    return result


def _parsed(path: Path, body: bytes, request: Request) -> tuple[Any, tuple[Fault, ...]]:
    return read(body) if path.parse is None else path.parse(body, request)


def _is_forwarded(current: IngestRequest) -> bool:
    """Return True if the project forwards requests of this route, and the client has not opted out."""
    caller = current.caller
    if caller is None or caller.project.forward_to is None or current.match.route.path.forwarded is None:
        return False
    return not opted_out(current.headers)


def _is_counted_elsewhere(problem: Problem) -> bool:
    """Return True if the commit counts this refusal, or if the request was not an event."""
    return isinstance(problem, UnknownTarget | TooManyTargets | MethodNotAllowed)
