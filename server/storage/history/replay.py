"""Rejected events that are accepted after all: their rows in the rejected tray, and the ledger's move from rejected to stored.

A row keeps a whole event where it was refused for its target, else a document, see `server.ingest.redecoding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.event import DAY, Event, LedgerEntry
from server.event_id import received_at
from server.storage import json_lists
from server.storage.engine import Store

AT_ONCE = 500

_event = msgspec.msgpack.Decoder(Event).decode
_encode = msgspec.msgpack.Encoder().encode


class RejectedEvent(NamedTuple):
    """A row of the tray that can be replayed: its id, the reason of the refusal, and what was kept of the event."""

    id: int
    reason: str
    content: bytes

    def event(self) -> Event:
        """The event of a row that was refused for its target."""
        return _event(self.content)


class NewRejection(NamedTuple):
    """An event that was refused again, for another reason than before."""

    event: Event
    reason: str


async def replayable(store: Store, project: int, ids: Sequence[int] | None, after: int = -1) -> list[RejectedEvent]:
    """The refused events of a project that can be replayed, the oldest first and at most `AT_ONCE`; of these ids, or any after an id."""
    these = "" if ids is None else f" AND id IN ({json_lists.integers(store.engine_type)})"
    rows = await store.rows(
        f"SELECT id, event, reason FROM rejected WHERE project_id = {{}} AND event IS NOT NULL AND id > {{}}{these} ORDER BY id LIMIT {{}}",
        *(project, after),
        *(() if ids is None else (msgspec.json.encode(list(ids)).decode(),)),
        AT_ONCE,
    )
    return [RejectedEvent(row["id"], row["reason"], bytes(row["event"])) for row in rows]


async def stored_ids(store: Store, kept: Sequence[RejectedEvent]) -> set[int]:
    """The ids of those that an earlier replay stored, before it could settle them."""
    numbers = msgspec.json.encode([each.id for each in kept]).decode()
    rows = await store.rows(f"SELECT id FROM event WHERE id IN ({json_lists.integers(store.engine_type)})", numbers)
    return {row["id"] for row in rows}


async def settle(
    store: Store, project: int, tried: Iterable[RejectedEvent], gone: Collection[int], again: Iterable[NewRejection] = ()
) -> None:
    """Take the refusals of those that were tried out of the ledger, where their commit has counted what became of them.

    Those that are gone leave the tray. Those that were refused again, for their targets, stay in it as whole events.
    """
    counts = Counter((received_at(each.id) // DAY, each.reason) for each in tried)
    less = "UPDATE ledger SET events = events - {} WHERE project_id = {} AND day = {} AND entry = {} AND reason = {}"
    await store.change(
        *((less, (events, project, day, LedgerEntry.REJECTED.value, reason)) for (day, reason), events in counts.items()),
        (
            f"DELETE FROM rejected WHERE project_id = {{}} AND id IN ({json_lists.integers(store.engine_type)})",
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
