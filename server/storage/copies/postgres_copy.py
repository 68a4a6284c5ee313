"""Copies a store from SQLite to PostgreSQL while it is in use.

Events, which are most of the data, are compared in stretches, and only stretches that differ are copied. The first phase copies all but the newest
events, with one transaction per stretch: an interrupted copy continues there, and no server starts on the target meanwhile. The second phase
copies a consistent state of the rest: one transaction reads the source, another writes the target. It replaces all other tables, which are
small, counts both sides, and rolls back if they differ. A copy can be repeated at any time.

Once a server has used the target, it is no longer a copy, and is not overwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from server.event_id import received_at
from server.settings import Settings
from server.storage import rollups
from server.storage.migrations import APP, StoreError, migrations
from server.storage.postgres import partitions
from server.storage.postgres.opening import UNFINISHED, migrate_postgres
from server.storage.postgres.postgres_store import PostgresStore
from server.storage.postgres.postgres_writer import connect as connect_postgres
from server.storage.sqlite.connection_pool import connect
from server.storage.store_lock import StoreBusy, StoreLock

STRETCH = 20_000  # events that are compared and copied at once
_COPY_LOCK = 7_205_759_403_792_797  # the number of an advisory lock, as for migrations
_LEFT_OUT = ("event", "migration", "lease")  # copied in stretches; own to each side; held by a running process
_LOW = (1 << 32) - 1  # sums of the lower 32 bits fit into 64 bits on both sides
_MARK = "copied_while"  # a note in the target: the value of its note `opened` at the time of the copy
_SUMMED = {rollup.table: rollup.measures for rollup in (*rollups.ROLLUPS, *rollups.OF_ACTIVITY, *rollups.TALLIES)}
_MEASURED = (
    f"count(*), max(id), sum(id & {_LOW}), sum(coalesce(install_id, 0) & {_LOW}), sum(context_id), sum(length(coalesce(properties, '')))"
)

Progress = Callable[[str, int, int], None]
"""A callback with the current table, the rows done and the total rows."""


class CopyError(Exception):
    """The copy failed. The message is one line with the reason."""


@dataclass(frozen=True, slots=True)
class CopyResult:
    """The result of a copy: the rows of the target by table, and the number of events that this copy transferred."""

    rows: dict[str, int]
    copied: int


def copy_to_postgres(settings: Settings, url: str, *, progress: Progress = lambda what, done, total: None) -> CopyResult:
    """Copy the store in the data folder to the PostgreSQL at `url`. Raises CopyError."""
    if not settings.sqlite_path.exists():
        raise CopyError(f"there is no store at {settings.sqlite_path} to copy")
    with _errors(settings.sqlite_path), contextlib.ExitStack() as stack:
        stack.callback(StoreLock(settings.data_dir).release)
        source = stack.enter_context(contextlib.closing(connect(settings.sqlite_path, reader=True)))
        _check_source(source)
        migrate_postgres(url)
        first, last = source.execute("SELECT min(id), max(id) FROM event").fetchone()
        asyncio.run(_make_partitions(url, first, last))
        target = stack.enter_context(connect_postgres(url))
        target.execute("SET statement_timeout = 0; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = 0")
        _check_target(target)
        moving = _Copy(source, target, progress)
        moving.copy_old_events()
        source.execute("BEGIN")
        with target.transaction():
            return moving.finish()


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except StoreBusy:
        raise CopyError("a backup is being restored; try again when this has finished") from None
    except StoreError as error:
        raise CopyError(str(error)) from error
    except sqlite3.Error as error:
        raise CopyError(f"{path} cannot be read: {error}") from error
    except psycopg.errors.LockNotAvailable:
        raise CopyError("the target is in use by another copy or a server") from None
    except psycopg.Error as error:
        # The text of the driver is left out: it may contain the address and row data.
        message = error.diag.message_primary or type(error).__name__
        raise CopyError(f"the PostgreSQL cannot be used: {message}") from None
    except (OSError, TimeoutError) as error:
        raise CopyError(f"the copy was interrupted: {error.strerror or type(error).__name__}") from error


async def _make_partitions(url: str, first: int | None, last: int | None) -> None:
    store = await PostgresStore.open(url)
    try:
        if first is not None and last is not None:
            await partitions.create_between(store, received_at(first), received_at(last))
    finally:
        await store.close()


def _check_source(source: sqlite3.Connection) -> None:
    done = {row[0] for row in source.execute("SELECT name FROM migration WHERE app_name = ?", (APP,))}
    if done != {migration.id for migration in migrations()}:
        raise CopyError("the store was last used by another version; run this version's `footfall migrate` first")


def _check_target(target: psycopg.Connection[Any]) -> None:
    """Allow only a target that is empty or an unused copy, and only one copy at a time."""
    (alone,) = target.execute("SELECT pg_try_advisory_lock(%s)", (_COPY_LOCK,)).fetchone() or (False,)
    if not alone:
        raise CopyError("another copy into the target is in progress")
    notes = dict(target.execute("SELECT name, value FROM note WHERE name IN ('opened', %s)", (_MARK,)).fetchall())
    if _MARK in notes:
        if notes.get("opened", 0) != notes[_MARK]:
            raise CopyError("a server has used the target since the last copy, and its events would be lost; copy to an empty database")
    elif "opened" in notes or target.execute("SELECT 1 FROM event LIMIT 1").fetchone():
        raise CopyError("the target is already in use; copy to an empty database")


class _Copy:
    """One copy in progress."""

    def __init__(self, source: sqlite3.Connection, target: psycopg.Connection[Any], progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        named = source.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        self._tables = [name for (name,) in named if name not in _LEFT_OUT]
        self._total = sum(self._row_counts().values())
        self._done = 0
        self._copied = 0

    def copy_old_events(self) -> None:
        """Copy all events but the newest, while the source may grow."""
        after = -1
        while (stretch := self._stretch(after))[0] == STRETCH:
            with self._target.transaction():
                if self._copy_stretch(after, stretch):
                    self._mark_unfinished()
            after = stretch[1]
            self._step("event", STRETCH)

    def _mark_unfinished(self) -> None:
        """Note in the target that it is an incomplete copy, on which no server may start."""
        note = (
            "INSERT INTO note (name, value) SELECT %s, coalesce((SELECT value FROM note WHERE name = 'opened'), 0) ON CONFLICT DO NOTHING"
        )
        for name in (_MARK, UNFINISHED):
            self._target.execute(note, (name,))

    def finish(self) -> CopyResult:
        """Copy everything that is missing. The caller opens a transaction on each side."""
        counts = self._row_counts()
        self._target.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, self._tables))))
        for table in self._tables:
            rows = self._source.execute(f"SELECT {', '.join(self._columns(table))} FROM {table}")
            self._copy_rows(table, rows)
            self._advance_identity(table)
        self._copy_events()
        self._verify()
        note = "INSERT INTO note (name, value) SELECT %s, coalesce((SELECT value FROM note WHERE name = 'opened'), 0)"
        self._target.execute(note, (_MARK,))
        return CopyResult(counts, self._copied)

    def _row_counts(self) -> dict[str, int]:
        return {table: self._source.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("event", *self._tables)}

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._source.execute(f"PRAGMA table_info({table})")]

    def _copy_rows(self, table: str, rows: sqlite3.Cursor) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, self._columns(table)))
        with self._target.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)) as copying:
            while some := rows.fetchmany(1_000):
                for row in some:
                    copying.write_row(row)
                if table != "event":
                    self._step(table, len(some))

    def _step(self, table: str, rows: int) -> None:
        self._done = min(self._total, self._done + rows)
        self._progress(table, self._done, self._total)

    def _advance_identity(self, table: str) -> None:
        """Set the identity column of a table to continue after the highest copied number."""
        found = self._target.execute(
            "SELECT pg_get_serial_sequence(table_name, column_name) FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = %s AND column_name = 'id' AND is_identity = 'YES'",
            (table,),
        ).fetchone()
        if found is not None:
            highest = sql.SQL("SELECT setval(%s, (SELECT coalesce(max(id), 0) + 1 FROM {}), false)").format(sql.Identifier(table))
            self._target.execute(highest, (found[0],))

    def _copy_events(self) -> None:
        """Copy the stretches of events that differ, and delete events that are no longer in the source."""
        after = -1
        while (stretch := self._stretch(after))[0]:
            self._copy_stretch(after, stretch)
            self._step("event", stretch[0])
            after = stretch[1]
        self._target.execute("DELETE FROM event WHERE id > %s", (after,))

    def _stretch(self, after: int) -> Sequence[Any]:
        """Return the measures of the next stretch: the number of events, the last id, and sums."""
        stretch = f"SELECT id, install_id, context_id, properties FROM event WHERE id > {after} ORDER BY id LIMIT {STRETCH}"
        found: Sequence[Any] = self._source.execute(f"SELECT {_MEASURED} FROM ({stretch})").fetchone()
        return found

    def _copy_stretch(self, after: int, stretch: Sequence[Any]) -> bool:
        """Copy a stretch if it differs. Return True if it was copied."""
        count, last = stretch[:2]
        there = self._target.execute(f"SELECT {_MEASURED} FROM event WHERE id > {after} AND id <= {last}".encode()).fetchone()
        if _numbers(there or ()) == _numbers(stretch):
            return False
        self._target.execute("DELETE FROM event WHERE id > %s AND id <= %s", (after, last))
        columns = ", ".join(self._columns("event"))
        self._copy_rows("event", self._source.execute(f"SELECT {columns} FROM event WHERE id > ? AND id <= ?", (after, last)))
        self._copied += count
        return True

    def _verify(self) -> None:
        """Compare row counts and sums of both sides. Raises CopyError if they differ."""
        for table in ("event", *self._tables):
            measured = ", ".join(("count(*)", *(f"sum({measure})" for measure in _SUMMED.get(table, ()))))
            here = self._source.execute(f"SELECT {measured} FROM {table}").fetchone()
            there = self._target.execute(f"SELECT {measured} FROM {table}".encode()).fetchone()
            if _numbers(there or ()) != _numbers(here):
                raise CopyError(f"{table} differs from the source after the copy; the copy was rolled back. Please report this")


def _numbers(row: Sequence[Any]) -> list[int]:
    """Convert sums, which are None, int or Decimal."""
    return [int(value or 0) for value in row]
