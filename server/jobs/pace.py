"""Batch sizes for jobs, so that clients never wait for a job's changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from server.storage.changes import Change
from server.storage.engine import Store

AIM = 0.01  # seconds that one change should hold the writer: far below what clients notice, with room for a busy disk
LEAST_REST = 0.002
MAX_REST = 0.1

T = TypeVar("T")


class Pace:
    """Adaptive batch sizes: they grow while changes are fast and shrink when they are slow. Each change is followed by an equally long pause.

    A checkpoint runs during the pause, alongside commits. Otherwise a commit of a job or a client would have to run it.
    """

    def __init__(self, store: Store, *, first: int = 50, least: int | None = None, most: int = 5_000) -> None:
        self._least = least or store.sql.least_rows
        self.size = max(first, self._least)
        self.longest = 0.0
        self._store = store
        self._most = most

    async def took(self, seconds: float) -> None:
        """Record how long a change of `size` held the writer, choose the next size, and pause."""
        self.longest = max(self.longest, seconds)
        if seconds > AIM:
            self.size = max(self._least, int(self.size * AIM / seconds))
        elif seconds < AIM / 2:
            # Grow slowly: the next rows may lie on pages that are not in memory yet.
            self.size = min(self._most, self.size + self.size // 4 + 1)
        began = time.perf_counter()
        await self._store.checkpoint()
        await asyncio.sleep(min(MAX_REST, max(LEAST_REST, seconds)) - (time.perf_counter() - began))

    async def over(self, things: Sequence[T], change: Callable[[Sequence[T]], Awaitable[Change]]) -> int:
        """Apply a change to batches of items. Returns the rows that the first statement of each batch touched."""
        rows = 0
        for few in self._slices(things):
            done = await change(few)
            rows += done.rows[0]
            await self.took(done.seconds)
        return rows

    def _slices(self, things: Sequence[T]) -> Iterator[Sequence[T]]:
        first = 0
        while first < len(things):
            few = things[first : first + self.size]
            first += len(few)
            yield few
