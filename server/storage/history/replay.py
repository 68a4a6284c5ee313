"""Events that were refused for their targets are taken after all, once their project lists the targets or has room for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from server.event import DAY, Event, LedgerEntry
from server.event_id import received_at
from server.storage import listed
from server.storage.engine import Store

AT_ONCE = 500

_event = msgspec.msgpack.Decoder(Event).decode


class Kept(NamedTuple):
    """An event that was refused, and why."""

    event: Event
    reason: str


async def waiting(store: Store, project: int, ids: Sequence[int] | None) -> list[Kept]:
    """The refused events of a project that can be taken, the oldest first and at most `AT_ONCE`; of these ids, or any."""
    these = "" if ids is None else f" AND id IN ({listed.integers(store.engine_type)})"
    rows = await store.rows(
        f"SELECT event, reason FROM rejected WHERE project_id = {{}} AND event IS NOT NULL{these} ORDER BY id LIMIT {{}}",
        project,
        *(() if ids is None else (msgspec.json.encode(list(ids)).decode(),)),
        AT_ONCE,
    )
    return [Kept(_event(bytes(row["event"])), row["reason"]) for row in rows]


async def stored_already(store: Store, kept: Sequence[Kept]) -> set[int]:
    """The ids of those that an earlier replay stored, before it could say so."""
    numbers = msgspec.json.encode([each.event.id for each in kept]).decode()
    rows = await store.rows(f"SELECT id FROM event WHERE id IN ({listed.integers(store.engine_type)})", numbers)
    return {row["id"] for row in rows}


async def settled(store: Store, project: int, tried: Sequence[Kept], gone: Sequence[int]) -> None:
    """Take the refusal of those that were tried out of the ledger, where their commit has counted what became of them, and forget those that
    were taken."""
    counts = Counter((received_at(each.event.id) // DAY, each.reason) for each in tried)
    less = "UPDATE ledger SET events = events - {} WHERE project_id = {} AND day = {} AND entry = {} AND reason = {}"
    await store.change(
        *((less, (events, project, day, LedgerEntry.REJECTED.value, reason)) for (day, reason), events in counts.items()),
        (
            f"DELETE FROM rejected WHERE project_id = {{}} AND id IN ({listed.integers(store.engine_type)})",
            (project, msgspec.json.encode(list(gone)).decode()),
        ),
        alone=True,
    )
