"""What replicas share: rate limits. In process here; a store that several processes share takes the same calls."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import NamedTuple

from limits import RateLimitItem
from limits.storage import Storage


class LimitState(NamedTuple):
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
        window = self._window(key, expiry, time.time())
        window[0] += amount
        return int(window[0])

    def take(self, key: str, expiry: float, most: int, amount: int) -> LimitState:
        """Count `amount` where that stays within `most`."""
        now = time.time()
        window = self._window(key, expiry, now)
        count = window[0] + amount
        allowed = count <= most
        if allowed:
            window[0] = count
        remaining = most - int(window[0])
        return LimitState(allowed, most, max(0, remaining), math.ceil(window[1] - now))

    def _window(self, key: str, expiry: float, now: float) -> list[float]:
        window = self._windows.get(key)
        if window is None or window[1] <= now:
            self._drop(now)
            self._windows[key] = window = [0, now + expiry]
            self._ends.append((window[1], key))
        return window

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

    at_once = True
    """Whether `hit_at_once` says all that there is to say: not where other processes count, too."""

    def __init__(self, storage: Counters | None = None) -> None:
        self._storage = storage or Counters()

    async def hit(self, item: RateLimitItem, key: str, cost: int = 1) -> LimitState:
        """Count `cost` against a limit, all or nothing: a refused batch must not use up what a smaller one could still have.

        `key` is what `item.key_for` makes of whoever is limited.
        """
        return self.hit_at_once(item, key, cost)

    def hit_at_once(self, item: RateLimitItem, key: str, cost: int = 1) -> LimitState:
        """The same, for whoever cannot wait."""
        return self._storage.take(key, item.get_expiry(), item.amount, cost)
