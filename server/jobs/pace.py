"""How much to change at once, so that nobody who posts an event has to wait for a job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from server.storage.sqlite_upkeep import Change

AIM = 0.02  # seconds for which one change may hold the writer; half of what would be felt leaves room for a slow disk
LEAST_REST = 0.002
MOST_REST = 0.1

T = TypeVar("T")


class Pace:
    """Sizes that grow while changes are quick and shrink when they are not, and a rest as long as the work after each."""

    def __init__(self, first: int = 50, least: int = 10, most: int = 5_000) -> None:
        self.size = first
        self.longest = 0.0
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
        await asyncio.sleep(min(MOST_REST, max(LEAST_REST, seconds)))

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
