"""The segments of a history: read from the store, and merged until a month is one file.

Each step is short and self-contained: it locks the folder, drops stale segments, does one piece of work and replaces the manifest. An interruption
loses at most one piece, and an erasure waits for at most one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import msgspec

from server import logs
from server.event_id import received_at
from server.history import day_marks, manifest, property_columns
from server.history.database import Database, files, literal
from server.history.feeding import Feed
from server.history.folder import Folder
from server.history.manifest import Gap, Manifest, Segment
from server.history.segment_files import select_segments
from server.storage import changed_days
from server.storage.changed_days import ChangeState
from server.storage.changes import Snapshot
from server.storage.engine import Store
from server.storage.history import erasure
from server.storage.history.erasure import ErasureResult
from server.storage.postgres.partitions import first_id_of, month_of, next_month
from server.storage.projects import read_list
from server.tasks import run_in_thread

log = logs.get(__name__)

PIECE = 100_000  # events that one step reads from the store
_MARKING = 100  # bytes of memory for each event of a merge, to compute the marks
SMALL = 20_000  # events; smaller files are merged with any neighbor
_PARQUET = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)"  # rows; a group is in memory while it is written
_BOUNDS = "SELECT min(id), max(id) FROM event WHERE id >= {} AND id < {}"


@dataclass(slots=True)
class Built:
    """The work of one build: events read from the store, and merges of files."""

    events: int = 0
    merges: int = 0

    def __bool__(self) -> bool:
        return bool(self.events or self.merges)


class Builder:
    """Builds the history of one store in one folder."""

    def __init__(self, store: Store, folder: Folder, database: Database, memory: int) -> None:
        """`memory` is that of the database in bytes."""
        self._store = store
        self._most_rows = memory // _MARKING
        self._folder = folder
        self._database = database

    def name_of(self, state: ChangeState) -> str:
        """Return the name of the store in a manifest."""
        return f"{self._store.engine_type}:{state.store}"

    async def step(self, sealed: int, built: Built) -> bool:
        """Do one piece of work below a sealed id. Return False if there is none left."""
        async with self._folder.writing():
            async with self._store.snapshot() as snapshot:
                found = await self.pruned(snapshot)
                gap = max(manifest.gaps(found.segments, found.floor, sealed), key=lambda gap: gap.first, default=None)
                if gap is not None:
                    segment = await self._filled(snapshot, gap)
                    self._replace(found, [], segment)
                    built.events += segment.rows
                    return True
                group = mergeable(found.segments, sealed, self._most_rows, found.bound // 8)
                if not group:
                    return False
                counted = await counted_properties(snapshot)
            merged = await self._merged(group, counted)
            self._replace(found, group, merged)
            built.merges += all(merged.file != segment.file for segment in group)  # not if only its range changed
            return True

    async def prune(self) -> None:
        """Drop stale and damaged segments."""
        async with self._folder.writing(), self._store.snapshot() as snapshot:
            await self.pruned(snapshot)

    async def pruned(self, snapshot: Snapshot) -> Manifest:
        """Drop stale and damaged segments and return the others. The caller holds the lock on the folder."""
        found = manifest.load(self._folder.path)
        state = await changed_days.state(snapshot, found.seen)
        return await run_in_thread(partial(self._folder.prune, found, self.name_of(state), state))

    async def _filled(self, snapshot: Snapshot, gap: Gap) -> Segment:
        """Read a piece of a gap: its last month with events, from the start of that month."""
        seen = (await changed_days.state(snapshot, manifest.NO_END)).number
        ((lowest, highest),) = await snapshot.rows(_BOUNDS, gap.first, gap.end)
        if highest is None:
            return Segment(gap.first, gap.end, 0, seen)
        month = first_id_of(*month_of(received_at(highest)))
        gap = Gap(month if month > lowest else gap.first, gap.end)
        with Feed(self._folder.work, snapshot.rows) as feed:
            is_whole = await feed.add(gap, PIECE)
            properties = property_columns.choose(feed.sample, await counted_properties(snapshot))
            written = Segment(gap.first, gap.end if is_whole else feed.last + 1, feed.rows, seen, properties=properties)
            return await self._written(property_columns.select(f"({feed.relation})", properties), written)

    async def _merged(self, group: list[Segment], counted: list[str]) -> Segment:
        seen, rows = min(segment.seen for segment in group), sum(segment.rows for segment in group)
        first, end = group[0].first, group[-1].end
        named = [segment for segment in group if segment.file]
        if len(named) < 2:
            one = named[0] if named else group[0]
            return msgspec.structs.replace(one, first=first, end=end, seen=seen)
        relation = files([self._folder.path / each.file for each in named])
        sampled = f"SELECT properties FROM {relation} USING SAMPLE {property_columns.SAMPLE} ROWS"
        sample = await self._database.run(lambda connection: connection.execute(sampled).fetchall())
        properties = property_columns.choose((document for (document,) in sample), counted)
        select = " UNION ALL ".join(select_segments(self._folder.path, named, properties))
        merged = Segment(first, end, rows, seen, properties=properties)
        return await self._written(day_marks.marked(select, relation, merged), merged)

    async def _written(self, select: str, segment: Segment, *, is_whole: bool = True) -> Segment:
        """Write the rows of a query of DuckDB into a new file: all of a segment's, or some of them."""
        draft = self._folder.work / f"{secrets.token_hex(8)}.parquet"

        def write(connection: Any) -> Segment:
            (written,) = connection.execute(f"COPY ({select}) TO {literal(str(draft.absolute()))} {_PARQUET}").fetchone()
            if is_whole and written != segment.rows:
                raise OSError(f"{written} of {segment.rows} events were written")
            return _placed(draft, self._folder.path, msgspec.structs.replace(segment, rows=written))

        try:
            return await self._database.run(write)
        finally:
            draft.unlink(missing_ok=True)

    async def erase(self, project: int, install: int) -> ErasureResult:
        """Erase an install from the store, and then from the segments. The store records which segments are stale before they are rewritten."""
        async with self._folder.writing():
            async with self._store.snapshot() as snapshot:
                found = await self.pruned(snapshot)
            result = await erasure.erase(self._store, project, install)
            async with self._store.snapshot() as snapshot:
                state = await changed_days.state(snapshot, found.seen)
            if state.number == found.seen + result.changes:  # otherwise something else has changed, too
                try:
                    await self._rewrite(found, state, f"install_id = {int(install)} AND project_id = {int(project)}")
                except Exception as error:
                    log.warning("history_not_rewritten", error=type(error).__name__)  # such as a full disk: the next build reads it again
            async with self._store.snapshot() as snapshot:
                await self.pruned(snapshot)
        return result

    async def _rewrite(self, found: Manifest, state: ChangeState, erased: str) -> None:
        """Write the changed segments again, without the events that meet a condition."""
        for segment in found.segments:
            if segment.file and manifest.is_changed(segment, state.days):
                select = f"SELECT * FROM {files([self._folder.path / segment.file])} WHERE ({erased}) IS NOT TRUE"
                rewritten = await self._written(select, msgspec.structs.replace(segment, seen=state.number), is_whole=False)
                found = self._replace(found, [segment], rewritten)

    def _replace(self, found: Manifest, old: list[Segment], new: Segment) -> Manifest:
        kept = [segment for segment in found.segments if segment not in old]
        replaced = msgspec.structs.replace(found, segments=sorted([*kept, new], key=lambda segment: segment.first))
        manifest.save(self._folder.path, replaced)
        for segment in old:
            if segment.file and segment.file != new.file:
                (self._folder.path / segment.file).unlink(missing_ok=True)
        return replaced


def _placed(draft: Path, folder: Path, segment: Segment) -> Segment:
    """Move a draft into a folder, under its name, once it is on disk."""
    draft.chmod(0o600)
    manifest.sync(draft)
    name = f"{segment.first:016x}-{segment.end:016x}-{secrets.token_hex(4)}.parquet"
    segment = msgspec.structs.replace(segment, file=name, size=draft.stat().st_size, checksum=manifest.checksum(draft))
    draft.rename(folder / name)
    manifest.sync(folder)
    return segment


async def counted_properties(snapshot: Snapshot) -> list[str]:
    """Return the properties that projects count by."""
    lists = await snapshot.rows("SELECT dimensions FROM project ORDER BY id")
    return list(dict.fromkeys(name for (text,) in lists for name in read_list(text)))


def mergeable(segments: list[Segment], sealed: int, most_rows: int, largest: int) -> list[Segment]:
    """Return segments that should become one: those of a past month, or neighbors of similar size. Empty if there are none.

    `most_rows` is the maximum number of events of the result, `largest` its maximum size in bytes: the oldest segments are evicted as a whole.
    """

    def can_merge(together: list[Segment]) -> bool:
        return sum(each.rows for each in together) <= most_rows and sum(each.size for each in together) <= largest

    for month, neighbors in _by_month(segments):
        together = list(neighbors)
        if month is None or len(together) < 2:
            continue
        if first_id_of(*next_month(*month)) <= sealed and can_merge(together):
            return together
        for first, second in pairwise(together):
            is_small = first.rows + second.rows <= SMALL or not (first.rows and second.rows)
            if is_small or (first.rows <= 2 * second.rows and can_merge([first, second])):
                return [first, second]
    return []


def _by_month(segments: list[Segment]) -> Iterator[tuple[tuple[int, int] | None, Iterator[Segment]]]:
    """Group neighbors by their month of arrival, which is None if a segment has more than one."""

    def month(segment: Segment) -> tuple[int, int] | None:
        first = month_of(received_at(segment.first))
        return first if month_of(received_at(segment.end - 1)) == first else None

    return groupby(segments, month)
