"""Rate limits in memory. `server.shared.redis` implements the same interface for several replicas."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from limits import RateLimitItem
from limits.storage import Storage


class LimitState(NamedTuple):
    """The state of one rate limit for one client. `reset` is in seconds from now, rounded up."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


_limit_state: Callable[[tuple[bool, int, int, int]], LimitState] = partial(tuple.__new__, LimitState)
"""Make a `LimitState` from a tuple of all its fields, twice for each request: half the time of the constructor."""


class Counters(Storage):
    """Fixed-window counters in memory, as a storage of the `limits` library.

    The library's own memory storage starts a thread every 10 ms that scans every key, which blocks the event loop if there are many addresses.
    Here, each new window removes a few expired ones.
    """

    STORAGE_SCHEME = ["footfall"]  # noqa: RUF012 - required by `limits`

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
        """Count `amount` if the total stays within `most`."""
        now = time.time()
        window = self._windows.get(key)
        if window is None or window[1] <= now:
            window = self._window(key, expiry, now)
        count = window[0] + amount
        allowed = count <= most
        if allowed:
            window[0] = count
        else:
            count = window[0]
        return _limit_state((allowed, most, most - int(count) if count < most else 0, math.ceil(window[1] - now)))

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
        # Two for each one that is added, so that the queue shrinks. Windows of several lengths may be removed late, never early.
        for _ in range(2):
            if not self._ends or self._ends[0][0] > now:
                return
            end, key = self._ends.popleft()
            window = self._windows.get(key)
            if window is not None and window[1] == end:
                del self._windows[key]


class Limits:
    """Fixed-window rate limits over a storage of the `limits` library."""

    at_once = True
    """True if `hit_at_once` is exact. False if other processes count, too."""

    def __init__(self, storage: Counters | None = None) -> None:
        self._storage = storage or Counters()

    async def hit(self, item: RateLimitItem, key: str, cost: int = 1) -> LimitState:
        """Count `cost` against a limit, all or nothing: a refused batch must not use up the quota for a smaller one.

        `key` comes from `item.key_for`.
        """
        return self.hit_at_once(item, key, cost)

    def hit_at_once(self, item: RateLimitItem, key: str, cost: int = 1) -> LimitState:
        """Count like `hit`, without blocking."""
        return self._storage.take(key, item.get_expiry(), item.amount, cost)
