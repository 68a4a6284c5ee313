"""The ledger entries of a commit, and the rows of the events that it refuses."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

import msgspec

from server.event import DAY, LEDGER_ENTRIES, REFUSED_BY_COMMIT, Event, LedgerEntry, Receipt
from server.event_id import received_at
from server.storage.batch import Batch, RejectedRow

_id_of, _project_of, _note_of = attrgetter("id"), attrgetter("project"), attrgetter("note")


def ledger_of(batch: Batch, exceptions: dict[int, Receipt]) -> dict[tuple[int, int, str, str], int]:
    """Return what a commit adds to the ledger: refusals before the commit, and the results of its own events."""
    ledger = dict(batch.ledger)
    for (project, day, receipt), events in _count_results(batch.events, exceptions).items():
        entry, reason = LEDGER_ENTRIES[receipt]
        key = (project, day, entry.value, reason)
        ledger[key] = ledger.get(key, 0) + events
    _note(ledger, batch.events, exceptions)
    return ledger


def _note(ledger: dict[tuple[int, int, str, str], int], events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Count stored events that have a note, under that note."""
    if not any(map(_note_of, events)):
        return
    for place, event in enumerate(events):
        if event.note and place not in exceptions:
            day = received_at(event.id) // DAY
            for reason, more in (("", -1), (event.note, 1)):
                key = (event.project, day, LedgerEntry.STORED.value, reason)
                ledger[key] = ledger.get(key, 0) + more


def _count_results(events: list[Event], exceptions: dict[int, Receipt]) -> Counter[tuple[int, int, Receipt]]:
    """Count events by project, day of arrival and receipt."""
    ids = list(map(_id_of, events))
    first, last = (received_at(min(ids)) // DAY, received_at(max(ids)) // DAY) if ids else (0, 0)
    if first == last and not exceptions:
        stored_by = Counter(map(_project_of, events))
        return Counter({(project, first, Receipt.STORED): number for project, number in stored_by.items()})
    return Counter(
        (event.project, received_at(event.id) // DAY, exceptions.get(place, Receipt.STORED)) for place, event in enumerate(events)
    )


_REFUSED_PER_COMMIT = 50


def refused(batch: Batch, exceptions: dict[int, Receipt]) -> list[RejectedRow]:
    """Return rows for the events that were refused for their target. They hold the whole event, so that an admin can replay it later."""
    rows: list[RejectedRow] = []
    for place, receipt in exceptions.items():
        if receipt in REFUSED_BY_COMMIT and len(rows) < _REFUSED_PER_COMMIT:
            event = batch.events[place]
            type_, id_ = event.target or ("", "")
            rows.append(
                RejectedRow(
                    id=event.id,
                    project=event.project,
                    route="",
                    dialect=event.context.dialect,
                    reason=REFUSED_BY_COMMIT[receipt],
                    errors=_NO_TARGET,
                    excerpt=msgspec.json.encode({"name": event.name, "target": {"type": type_, "id": id_}}).decode(),
                    size=0,
                    event=msgspec.msgpack.encode(event),
                    install=event.install,
                )
            )
    return rows


_NO_TARGET = '[{"path":"target","message":"is not accepted by this project"}]'
