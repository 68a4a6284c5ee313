"""An event's way in, step by step: gate, body, dialect, limits, privacy, writer, answer. Bare ASGI, because every event passes here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from server import logs
from server.dialects import Dialect
from server.dialects.document import load
from server.event import DAY, Answer, Decoded, FieldError, LedgerEntry, Outcomes, Receipt, Refusal, Request
from server.event_id import EventIds, to_uuid
from server.ingest import http
from server.ingest.gate import Caller, Gate, limited_as, opted_out
from server.ingest.http import ClientGone, Scope
from server.ingest.privacy import Privacy, excerpt
from server.ingest.routes import Match, Route
from server.ingest.writer import Writer
from server.metrics import Metrics
from server.problems import Failed, Limited, Malformed, MethodNotAllowed, Problem, TooLarge, TooManyTargets, UnknownTarget
from server.settings import Settings
from server.shared import Standing
from server.storage.batch import RejectedRow

log = logs.get(__name__)

Clock = Callable[[], int]

REJECTED_A_REQUEST = 5
_LARGE = 64 * 1024
# What the admin gets to see of a refusal: the ones that are about what was sent.
_SHOWN = {Refusal.MALFORMED, Refusal.INVALID, Refusal.UNKNOWN_TARGET, Refusal.TOO_MANY_TARGETS, Refusal.UNKNOWN_ROUTE}


def now() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class _Passage(msgspec.Struct, gc=False):
    """What is known so far of one request on its way in; a refusal is told from whatever there is."""

    match: Match
    headers: dict[bytes, bytes]
    received_at: int
    caller: Caller | None = None
    standing: Standing | None = None
    body: bytes = b""
    document: Any = None
    dialect: Dialect | None = None
    decoded: Decoded | None = None


class Ingest:
    """Takes events over HTTP."""

    def __init__(
        self, settings: Settings, gate: Gate, privacy: Privacy, writer: Writer, metrics: Metrics, ids: EventIds, clock: Clock
    ) -> None:
        self._max_body = settings.max_body
        self._max_batch_body = settings.max_batch_body
        self._bodies = http.BodyReader(seconds=float(settings.body_timeout))
        self._gate = gate
        self._privacy = privacy
        self._writer = writer
        self._metrics = metrics
        self._ids = ids
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Any, send: Any, match: Match, slug: str | None) -> None:
        """Answer a request to an ingest route, whatever comes."""
        template = match.route.path.template
        if scope["method"] == "OPTIONS":
            await http.send_answer(send, 204, b"", http.PREFLIGHT)
            return
        passage = _Passage(match, dict(scope["headers"]), self._clock())
        try:
            answer = await self._pass(scope, receive, passage, slug)
        except ClientGone:
            return
        except Problem as problem:
            await self._refuse(send, passage, problem)
            return
        except Exception as error:
            log.error("ingest_failed", route=template, exc_info=error)
            await self._refuse(send, passage, Failed("This request could not be handled; the log says more."))
            return
        self._metrics.answers[template, answer.status] += 1
        headers = [*http.CORS]
        if answer.body:
            headers.append((b"content-type", answer.content_type))
        if passage.standing is not None:
            headers += http.standing_headers(passage.standing)
        await http.send_answer(send, answer.status, answer.body, headers)

    async def _pass(self, scope: Scope, receive: Any, passage: _Passage, slug: str | None) -> Answer:
        if scope["method"] != passage.match.route.path.method:
            raise MethodNotAllowed("This route takes POST.")
        client = scope.get("client")
        passage.caller = caller = await self._gate.caller(client[0] if client else "", passage.headers, slug)
        passage.standing = await self._gate.count_request(caller)
        await self._read(receive, passage)
        request = Request(
            route=passage.match.route.path.template,
            headers=passage.headers,
            address=caller.address,
            received_at=passage.received_at,
            document=passage.document,
            params=passage.match.params,
        )
        passage.dialect = dialect = _claiming(passage.match.route, request)
        passage.decoded = decoded = dialect.decode(request)
        if not decoded.batch and len(passage.body) > self._max_body:
            raise TooLarge(f"At most {self._max_body} bytes are taken for a single event.")
        await self._count_events(passage, caller, decoded)
        outcomes = await self._store(passage, caller, dialect, decoded)
        return dialect.answer(decoded, outcomes)

    async def _read(self, receive: Any, passage: _Passage) -> None:
        path = passage.match.route.path
        if path.body:
            limit = self._max_batch_body if path.batch else self._max_body
            passage.body = await self._bodies.read(receive, passage.headers, limit)
            # The largest bodies, made to be slow, take a tenth of a second: nobody else has to wait for that.
            passage.document = load(passage.body) if len(passage.body) < _LARGE else await asyncio.to_thread(load, passage.body)

    async def _count_events(self, passage: _Passage, caller: Caller, decoded: Decoded) -> None:
        standing = await self._gate.count_events(caller, max(1, len(decoded.events)))
        if standing is not None and (passage.standing is None or standing.remaining < passage.standing.remaining):
            passage.standing = standing

    async def _store(self, passage: _Passage, caller: Caller, dialect: Dialect, decoded: Decoded) -> Outcomes:
        ids = self._ids.take(len(decoded.events), passage.received_at)
        shown = [to_uuid(event_id) for event_id in ids]
        project = caller.project
        if opted_out(passage.headers):
            self._writer.tally(project, LedgerEntry.OPTED_OUT, "", len(decoded.events) + len(decoded.rejected), passage.received_at)
            return Outcomes(receipts=[Receipt.STORED] * len(shown), ids=shown, created=[True] * len(decoded.installs))
        self._note_rejected(passage, caller, decoded)
        receipts: list[Receipt] = []
        created: list[bool] = []
        if decoded.events or decoded.installs:
            events = [
                self._privacy.event(
                    incoming, id=event_id, project=project.id, dialect=dialect.NAME, received_at=passage.received_at, picked=project.picked
                )
                for incoming, event_id in zip(decoded.events, ids, strict=True)
            ]
            installs = [
                self._privacy.install_report(report, project=project.id, received_at=passage.received_at) for report in decoded.installs
            ]
            receipts, created = await self._writer.submit(project, events, installs)
            if Receipt.FAILED in receipts:
                raise Failed("These events could not be stored; the log says more.")
        return Outcomes(receipts=receipts, ids=shown, created=created)

    def _note_rejected(self, passage: _Passage, caller: Caller, decoded: Decoded) -> None:
        """The events of a batch that were refused, in the ledger and for the admin."""
        if not decoded.rejected:
            return
        self._metrics.refusals[Refusal.INVALID.value] += len(decoded.rejected)
        self._writer.tally(caller.project, LedgerEntry.REJECTED, Refusal.INVALID.value, len(decoded.rejected), passage.received_at)
        for rejection in decoded.rejected[:REJECTED_A_REQUEST]:
            element = _element(passage.document, rejection.index)
            self._keep(passage, Refusal.INVALID, rejection.errors, element)

    def _keep(self, passage: _Passage, refusal: Refusal, errors: tuple[FieldError, ...], document: Any) -> None:
        self._writer.keep_rejected(
            RejectedRow(
                id=self._ids.take(1, passage.received_at)[0],
                project=passage.caller.project.id if passage.caller else 0,
                route=passage.match.route.path.template,
                dialect=passage.dialect.NAME if passage.dialect else "",
                reason=refusal.value,
                errors=msgspec.json.encode(errors).decode(),
                excerpt=excerpt(passage.body, document),
                size=len(passage.body),
            )
        )

    async def _refuse(self, send: Any, passage: _Passage, problem: Problem) -> None:
        """Say no, and let the ledger know."""
        self._metrics.answers[passage.match.route.path.template, problem.code] += 1
        caller = passage.caller
        if not _counted_elsewhere(problem):
            self._metrics.refusals[problem.refusal.value] += 1
            # Refused before it was read, a request counts as one event: how many it held nobody knows.
            events = max(1, len(passage.decoded.events)) if passage.decoded else 1
            entry = LedgerEntry.LIMITED if isinstance(problem, Limited) else LedgerEntry.REJECTED
            reason = "" if entry is LedgerEntry.LIMITED else problem.refusal.value
            address = self._privacy.address(limited_as(caller.address), passage.received_at // DAY) if caller and not reason else None
            self._writer.tally(caller.project if caller else None, entry, reason, events, passage.received_at, address)
        if problem.refusal in _SHOWN and not isinstance(problem, MethodNotAllowed) and not opted_out(passage.headers):
            self._keep(passage, problem.refusal, problem.errors, passage.document)
        headers = [*http.CORS, *http.problem_headers(problem)]
        if isinstance(problem, MethodNotAllowed):
            headers.append((b"allow", b"POST, OPTIONS"))
        elif passage.standing is not None and not isinstance(problem, Limited):
            headers += http.standing_headers(passage.standing)
        await http.send_answer(send, problem.code, problem.to_json(), headers)


def _claiming(route: Route, request: Request) -> Dialect:
    for dialect in route.dialects:
        if dialect.claims(request):
            return dialect
    if len(route.dialects) == 1:
        return route.dialects[0]
    raise Malformed("The body is in none of the formats that this route takes.")


def _counted_elsewhere(problem: Problem) -> bool:
    """The commit counts what it refuses itself, and a method that is not served was no event."""
    return isinstance(problem, UnknownTarget | TooManyTargets | MethodNotAllowed)


def _element(document: Any, index: int) -> Any:
    """One event of a batch document, for the admin to look at."""
    events = document.get("events") if isinstance(document, dict) else document
    return events[index] if isinstance(events, list) and index < len(events) else document
