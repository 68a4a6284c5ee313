"""What replicas share: rate limits. In process here; a store that several processes share takes the same calls."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.storage import Storage


class Standing(NamedTuple):
    """Where one address stands with one limit. `reset` is in seconds from now, rounded up."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


class Counters(Storage):
    """Counts of fixed windows, in memory, for the `limits` library.

    Its own memory storage starts a thread every 10 ms that looks at every key; with many addresses that alone holds up the event loop.
    Here each count drops a few that have run out.
    """

    STORAGE_SCHEME = ["footfall"]  # noqa: RUF012 - limits declares it so

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, list[float]] = {}  # key: [count, end]
        self._ends: deque[tuple[float, str]] = deque()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        self._drop(now)
        window = self._windows.get(key)
        if window is None or window[1] <= now:
            self._windows[key] = window = [0, now + expiry]
            self._ends.append((window[1], key))
        window[0] += amount
        return int(window[0])

    def get(self, key: str) -> int:
        window = self._windows.get(key)
        return int(window[0]) if window is not None and window[1] > time.time() else 0

    def get_expiry(self, key: str) -> float:
        window = self._windows.get(key)
        return window[1] if window is not None else time.time()

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        self._ends.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _drop(self, now: float) -> None:
        # Two for each one that is added, so it always catches up. Windows of several lengths may be dropped late, never early.
        for _ in range(2):
            if not self._ends or self._ends[0][0] > now:
                return
            end, key = self._ends.popleft()
            window = self._windows.get(key)
            if window is not None and window[1] == end:
                del self._windows[key]


class Limits:
    """Fixed windows over a storage of the `limits` library."""

    def __init__(self, storage: Any = None) -> None:
        self._storage = storage or Counters()

    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Standing:
        """Count `cost` against a limit, or nothing where that would pass it."""
        key = item.key_for(*identifiers)
        count = self._storage.incr(key, item.get_expiry(), cost)
        allowed = count <= item.amount
        if not allowed:
            # A refused batch must not use up what a smaller one could still have.
            count = self._storage.incr(key, item.get_expiry(), -cost)
        reset = max(1, math.ceil(self._storage.get_expiry(key) - time.time()))
        return Standing(allowed, item.amount, max(0, item.amount - count), reset)
