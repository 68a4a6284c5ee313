"""Data loaders, which load the related rows of a whole page with one statement."""

from __future__ import annotations

from collections.abc import Sequence

from strawberry.dataloader import DataLoader

from server.analytics import lists, vocabulary
from server.analytics.lists import EventRow, InstallRow
from server.storage.engine import Store
from server.storage.upkeep import job_runs
from server.storage.upkeep.job_runs import JobRunRecord


class Loaders:
    """The loaders of one operation.

    Keys are (project, hash), a project, or the name of a job; for lists, they end with the number of rows.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.installs: DataLoader[tuple[int, int], InstallRow | None] = DataLoader(self._installs)
        self.events: DataLoader[tuple[int, int, int], list[EventRow]] = DataLoader(self._events)
        self.first_events: DataLoader[int, int | None] = DataLoader(self._first_events)
        self.runs: DataLoader[tuple[str, int], list[JobRunRecord]] = DataLoader(self._runs)

    async def _installs(self, keys: Sequence[tuple[int, int]]) -> Sequence[InstallRow | None]:
        found: dict[tuple[int, int], InstallRow] = {}
        for project in {project for project, _ in keys}:
            rows = await lists.installs_by_hash(self._store, project, [each for of, each in keys if of == project])
            found |= {(project, each): row for each, row in rows.items()}
        return [found.get(key) for key in keys]

    async def _events(self, keys: Sequence[tuple[int, int, int]]) -> Sequence[list[EventRow]]:
        found: dict[tuple[int, int, int], list[EventRow]] = {}
        for project, limit in {(project, limit) for project, _, limit in keys}:
            rows = await lists.events_of(self._store, project, [each for of, each, most in keys if (of, most) == (project, limit)], limit)
            found |= {(project, each, limit): events for each, events in rows.items()}
        return [found.get(key, []) for key in keys]

    async def _runs(self, keys: Sequence[tuple[str, int]]) -> Sequence[list[JobRunRecord]]:
        found = await job_runs.history(self._store)
        return [found.get(name, [])[:limit] for name, limit in keys]

    async def _first_events(self, keys: Sequence[int]) -> Sequence[int | None]:
        found = await vocabulary.first_events(self._store, keys)
        return [found.get(key) for key in keys]
