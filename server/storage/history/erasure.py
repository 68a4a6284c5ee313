"""What is held of one install, and how it goes: from the tables, then from the file.

Counts stay: no row of a rollup names an install. Who was active on a day is counted from rows that do name installs, so those numbers drop by
the one who left. The days are noted as partial, because events no longer tell all that was counted on them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from server.event import DAY, MINUTE
from server.event_id import EPOCH, first_id
from server.storage import json_lists
from server.storage.engine import Store
from server.storage.history.streaming import EVENTS
from server.storage.sqlite.connection_pool import PooledSqliteEngine
from server.storage.statements import BUMP_DICTIONARY_VERSION, ERROR_INSTALL_COLUMNS
from server.storage.upkeep import activity_recount
from server.storage.upkeep.activity_recount import ActivityFilter

EVENTS_A_CHANGE = 500  # a few milliseconds of the writer
ROUNDS = 5  # a client that goes on sending while it is erased is an install that is new each time
LATE = first_id(EPOCH + MINUTE)  # as a difference of ids: what a commit under way may be behind the newest event
CHECKPOINTS = 20
CHECKPOINT_WAIT = 0.25  # seconds between two of them
_ERROR_KEY = ERROR_INSTALL_COLUMNS


@dataclass(frozen=True, slots=True)
class InstallData:
    """What there is of an install beside its events. `activity` and `errors` are rows of these tables with words for numbers."""

    install: dict[str, Any] | None
    activity: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    events: int

    def __bool__(self) -> bool:
        return bool(self.install or self.activity or self.errors or self.events)


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """How many rows went; `known` is false where there was nothing to erase.

    `purged`: the log, which held the rows as they were, is empty; else the next checkpoint empties it. Either way unused bytes of pages may hold
    copies of rows that SQLite once moved to other pages, until it uses those bytes again; see `rewrite`.
    """

    events: int
    days: int
    errors: int
    purged: bool
    known: bool


async def install_data(store: Store, project: int, install: int, *, strays: bool = False) -> InstallData:
    """All that is held of an install, but for the events themselves, which are counted; with `strays` also where there is no row of it."""
    rows = await store.rows("SELECT * FROM install WHERE id = {} AND project_id = {}", install, project)
    # Events have no index by install, and none is without its install's row: whoever asks for an unknown one costs nothing. Only another
    # replica, in the moment in which an install is erased, may still take it for known.
    count = "SELECT count(*) AS events FROM event WHERE install_id = {} AND project_id = {}"
    counted = await store.rows(count, install, project) if rows or strays else [{"events": 0}]
    activity = await store.rows(
        f"SELECT day, environment, version FROM activity WHERE project_id = {{}} AND day IN ({json_lists.integers(store.engine_type)})"
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
    return InstallData(rows[0] if rows else None, activity, errors, int(counted[0]["events"]))


def _days_of(installs: list[dict[str, Any]]) -> str:
    """The days on which an install can have been active, as a JSON list. Activity is kept by day, for all installs together, and has no index
    by install, which each event would have to pay for; so it is looked up day by day.
    """
    return msgspec.json.encode([day for row in installs for day in range(row["first_seen"] // DAY, row["last_seen"] // DAY + 1)]).decode()


async def events_of(store: Store, project: int, install: int, after: int, most: int) -> list[dict[str, Any]]:
    """An install's events after an id, in the order of their arrival, as `streaming.events` gives them."""
    sql = f"{EVENTS} WHERE event.install_id = {{}} AND event.project_id = {{}} AND event.id > {{}} ORDER BY event.id LIMIT {{}}"
    return await store.rows(sql, install, project, after, most)


async def erase(store: Store, project: int, install: int) -> ErasureResult:
    """Erase an install; the rows of an install that is not known are none. May be repeated where it was interrupted: its row goes last."""
    events = days = errors = 0
    known = False
    async with _SecureDelete(store):
        for _ in range(ROUNDS):
            there = await install_data(store, project, install, strays=known)
            if not there:
                break
            known = True
            await _note_partial(store, project, sorted({row["day"] for row in (*there.activity, *there.errors)}))
            late = await _newest(store) - LATE
            events += await _erase_events(store, project, install)
            days, errors = days + len(there.activity), errors + len(there.errors)
            await _erase_rest(store, project, install, late)
        purged = not known or await _purge(store)
    return ErasureResult(events, days, errors, purged, known)


async def _note_partial(store: Store, project: int, days: list[int]) -> None:
    days_of = json_lists.integers(store.engine_type)
    sql = f"INSERT INTO partial_day (project_id, day) SELECT CAST({{}} AS INTEGER), value FROM ({days_of}) AS days WHERE true ON CONFLICT DO NOTHING"
    await store.change((sql, (project, msgspec.json.encode(days).decode())), exclusive=True)


async def _erase_events(store: Store, project: int, install: int) -> int:
    """The events, a few at a time, so that commits pass in between."""
    erased = 0
    few = "SELECT id, occurred_at, skewed FROM event WHERE install_id = {} AND project_id = {} AND id > {} ORDER BY id LIMIT {}"
    after = -1  # there is no index: each look goes on where the last one ended
    while rows := await store.rows(few, install, project, after, EVENTS_A_CHANGE):
        after = rows[-1]["id"]
        ids = [row["id"] for row in rows]
        if late := {row["occurred_at"] // DAY for row in rows if row["skewed"]}:  # days on which the install was not active
            await _note_partial(store, project, sorted(late))
        change = await store.change(
            (f"DELETE FROM event WHERE id IN ({json_lists.integers(store.engine_type)})", (msgspec.json.encode(ids).decode(),)),
            exclusive=True,
        )
        erased += len(ids)
        await asyncio.sleep(min(0.05, change.seconds))
    return erased


async def _newest(store: Store) -> int:
    (row,) = await store.rows("SELECT COALESCE(MAX(id), 0) AS id FROM event")
    return int(row["id"])


async def _erase_rest(store: Store, project: int, install: int, late: int) -> None:
    """Everything else, in one change of rows named by their keys; found by a reader, so that the writer is held only to take them away.

    Events after the id `late` go too: they may have come since the others were looked for.
    """
    days = _days_of(await store.rows("SELECT first_seen, last_seen FROM install WHERE id = {} AND project_id = {}", install, project))
    keys = await store.rows(
        f"SELECT {', '.join(_ERROR_KEY)} FROM error_install WHERE install_id = {{}} AND project_id = {{}}", install, project
    )
    on_days = f"project_id = {{}} AND day IN ({json_lists.integers(store.engine_type)}) AND install_id = {{}}"
    its = ActivityFilter(on_days, "install.id = {} AND project_id = {}", (project, days, install), (install, project))
    await store.change(
        ("DELETE FROM event WHERE install_id = {} AND project_id = {} AND id > {}", (install, project, late)),
        *activity_recount.removal_statements(its, project),
        (f"DELETE FROM activity WHERE {its.activity}", its.of_activity),
        (
            f"DELETE FROM error_install WHERE ({', '.join(_ERROR_KEY)}) IN ({json_lists.rows(store.engine_type, _ERROR_KEY, ('version',))})",
            (msgspec.json.encode([list(row.values()) for row in keys]).decode(),),
        ),
        ("DELETE FROM rejected WHERE install_id = {} AND project_id = {}", (install, project)),
        ("DELETE FROM install WHERE id = {} AND project_id = {}", (install, project)),
        (BUMP_DICTIONARY_VERSION, ()),  # whoever has just seen the install must not take it for known
        exclusive=True,
    )


class _SecureDelete:
    """SQLite's writer overwrites what it deletes, meanwhile. Some builds always do, most do not. PostgreSQL's vacuum sees to its own."""

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
    """Write everything anew, without a byte that is not in use. Whether the log of SQLite is empty then, too.

    Holds the writer for some seconds for each gigabyte: for a quiet hour.
    """
    await store.engine.run_ddl("VACUUM" if store.engine_type == "sqlite" else "VACUUM FULL")
    return await _purge(store)


async def _purge(store: Store) -> bool:
    """Write the deletions to their place in the file and empty the log, where older copies of the pages are. Whether that was done.

    Waits for questions under way, which read from the log, but never holds the writer while it does.
    """
    if not isinstance(store.engine, PooledSqliteEngine):
        return True  # the log is PostgreSQL's own, and goes as it is set up
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
