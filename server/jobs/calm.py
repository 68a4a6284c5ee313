"""Pauses for jobs whose work can wait until clients need less processor time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

BUSY = 0.35  # share of the time in which the event loop uses the processor; above it, jobs leave the processor to clients
WATCHED = 0.5  # seconds
PATIENCE = 300.0  # seconds


class Calm:
    """Waits before each step of a job while clients keep the event loop busy, for `PATIENCE` seconds in all.

    `processor` returns the processor time of the event loop's thread and `clock` a monotonic time, both in seconds.
    """

    def __init__(
        self,
        processor: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._processor = processor
        self._clock = clock
        self._sleep = sleep
        self._left = PATIENCE
        self._seen: tuple[float, float] | None = None

    async def wait(self) -> None:
        """Return once the event loop has been calm since the last call, or for `WATCHED` seconds; at once if the time to wait is used up."""
        while self._left > 0 and await self._is_busy():
            self._left -= WATCHED
            self._seen = None

    async def _is_busy(self) -> bool:
        if self._seen is None:
            self._seen = self._processor(), self._clock()
            await self._sleep(WATCHED)
        used, began = self._seen
        self._seen = now_used, now = self._processor(), self._clock()
        return now_used - used > BUSY * (now - began)
