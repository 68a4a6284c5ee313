"""Bounded caches, and computations that concurrent callers share (single-flight)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Hashable, Mapping
from itertools import islice
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedDict(dict[K, V]):
    """A dictionary with at most `most` entries. `keep` adds one; a full dictionary first drops its oldest eighth, so that adding takes constant time.

    A read costs the same as in a `dict`, because every event makes several.
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def keep(self, key: K, value: V) -> None:
        """Add or replace an entry."""
        if len(self) >= self.most:
            for oldest in list(islice(self, max(1, self.most // 8))):
                self.pop(oldest, None)
        self[key] = value

    def keep_all(self, entries: Mapping[K, V]) -> None:
        for key, value in entries.items():
            self.keep(key, value)


class _Flight(Generic[V]):
    """A running computation. `version` is the version of what it reads, None before it begins. `waiting` counts its callers in `join`."""

    __slots__ = ("task", "version", "waiting")

    task: asyncio.Task[V]

    def __init__(self) -> None:
        self.version: object = None
        self.waiting = 0


class SingleFlight(Generic[K, V]):
    """Running computations by key, which concurrent callers share. Cancelling a caller never affects other callers.

    `version` returns the version of what computations read: a computation that began before the latest write is not shared with later callers.
    At most `at_once` computations run at once; the others wait.
    """

    def __init__(self, *, version: Callable[[], object] = lambda: None, at_once: int | None = None) -> None:
        self._version = version
        self._places = contextlib.nullcontext() if at_once is None else asyncio.Semaphore(at_once)
        self._flights: dict[K, _Flight[V]] = {}

    def running(self, key: K) -> asyncio.Task[V] | None:
        """Return the computation with this key that later callers may share."""
        flight = self._running(key)
        return None if flight is None else flight.task

    def start(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """Return the running computation with this key, or start one. It runs to its end even if all callers are cancelled.

        Callers protect it from their own cancellation: `await asyncio.shield(…)`, or `asyncio.wait`.
        """
        return (self._running(key) or self._start(key, make)).task

    async def join(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the result of the running computation with this key, or of a new one. The last caller to be cancelled cancels it.

        Use either `join` or `start` for a key, not both.
        """
        flight = self._running(key) or self._start(key, make)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._forget(key, flight)  # a later caller does not join it

    def _running(self, key: K) -> _Flight[V] | None:
        flight = self._flights.get(key)
        # A task that is done ended in this iteration of the event loop: awaiting it would not give way to other tasks.
        return flight if flight is not None and not flight.task.done() and flight.version in (None, self._version()) else None

    def _start(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> _Flight[V]:
        flight = self._flights[key] = _Flight()
        flight.task = asyncio.create_task(self._run(flight, make))
        flight.task.add_done_callback(lambda _: self._end(key, flight))
        return flight

    async def _run(self, flight: _Flight[V], make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        async with self._places:
            flight.version = self._version()
            return await make()

    def _forget(self, key: K, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _end(self, key: K, flight: _Flight[V]) -> None:
        self._forget(key, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # mark it as retrieved: all callers may be gone


class SingleFlightCache(Generic[K, V]):
    """A cache of at most `most` values by key. Each is reused while `is_fresh`, and computed once for all concurrent callers (see `SingleFlight`).

    With `is_cancelled`, a computation is cancelled when its last caller is. Otherwise, it runs to its end.
    """

    def __init__(
        self,
        most: int,
        is_fresh: Callable[[V], bool],
        *,
        version: Callable[[], object] = lambda: None,
        at_once: int | None = None,
        is_cancelled: bool = False,
    ) -> None:
        self._is_fresh = is_fresh
        self._is_cancelled = is_cancelled
        self._values: BoundedDict[K, V] = BoundedDict(most)
        self._flights: SingleFlight[K, V] = SingleFlight(version=version, at_once=at_once)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value with this key, or None if there is none that is fresh."""
        value = self._values.get(key)
        return value if value is not None and self._is_fresh(value) else None

    def keep(self, key: K, value: V) -> None:
        self._values.keep(key, value)

    async def find(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the value with this key, computed by `make` unless a fresh one is cached. Raises the errors of `make`, which are not cached."""
        value = self.get(key)
        if value is not None:
            return value
        if self._is_cancelled:
            return await self._flights.join(key, lambda: self._fill(key, make))
        return await asyncio.shield(self._flights.start(key, lambda: self._fill(key, make)))

    async def _fill(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        value = self.get(key)  # another computation may have ended while this one waited for its turn
        if value is None:
            value = await make()
            self.keep(key, value)
        return value
