"""New events for subscribers. A slow subscriber never blocks a sender: it misses events, and receives their number."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from server.event import Event

KEPT = 500  # queued events per watcher
MAX_WATCHERS = 100  # per process


class TooManyWatchers(Exception):
    """The maximum number of watchers is reached."""


class Watcher:
    """A subscriber to one project's events."""

    def __init__(self, project: int) -> None:
        self.project = project
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._changed = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        """Queue an event. If the queue is full, drop the oldest one."""
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def take(self, most: int) -> tuple[list[Event], int] | None:
        """Wait for events, and return at most `most` of them with the number of events missed before. Returns None once closed."""
        while not self._waiting and not self._missed:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        missed, self._missed = self._missed, 0
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))], missed


class Live:
    """Publisher of stored events. Publishing costs nothing without watchers."""

    def __init__(self) -> None:
        self._watchers: dict[int, set[Watcher]] = {}
        self._count = 0

    @property
    def has_watchers(self) -> bool:
        """True if anything watches a project."""
        return bool(self._watchers)

    def publish(self, events: Sequence[Event]) -> None:
        """Publish stored events."""
        for event in events:
            for watcher in self._watchers.get(event.project, ()):
                watcher.offer(event)

    @contextmanager
    def watch(self, project: int) -> Iterator[Watcher]:
        """Watch a project's events. Raises TooManyWatchers."""
        if self._count >= MAX_WATCHERS:
            raise TooManyWatchers(f"The maximum of {MAX_WATCHERS} live subscriptions is reached.")
        watcher = Watcher(project)
        self._watchers.setdefault(project, set()).add(watcher)
        self._count += 1
        try:
            yield watcher
        finally:
            self._count -= 1
            watchers = self._watchers[project]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[project]

    def close(self) -> None:
        """Close all watchers when the server stops."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.close()
