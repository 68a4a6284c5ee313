"""A replay of a project's rejected tray: each refused event goes through today's decoder and the store's commit, and counts once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from server.event import Event, Install, Receipt
from server.ingest.redecoding import is_sealed, redecode
from server.storage.history import replay
from server.storage.history.replay import NewRejection, RejectedEvent
from server.storage.projects import LiveProject

_REFUSED = {Receipt.UNKNOWN_TARGET: "unknown_target", Receipt.TOO_MANY_TARGETS: "too_many_targets"}
_EVENTS_A_TURN = 50  # some ten milliseconds of the event loop
_locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)


@dataclass(slots=True)
class Replayed:
    """Numbers of events by their fate."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0

    @property
    def tried(self) -> int:
        return self.stored + self.duplicates + self.refused


@dataclass(slots=True)
class _Ready:
    """Rows that can be stored now: the events, the reports of installs, and the rows of both."""

    events: list[Event] = field(default_factory=list)
    of_events: list[RejectedEvent] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)
    of_installs: list[RejectedEvent] = field(default_factory=list)


async def replay_tray(state: Any, project: LiveProject, ids: Sequence[int] | None) -> Replayed:
    """Replay the rows with these ids, or all that can be replayed, one replay of a project at a time."""
    total, after = Replayed(), -1
    async with _locks[project.id]:
        while kept := await replay.replayable(state.store, project.id, ids, after):
            after = kept[-1].id
            await _replay_page(state, project, kept, total)
    return total


async def _replay_page(state: Any, project: LiveProject, kept: list[RejectedEvent], total: Replayed) -> None:
    known = await replay.stored_ids(state.store, kept)
    tried = [each for each in kept if each.id not in known]
    ready = await _decoded(state, project, tried)
    total.refused += len(tried) - len(ready.events) - len(ready.installs)
    stored = await state.writer.submit(project, ready.events, ready.installs) if ready.events or ready.installs else None
    receipts = list(stored.receipts) if stored else []
    counted = [(row, event, receipt) for row, event, receipt in zip(ready.of_events, ready.events, receipts, strict=True)]
    counted = [each for each in counted if each[2] is not Receipt.FAILED]  # of which the commit counted nothing
    again = [NewRejection(event, _REFUSED[receipt]) for _, event, receipt in counted if receipt in _REFUSED]
    gone = [*known, *(row.id for row, _, receipt in counted if receipt not in _REFUSED), *(row.id for row in ready.of_installs)]
    settling = [*(each for each in kept if each.id in known), *(row for row, _, _ in counted), *ready.of_installs]
    if settling:
        await replay.settle(state.store, project.id, settling, gone, again)
    total.stored += len(known) + receipts.count(Receipt.STORED) + len(ready.of_installs)
    total.duplicates += receipts.count(Receipt.DUPLICATE) + receipts.count(Receipt.DEBOUNCED)
    total.refused += len(again) + receipts.count(Receipt.FAILED)


async def _decoded(state: Any, project: LiveProject, kept: list[RejectedEvent]) -> _Ready:
    """Those of the rows that are accepted today."""
    ready = _Ready()
    for place, row in enumerate(kept):
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
