"""The history of a store: questions over segments and the tail, and the work that keeps the segments current."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from server import logs, machine_memory
from server.clock import Clock, epoch_ms
from server.event import DAY, MINUTE
from server.event_id import EPOCH, first_id, received_at
from server.history import manifest
from server.history.building import Builder, Built
from server.history.database import Database
from server.history.feeding import Feed
from server.history.folder import Folder
from server.history.manifest import NO_END, Segment
from server.history.property_columns import select
from server.history.segment_files import select_segments
from server.problems import TooBroad
from server.settings import Settings
from server.storage import changed_days
from server.storage.changes import Snapshot
from server.storage.engine import Store
from server.storage.history import erasure
from server.storage.history.erasure import ErasureResult
from server.tasks import run_in_thread

log = logs.get(__name__)

LAG = MINUTE  # events are read into a segment once they arrived this long ago; later commits with lower ids are rare
MAX_TAIL = 50_000  # events of a project that one question reads from the store
SECONDS = 10.0  # the time limit of a question
AT_ONCE = 2
LEAST_MEMORY, MOST_MEMORY = 40_000_000, 128_000_000  # bytes; bounds of the default memory of questions
_DAY = first_id(EPOCH + DAY)  # as a difference of ids
_COPY = 80  # bytes of memory for each event of a temporary table
_TIMED = 24  # bytes of memory for each event of a table of durations
_ATTEMPTS = 3  # a segment may be merged away, or found damaged, while a question opens it

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """The state of a history.

    `since` is the time (epoch ms) before which events were evicted to keep the files within `max_bytes`; None if none were. `built_at` is the time of
    this process's last complete build, or None.
    """

    segments: int
    rows: int
    bytes: int
    max_bytes: int
    since: int | None = None
    built_at: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of DuckDB over the relation `events`, and the function that receives its rows, in a thread."""

    sql: str
    parameters: Sequence[Any] = ()
    answer: Callable[[Rows], object] = lambda _: None


@dataclass(frozen=True, slots=True)
class Reading:
    """Statements over the same events of a project, which run one after the other: see `History.query` for the parameters."""

    statements: Sequence[Statement]
    project: int
    first: int = 0
    end: int = NO_END
    properties: Sequence[str] = ()


class OutOfMemory(TooBroad):
    """A question needs more memory than the limit allows."""


class _Unread(Exception):
    """DuckDB failed, possibly because one of these segments is missing or damaged."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments


class History:
    """Answers SQL over all events of a project, in columns. See the package for the interface."""

    def __init__(self, store: Store, settings: Settings, *, now: Clock = epoch_ms) -> None:
        self.is_enabled = settings.history
        self.seconds = SECONDS
        self.tail = MAX_TAIL
        self._store = store
        self._now = now
        self._most = settings.history_size
        self._folder = Folder(settings.history_dir, settings.history_size)
        memory = settings.history_memory or min(max(machine_memory.total() // 6, LEAST_MEMORY), MOST_MEMORY)
        self._database = Database(settings.history_dir, self._folder.work / "spill", memory, settings.history_threads)
        self._builder = Builder(store, self._folder, self._database, memory)
        self.most_copied, self.most_timed = memory // _COPY, memory // _TIMED  # events
        self._built_at: int | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def query(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        *,
        project_id: int,
        since_id: int | None = None,
        until_id: int | None = None,
        properties: Sequence[str] = (),
    ) -> Rows | None:
        """Run a query of DuckDB over the relation `events`, or return None if the history is off or not ready.

        `events` has the columns of `event_columns.COLUMNS`, those of `properties`, and the project's events with since_id <= id < until_id,
        perhaps with others: the ids of files that begin or end there are not compared, which would take longer than most filters.
        Raises TooBroad after `seconds`, and OutOfMemory beyond the memory limit.
        """
        found: list[Rows] = []
        end = NO_END if until_id is None else until_id
        reading = Reading([Statement(sql, parameters, found.append)], project_id, max(0, since_id or 0), end, properties)
        return found[-1] if await self.run(lambda: reading) else None

    async def run(self, make: Callable[[], Reading]) -> bool:
        """Run the statements of a reading, which `make` creates once it may run. Return False if the history is off or not ready.

        Each statement's rows are passed on immediately, and again if the attempt is repeated. Raises TooBroad like `query`, for all statements together.
        """
        if not self.is_enabled:
            return False
        try:
            async with self._at_once, asyncio.timeout(self.seconds):
                reading = make()
                for _ in range(_ATTEMPTS):
                    try:
                        return await self._answer(reading)
                    except _Unread as error:
                        self._folder.inspector.forget()
                        if await run_in_thread(partial(self._folder.intact, error.segments)) == error.segments:
                            raise error.__cause__ from None  # type: ignore[misc]
        except TimeoutError as error:
            raise TooBroad(f"The question takes more than {self.seconds:g} seconds: ask about a shorter period.") from error
        log.error("history_unreadable")
        return False

    async def _answer(self, reading: Reading) -> bool:
        self._folder.create()
        async with self._store.snapshot() as snapshot:
            segments = await self._segments(snapshot, reading)
            with Feed(self._folder.work, snapshot.rows) as feed:
                for gap in manifest.gaps(segments, reading.first, reading.end):
                    if not await feed.add(gap, self.tail, reading.project):
                        return False
                await self._database.run(partial(self._run, reading, segments, feed))
                return True

    async def _segments(self, snapshot: Snapshot, reading: Reading) -> list[Segment]:
        """Return the segments that a reading needs and that agree with the store."""
        found = manifest.load(self._folder.path)
        state = await changed_days.state(snapshot, found.seen)
        current = manifest.current(found, self._builder.name_of(state), state)
        needed = [segment for segment in current if segment.first < reading.end and segment.end > reading.first]
        return await run_in_thread(partial(self._folder.intact, needed))

    def _run(self, reading: Reading, segments: list[Segment], feed: Feed, connection: Any) -> None:
        import duckdb  # noqa: PLC0415 - imported already, in this thread

        try:
            connection.execute(f"CREATE TEMP VIEW events AS {self._relation(reading, segments, feed)}")
            for statement in reading.statements:
                found = connection.execute(statement.sql, list(statement.parameters))
                names = [column[0] for column in found.description]
                statement.answer([dict(zip(names, row, strict=True)) for row in found.fetchall()])
        except duckdb.OutOfMemoryException as error:
            raise OutOfMemory("The question takes more memory than FOOTFALL_HISTORY_MEMORY allows: ask about a shorter period.") from error
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise _Unread(segments) from error

    def _relation(self, reading: Reading, segments: list[Segment], feed: Feed) -> str:
        """The events of the files and of the tail. DuckDB plans every part again for each statement, so an empty tail is left out."""
        parts = [
            f"{part} WHERE project_id = {int(reading.project)}" for part in select_segments(self._folder.path, segments, reading.properties)
        ]
        if feed.rows or not parts:
            parts.append(select(f"({feed.relation})", reading.properties))
        return " UNION ALL ".join(parts)

    async def progress(self) -> float | None:
        """Return the share of the store's time that the segments cover, 0 to 1.

        None if the history is off, if less than a day is missing, or if questions need no files because no project has more than `tail` events.
        """
        if not self.is_enabled:
            return None
        async with self._store.snapshot() as snapshot:
            ((largest,),) = await snapshot.rows(
                "SELECT max(events) FROM (SELECT sum(events) AS events FROM rollup_day GROUP BY project_id) AS project"
            )
            if (largest or 0) <= self.tail:
                return None
            found = manifest.load(self._folder.path)
            state = await changed_days.state(snapshot, found.seen)
            ((first, last),) = await snapshot.rows("SELECT (SELECT min(id) FROM event), (SELECT max(id) FROM event)")
        if first is None:
            return None
        first = max(first, found.floor)
        missing = sum(
            gap.end - gap.first for gap in manifest.gaps(manifest.current(found, self._builder.name_of(state), state), first, last)
        )
        return 1 - missing / (last - first) if missing > _DAY else None

    async def build(
        self, progress: Callable[[int], None] = lambda _: None, *, lag: int = LAG, before_step: Callable[[], Awaitable[None]] | None = None
    ) -> Built:
        """Read events that arrived up to `lag` ms ago into segments, and merge these. Can be cancelled; the next build continues.

        Stale files are deleted first. `before_step` is then awaited before each step.
        """
        built = Built()
        if not self.is_enabled:
            self._folder.remove()
            return built
        sealed = await changed_days.seal(self._store, first_id(self._now() - lag))
        started = self._now()
        await self._builder.prune()
        while True:
            if before_step is not None:
                await before_step()
            if not await self._builder.step(sealed, built):
                break
            progress(built.events)
        self._built_at = started
        return built

    async def erase(self, project: int, install: int) -> ErasureResult:
        """Erase an install from the store and from all files. Call again after an interruption.

        From this moment on, other servers do not use their files of these days, and delete them in their next build.
        """
        if not self.is_enabled:
            self._folder.remove()
        elif self._folder.path.exists():
            return await self._builder.erase(project, install)
        return await erasure.erase(self._store, project, install)

    def check_files(self) -> None:
        """Read each file as a whole again, before it is next used."""
        self._folder.inspector.forget()

    def report(self) -> HistoryReport:
        """Return the state of the segments, without the store: some may be stale."""
        return replace(report(self._folder.path, self._most), built_at=self._built_at)

    def size(self) -> tuple[int, int] | None:
        """Return the size of all files and their maximum, in bytes; None if the history is off."""
        return (manifest.load(self._folder.path).size, self._most) if self.is_enabled else None

    def close(self) -> None:
        """Close DuckDB. No query may run afterwards."""
        self._database.close()
        self._folder.close()


def report(folder: Path, most: int) -> HistoryReport:
    """Return the state of the segments in a folder with this maximum size."""
    found = manifest.load(folder)
    since = received_at(found.floor) if found.floor else None
    return HistoryReport(sum(1 for segment in found.segments if segment.file), found.rows, found.size, most, since)
