"""The data of one install, and its erasure from the tables and from the file.

Counts stay, because no rollup row names an install. Counts of active installs derive from rows that do, so they drop by one. The days are marked as
partial, because events no longer explain all of their counts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from server.event import DAY, MINUTE
from server.event_id import EPOCH, first_id
from server.storage import changed_days
from server.storage.engine import Store
from server.storage.history.streaming import EVENTS
from server.storage.sqlite.connection_pool import PooledSqliteEngine
from server.storage.statements import BUMP_DICTIONARY_VERSION, ERROR_INSTALL_COLUMNS
from server.storage.upkeep import activity_recount
from server.storage.upkeep.activity_recount import ActivityFilter

EVENTS_A_CHANGE = 500  # deleting these holds the writer for a few milliseconds
ROUNDS = 5  # a client that keeps sending during the erasure creates its install again
LATE = first_id(EPOCH + MINUTE)  # as a difference of ids: a commit in progress may lag this far behind the newest event
CHECKPOINTS = 20
CHECKPOINT_WAIT = 0.25  # seconds between two of them
_ERROR_KEY = ERROR_INSTALL_COLUMNS


@dataclass(frozen=True, slots=True)
class ActiveDay:
    """A day since 1970 on which an install was active in an environment, with the last version it ran there."""

    day: int
    environment: int
    version: str | None


@dataclass(frozen=True, slots=True)
class ErrorDay:
    """A day since 1970 on which an install had a type of error, which is empty for failures without one."""

    day: int
    error_type: str | None
    name: str | None
    version: str | None
    environment: int


@dataclass(frozen=True, slots=True)
class InstallData:
    """The data of an install, with the number of its events. `install` is its row, as in exports of installs."""

    install: dict[str, Any] | None
    activity: list[ActiveDay]
    errors: list[ErrorDay]
    events: int

    def __bool__(self) -> bool:
        return bool(self.install or self.activity or self.errors or self.events)


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """The number of deleted rows. `known` is False if there was nothing to erase. `changes` counts the changes that recorded days.

    `purged` is True if the write-ahead log, which contained the rows, is empty; otherwise the next checkpoint empties it. In both cases, unused
    bytes of pages may contain copies of rows that SQLite moved earlier, until it reuses these bytes; see `rewrite`.
    """

    events: int
    days: int
    errors: int
    purged: bool
    known: bool
    changes: int


async def install_data(store: Store, project: int, install: int, *, strays: bool = False) -> InstallData:
    """Return the data of an install. Events are only counted. With `strays`, events of an install without a row are counted, too."""
    rows = await store.rows("SELECT * FROM install WHERE id = {} AND project_id = {}", install, project)
    # Events have no index by install. An install without a row has no events, so requests for unknown ones are cheap. The exception is
    # another replica that still has the install cached at the moment of its erasure.
    count = "SELECT count(*) AS events FROM event WHERE install_id = {} AND project_id = {}"
    counted = await store.rows(count, install, project) if rows or strays else [{"events": 0}]
    activity = await store.rows(
        f"SELECT day, environment, version FROM activity WHERE project_id = {{}} AND day IN ({store.sql.integers()})"
        " AND install_id = {} ORDER BY day",
        *(project, _days_of(rows), install),
    )
    errors = await store.rows(
        "SELECT error_install.day, error_type.text AS error_type, event_name.text AS name, error_install.version, error_install.environment"
        " FROM error_install LEFT JOIN error_type ON error_type.id = error_install.error_id"
        " LEFT JOIN event_name ON event_name.id = error_install.name_id"
        " WHERE error_install.install_id = {} AND error_install.project_id = {} ORDER BY error_install.day",
        *(install, project),
    )
    return InstallData(
        install=rows[0] if rows else None,
        activity=[ActiveDay(**row) for row in activity],
        errors=[ErrorDay(**row) for row in errors],
        events=int(counted[0]["events"]),
    )


def _days_of(installs: list[dict[str, Any]]) -> str:
    """Return the days on which installs may have been active, as a JSON list.

    The table `activity` has no index by install, since each event would pay for it. Its key begins with the day, so it is read by day.
    """
    return msgspec.json.encode([day for row in installs for day in range(row["first_seen"] // DAY, row["last_seen"] // DAY + 1)]).decode()


async def events_of(store: Store, project: int, install: int, after: int, most: int) -> list[dict[str, Any]]:
    """Return the events of an install after an id in order of arrival, in the form of `streaming.events`."""
    sql = f"{EVENTS} WHERE event.install_id = {{}} AND event.project_id = {{}} AND event.id > {{}} ORDER BY event.id LIMIT {{}}"
    return await store.rows(sql, install, project, after, most)


async def erase(store: Store, project: int, install: int) -> ErasureResult:
    """Erase an install. An unknown install has no rows. Call again after an interruption: the row of the install is deleted last."""
    events = days = errors = changes = 0
    known = False
    async with _SecureDelete(store):
        for _ in range(ROUNDS):
            there = await install_data(store, project, install, strays=known)
            if not there:
                break
            known = True
            await _note_partial(store, project, sorted({*(each.day for each in there.activity), *(each.day for each in there.errors)}))
            late = await _newest(store) - LATE
            erased, changed = await _erase_events(store, project, install)
            events, changes = events + erased, changes + changed + 1
            days, errors = days + len(there.activity), errors + len(there.errors)
            await _erase_rest(store, project, install, late)
        purged = not known or await _purge(store)
    return ErasureResult(events, days, errors, purged, known, changes)


async def _note_partial(store: Store, project: int, days: list[int]) -> None:
    days_of = store.sql.integers()
    sql = f"INSERT INTO partial_day (project_id, day) SELECT CAST({{}} AS INTEGER), value FROM ({days_of}) AS days WHERE true ON CONFLICT DO NOTHING"
    await store.change((sql, (project, msgspec.json.encode(days).decode())), exclusive=True)


async def _erase_events(store: Store, project: int, install: int) -> tuple[int, int]:
    """Delete the events in small changes, so that commits run in between. Return the numbers of events and of changes."""
    erased = changes = 0
    few = "SELECT id, occurred_at, skewed FROM event WHERE install_id = {} AND project_id = {} AND id > {} ORDER BY id LIMIT {}"
    after = -1  # without an index, each query continues where the last one ended
    while rows := await store.rows(few, install, project, after, EVENTS_A_CHANGE):
        after = rows[-1]["id"]
        ids = [row["id"] for row in rows]
        if late := {row["occurred_at"] // DAY for row in rows if row["skewed"]}:  # days on which the install was not active
            await _note_partial(store, project, sorted(late))
        these, numbers = f"id IN ({store.sql.integers()})", (msgspec.json.encode(ids).decode(),)
        record = changed_days.of_events(these, numbers)
        change = await store.change(*record, (f"DELETE FROM event WHERE {these}", numbers), exclusive=True)
        erased, changes = erased + len(ids), changes + 1
        await asyncio.sleep(min(0.05, change.seconds))
    return erased, changes


async def _newest(store: Store) -> int:
    (row,) = await store.rows("SELECT COALESCE(MAX(id), 0) AS id FROM event")
    return int(row["id"])


async def _erase_rest(store: Store, project: int, install: int, late: int) -> None:
    """Delete all other rows by key, in one change. A reader finds the keys, so the writer is held only for the deletion.

    Also deletes events after the id `late`, which may have arrived since the others were deleted.
    """
    days = _days_of(await store.rows("SELECT first_seen, last_seen FROM install WHERE id = {} AND project_id = {}", install, project))
    keys = await store.rows(
        f"SELECT {', '.join(_ERROR_KEY)} FROM error_install WHERE install_id = {{}} AND project_id = {{}}", install, project
    )
    on_days = f"project_id = {{}} AND day IN ({store.sql.integers()}) AND install_id = {{}}"
    its = ActivityFilter(on_days, "install.id = {} AND project_id = {}", (project, days, install), (install, project))
    latest, which = "install_id = {} AND project_id = {} AND id > {}", (install, project, late)
    await store.change(
        *changed_days.of_events(latest, which),
        (f"DELETE FROM event WHERE {latest}", which),
        *activity_recount.removal_statements(its, project),
        (f"DELETE FROM activity WHERE {its.activity}", its.of_activity),
        (
            f"DELETE FROM error_install WHERE ({', '.join(_ERROR_KEY)}) IN ({store.sql.rows(_ERROR_KEY, ('version',))})",
            (msgspec.json.encode([list(row.values()) for row in keys]).decode(),),
        ),
        ("DELETE FROM rejected WHERE install_id = {} AND project_id = {}", (install, project)),
        ("DELETE FROM install WHERE id = {} AND project_id = {}", (install, project)),
        (BUMP_DICTIONARY_VERSION, ()),  # processes that cached the install must drop it
        exclusive=True,
    )


class _SecureDelete:
    """A context in which SQLite overwrites deleted rows with zeros; most builds do not by default. Does nothing on PostgreSQL."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine if isinstance(store.engine, PooledSqliteEngine) else None
        self._before = 0

    async def __aenter__(self) -> None:
        if self._engine is not None:
            rows = await self._engine.run_ddl("PRAGMA secure_delete")
            self._before = int(rows[0]["secure_delete"])
            await self._engine.run_ddl("PRAGMA secure_delete = 1")

    async def __aexit__(self, *_: object) -> None:
        if self._engine is not None:
            await self._engine.run_ddl(f"PRAGMA secure_delete = {self._before}")


async def rewrite(store: Store) -> bool:
    """Rewrite the store without unused bytes. Return True if SQLite's write-ahead log is empty afterwards.

    This holds the writer for some seconds per gigabyte, so run it in a quiet hour.
    """
    await store.engine.run_ddl(store.sql.rewrite)
    return await _purge(store)


async def _purge(store: Store) -> bool:
    """Write the deletions into the file and empty the write-ahead log, which has older copies of the pages. Return True on success.

    Waits for queries that read from the log, but does not hold the writer meanwhile.
    """
    if not isinstance(store.engine, PooledSqliteEngine):
        return True  # PostgreSQL recycles its own log, as configured
    for _ in range(CHECKPOINTS):
        if await store.engine.connections.write(_truncate_log):
            return True
        await asyncio.sleep(CHECKPOINT_WAIT)
    return False


def _truncate_log(connection: Any) -> bool:
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 20")
    try:
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {wait}")
    return not busy
