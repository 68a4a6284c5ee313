"""Events as they come, for whoever watches. Nobody who watches can hold up those who send: a slow one misses events, and is told how many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from server.event import Event

KEPT = 500  # events that wait for one watcher
MOST_WATCHERS = 100  # in one process


class TooManyWatchers(Exception):
    """As many watch as may."""


class Watcher:
    """One who watches a project."""

    def __init__(self, project: int) -> None:
        self.project = project
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._changed = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        """Take an event, in the place of the oldest one where there is no room."""
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def take(self, most: int) -> tuple[list[Event], int] | None:
        """The events that came, at most so many, and how many were missed before them; waits for the first. None at the end."""
        while not self._waiting and not self._missed:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        missed, self._missed = self._missed, 0
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))], missed


class Live:
    """Hands stored events to those who watch. Publishing costs nothing while nobody does."""

    def __init__(self) -> None:
        self._watchers: dict[int, set[Watcher]] = {}
        self._count = 0

    @property
    def has_watchers(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand on events that are stored."""
        for event in events:
            for watcher in self._watchers.get(event.project, ()):
                watcher.offer(event)

    @contextmanager
    def watch(self, project: int) -> Iterator[Watcher]:
        """Watch a project's events. Raises TooManyWatchers."""
        if self._count >= MOST_WATCHERS:
            raise TooManyWatchers(f"{MOST_WATCHERS} watch already, which is as many as may.")
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
        """End all watching: the server stops."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.close()
