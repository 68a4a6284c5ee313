"""Replay of a project's refused events: each passes through the current decoder and the store's commit, and counts once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.event import REFUSED_BY_COMMIT, Event, Install, Receipt
from server.ingest.redecoding import is_sealed, redecode
from server.services import Services
from server.storage.history import replay
from server.storage.history.replay import NewRejection, RejectedEvent
from server.storage.projects import LiveProject

_EVENTS_A_TURN = 50  # block the event loop for about ten milliseconds
_locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)


@dataclass(slots=True)
class ReplayCounts:
    """Number of replayed events by result."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0

    @property
    def attempted(self) -> int:
        return self.stored + self.duplicates + self.refused


@dataclass(slots=True)
class _Decoded:
    """Decoded rows that can be stored: events and installs, each with its source rows."""

    events: list[Event] = field(default_factory=list)
    of_events: list[RejectedEvent] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)
    of_installs: list[RejectedEvent] = field(default_factory=list)


async def replay_rejected(state: Services, project: LiveProject, ids: Sequence[int] | None) -> ReplayCounts:
    """Replay the rows with these ids, or all replayable rows. Replays of one project run one at a time."""
    total, after = ReplayCounts(), -1
    async with _locks[project.id]:
        while rows := await replay.replayable(state.store, project.id, ids, after):
            after = rows[-1].id
            await _replay_page(state, project, rows, total)
    return total


async def _replay_page(state: Services, project: LiveProject, rows: list[RejectedEvent], total: ReplayCounts) -> None:
    known = await replay.stored_ids(state.store, rows)
    attempted = [each for each in rows if each.id not in known]
    ready = await _decode(state, project, attempted)
    total.refused += len(attempted) - len(ready.events) - len(ready.installs)
    stored = await state.writer.submit(project, ready.events, ready.installs) if ready.events or ready.installs else None
    receipts = list(stored.receipts) if stored else []
    counted = [(row, event, receipt) for row, event, receipt in zip(ready.of_events, ready.events, receipts, strict=True)]
    counted = [each for each in counted if each[2] is not Receipt.FAILED]  # the commit counted none of these
    again = [NewRejection(event, REFUSED_BY_COMMIT[receipt]) for _, event, receipt in counted if receipt in REFUSED_BY_COMMIT]
    gone = [*known, *(row.id for row, _, receipt in counted if receipt not in REFUSED_BY_COMMIT), *(row.id for row in ready.of_installs)]
    settling = [*(each for each in rows if each.id in known), *(row for row, _, _ in counted), *ready.of_installs]
    if settling:
        await replay.settle(state.store, project.id, settling, gone, again)
    total.stored += len(known) + receipts.count(Receipt.STORED) + len(ready.of_installs)
    total.duplicates += receipts.count(Receipt.DUPLICATE) + receipts.count(Receipt.DEBOUNCED)
    total.refused += len(again) + receipts.count(Receipt.FAILED)


async def _decode(state: Services, project: LiveProject, rows: list[RejectedEvent]) -> _Decoded:
    """Decode the rows that the current rules accept."""
    ready = _Decoded()
    for place, row in enumerate(rows):
        if place % _EVENTS_A_TURN == 0:
            await asyncio.sleep(0)
        if not is_sealed(row.reason):
            ready.events.append(row.event())
            ready.of_events.append(row)
            continue
        found = redecode(state.privacy, project, row.id, row.content)
        if found is not None and found.event is not None:
            ready.events.append(found.event)
            ready.of_events.append(row)
        elif found is not None and found.install is not None:
            ready.installs.append(found.install)
            ready.of_installs.append(row)
    return ready
