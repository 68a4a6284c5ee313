"""How much to change at once, so that nobody who posts an event has to wait for a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from server.storage.changes import Change
from server.storage.engine import Store

AIM = 0.01  # seconds for which one change should hold the writer: far from what would be felt, so that a busy disk may take its time
LEAST_REST = 0.002
MOST_REST = 0.1

T = TypeVar("T")


class Pace:
    """Sizes that grow while changes are quick and shrink when they are not, and a rest as long as the work after each.

    In the rest, what was written goes to its place in the file, beside commits: else some commit would have to do it, ours or a client's.
    """

    def __init__(self, store: Store, *, first: int = 50, least: int = 10, most: int = 5_000) -> None:
        self.size = first
        self.longest = 0.0
        self._store = store
        self._least = least
        self._most = most

    async def took(self, seconds: float) -> None:
        """A change of `size` held the writer for so long: choose the next size, and let others write meanwhile."""
        self.longest = max(self.longest, seconds)
        if seconds > AIM:
            self.size = max(self._least, int(self.size * AIM / seconds))
        elif seconds < AIM / 2:
            # Slowly: what comes next may lie on pages that must be read first.
            self.size = min(self._most, self.size + self.size // 4 + 1)
        began = time.perf_counter()
        await self._store.checkpoint()
        await asyncio.sleep(min(MOST_REST, max(LEAST_REST, seconds)) - (time.perf_counter() - began))

    async def over(self, things: Sequence[T], change: Callable[[Sequence[T]], Awaitable[Change]]) -> int:
        """Change some things, a few at a time; the rows that the first statements touched."""
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
