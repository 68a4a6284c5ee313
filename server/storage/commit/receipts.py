"""What a commit has to say of the events that it was given: their part of the ledger, and what is kept of the refused."""

from __future__ import annotations

from collections import Counter

import msgspec

from server.event import DAY, Event, LedgerEntry, Receipt
from server.event_id import received_at
from server.storage.batch import Batch, RejectedRow

_ENTRIES = {
    None: (LedgerEntry.STORED, ""),
    Receipt.DUPLICATE: (LedgerEntry.DUPLICATE, "same_id"),
    Receipt.DEBOUNCED: (LedgerEntry.DUPLICATE, "debounced"),
    Receipt.UNKNOWN_TARGET: (LedgerEntry.REJECTED, "unknown_target"),
    Receipt.TOO_MANY_TARGETS: (LedgerEntry.REJECTED, "too_many_targets"),
}


def ledger_of(batch: Batch, exceptions: dict[int, Receipt]) -> dict[tuple[int, int, str, str], int]:
    """What this commit adds to the ledger: what was refused before it, and what became of its own events."""
    ledger = dict(batch.ledger)
    for (project, day, receipt), events in _became(batch.events, exceptions).items():
        entry, reason = _ENTRIES[receipt]
        key = (project, day, entry.value, reason)
        ledger[key] = ledger.get(key, 0) + events
    _note(ledger, batch.events, exceptions)
    return ledger


def _note(ledger: dict[tuple[int, int, str, str], int], events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Move the stored events that have a note to a row of the ledger that says so."""
    for place, event in enumerate(events):
        if event.note and place not in exceptions:
            day = received_at(event.id) // DAY
            for reason, more in (("", -1), (event.note, 1)):
                key = (event.project, day, LedgerEntry.STORED.value, reason)
                ledger[key] = ledger.get(key, 0) + more


def _became(events: list[Event], exceptions: dict[int, Receipt]) -> Counter[tuple[int, int, Receipt | None]]:
    """How many events of a project and a day (of arrival) have a receipt; None stands for those that are simply stored."""
    ids = [event.id for event in events]
    first, last = (received_at(min(ids)) // DAY, received_at(max(ids)) // DAY) if ids else (0, 0)
    if first == last and not exceptions:
        stored_by = Counter(event.project for event in events)
        return Counter({(project, first, None): number for project, number in stored_by.items()})
    return Counter((event.project, received_at(event.id) // DAY, exceptions.get(place)) for place, event in enumerate(events))


_REFUSED = {Receipt.UNKNOWN_TARGET: "unknown_target", Receipt.TOO_MANY_TARGETS: "too_many_targets"}
_REFUSED_A_COMMIT = 50


def refused(batch: Batch, exceptions: dict[int, Receipt]) -> list[RejectedRow]:
    """The events that this commit refuses for their targets: whole, so that they can be taken once their targets may be."""
    rows: list[RejectedRow] = []
    for place, receipt in exceptions.items():
        if receipt in _REFUSED and len(rows) < _REFUSED_A_COMMIT:
            event = batch.events[place]
            type_, id_ = event.target or ("", "")
            rows.append(
                RejectedRow(
                    id=event.id,
                    project=event.project,
                    route="",
                    dialect=event.context.dialect,
                    reason=_REFUSED[receipt],
                    errors=_NO_TARGET,
                    excerpt=msgspec.json.encode({"name": event.name, "target": {"type": type_, "id": id_}}).decode(),
                    size=0,
                    event=msgspec.msgpack.encode(event),
                    install=event.install,
                )
            )
    return rows


_NO_TARGET = '[{"path":"target","message":"is not taken by this project"}]'
