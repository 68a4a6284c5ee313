"""Replays of rejected events: their rows in the tray, and the corrections of the ledger.

A row has the whole event if it was refused for its target; otherwise it has a document, see `server.ingest.redecoding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.event import DAY, Event, LedgerEntry
from server.event_id import received_at
from server.storage.engine import Store

AT_ONCE = 500

_event = msgspec.msgpack.Decoder(Event).decode
_encode = msgspec.msgpack.Encoder().encode


class RejectedEvent(NamedTuple):
    """A row of the tray that can be replayed: its id, the reason of its refusal, and its stored content."""

    id: int
    reason: str
    content: bytes

    def event(self) -> Event:
        """Decode the event of a row that was refused for its target."""
        return _event(self.content)


class NewRejection(NamedTuple):
    """An event that a replay refused again, with the new reason."""

    event: Event
    reason: str


async def replayable(store: Store, project: int, ids: Sequence[int] | None, after: int = -1) -> list[RejectedEvent]:
    """Return at most `AT_ONCE` replayable events of a project, oldest first: those with the given ids, or all after an id."""
    these = "" if ids is None else f" AND id IN ({store.sql.integers()})"
    rows = await store.rows(
        f"SELECT id, event, reason FROM rejected WHERE project_id = {{}} AND event IS NOT NULL AND id > {{}}{these} ORDER BY id LIMIT {{}}",
        *(project, after),
        *(() if ids is None else (msgspec.json.encode(list(ids)).decode(),)),
        AT_ONCE,
    )
    return [RejectedEvent(row["id"], row["reason"], bytes(row["event"])) for row in rows]


async def stored_ids(store: Store, events: Sequence[RejectedEvent]) -> set[int]:
    """Return the ids of events that an earlier, interrupted replay has stored."""
    numbers = msgspec.json.encode([each.id for each in events]).decode()
    rows = await store.rows(f"SELECT id FROM event WHERE id IN ({store.sql.integers()})", numbers)
    return {row["id"] for row in rows}


async def settle(
    store: Store, project: int, tried: Iterable[RejectedEvent], gone: Collection[int], again: Iterable[NewRejection] = ()
) -> None:
    """Remove the original refusals of replayed events from the ledger, in which their commit counted the new results.

    Rows in `gone` leave the tray. Events in `again` were refused for their target, and stay in the tray as whole events.
    """
    counts = Counter((received_at(each.id) // DAY, each.reason) for each in tried)
    less = "UPDATE ledger SET events = events - {} WHERE project_id = {} AND day = {} AND entry = {} AND reason = {}"
    await store.change(
        *((less, (events, project, day, LedgerEntry.REJECTED.value, reason)) for (day, reason), events in counts.items()),
        (
            f"DELETE FROM rejected WHERE project_id = {{}} AND id IN ({store.sql.integers()})",
            (project, msgspec.json.encode(list(gone)).decode()),
        ),
        *(
            (
                "UPDATE rejected SET reason = {}, event = {}, install_id = {} WHERE project_id = {} AND id = {}",
                (each.reason, _encode(each.event), each.event.install, project, each.event.id),
            )
            for each in again
        ),
        exclusive=True,
    )
