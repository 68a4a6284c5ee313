"""Refused requests and rejected events: their counts in the ledger, and their documents for the admin and for a replay."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import DAY, Decoded, FieldError, LedgerEntry, Refusal
from server.event_id import EventIds
from server.ingest.event_writer import Writer
from server.ingest.gate import Caller
from server.ingest.ingest_request import IngestRequest, request_of
from server.ingest.networks import limit_network
from server.ingest.privacy import Privacy, excerpt
from server.ingest.privacy.sealing import Members, exact_document, seal
from server.ingest.sizes import count_messages, events_of
from server.metrics import Metrics
from server.problems import Limited, Problem
from server.storage.batch import RejectedRow

MAX_REJECTED_PER_REQUEST = 5
LARGE = 64 * 1024  # bytes; a thread parses larger bodies


class Refusals:
    """Record of what ingest refuses."""

    def __init__(self, privacy: Privacy, writer: Writer, metrics: Metrics, ids: EventIds) -> None:
        self._privacy = privacy
        self._writer = writer
        self._metrics = metrics
        self._ids = ids

    def note_batch(self, current: IngestRequest, caller: Caller, decoded: Decoded) -> None:
        """Record the rejected events of a batch in the ledger and for the admin."""
        large = len(current.large)
        for refusal, events in ((Refusal.INVALID, len(decoded.rejected) - large), (Refusal.TOO_LARGE, large)):
            if events:
                self._metrics.refusals[refusal.value] += events
                self._writer.tally(caller.project, LedgerEntry.REJECTED, refusal.value, events, current.received_at)
        if large and current.document is None:
            current.document = msgspec.json.decode(current.body)
        for rejection in decoded.rejected[:MAX_REJECTED_PER_REQUEST]:
            refusal = Refusal.TOO_LARGE if rejection.index in current.large else Refusal.INVALID
            self.keep(current, refusal, rejection.errors, _element(current.document, rejection.index), rejection.index)

    def keep(
        self, current: IngestRequest, refusal: Refusal, errors: tuple[FieldError, ...], document: Any, position: int | None = None
    ) -> None:
        """Keep a rejected event or request for the admin and for a replay. `position` is the index of an event in its batch."""
        if not self._writer.has_room_for_rejected:
            return
        sealed = None if refusal is Refusal.TOO_LARGE else self._seal(current, document, position)
        event, install = sealed or (None, None)
        self._writer.keep_rejected(
            RejectedRow(
                id=self._ids.take(1, current.received_at)[0],
                project=current.caller.project.id if current.caller else 0,
                route=current.match.route.path.template,
                dialect=current.dialect.NAME if current.dialect else "",
                reason=refusal.value,
                errors=msgspec.json.encode(errors).decode(),
                excerpt=excerpt(current.body, document),
                size=len(current.body),
                event=event,
                install=install,
            )
        )

    def _seal(self, current: IngestRequest, document: Any, position: int | None) -> tuple[bytes, int | None] | None:
        """Return the sealed event and its install, or None if the event cannot be replayed."""
        caller = current.caller
        if caller is None or (document is None and current.match.route.path.body):
            return None
        if current.faults:
            if len(current.body) >= LARGE or current.match.route.path.parse is not None:
                return None
            # The document holds placeholders for these values; a replay needs the original ones.
            try:
                whole = exact_document(current.body)
            except ValueError:
                return None
            document = whole if position is None else _element(dict(whole) if isinstance(whole, Members) else whole, position)
        dialect = current.dialect.NAME if current.dialect else ""
        return seal(
            self._privacy,
            caller.project.id,
            dialect,
            request_of(current, caller),
            document,
            position,
            caller.key.id if caller.key else None,
        )

    def count(self, current: IngestRequest, problem: Problem) -> None:
        """Count a refused request in the ledger and in the metrics."""
        self._metrics.refusals[problem.refusal.value] += 1
        caller = current.caller
        # A request refused before it was decoded counts as one event.
        entry, events = LedgerEntry.REJECTED, len(current.decoded.events) if current.decoded else 1
        if current.decoded is None and current.match.route.path.absorbs:  # its body may have been read
            events = count_messages(current.body)
        if isinstance(problem, Limited):
            entry = LedgerEntry.LIMITED
            if current.decoded:  # the rejected events of a batch are not counted yet
                events += len(current.decoded.rejected)
        events = max(1, events)
        reason = "" if entry is LedgerEntry.LIMITED else problem.refusal.value
        address = self._privacy.address(limit_network(caller.address), current.received_at // DAY) if caller and not reason else None
        self._writer.tally(caller.project if caller else None, entry, reason, events, current.received_at, address)


def _element(document: Any, index: int) -> Any:
    """Return one event of a batch document."""
    events = events_of(document)
    return events[index] if index < len(events) else document
