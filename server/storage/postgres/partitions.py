"""Partitions of events on PostgreSQL, one per month of arrival, so that retention drops whole months instead of deleting rows.

The id of an event contains its time of arrival, so a month is a range of ids. Partitions are created ahead. Events of other months, such as
imported ones, are in the default partition until `split_default` moves them.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

from server.clock import epoch_ms
from server.event_id import EPOCH, first_id, received_at
from server.storage import changed_days
from server.storage.changes import Change
from server.storage.store_sql import StoreSql


class Store(Protocol):
    """The part of a store that this module needs."""

    sql: StoreSql

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]: ...

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change: ...


AHEAD = 2  # months after the current one
DEFAULT = "event_default"
_ONE_AT_A_TIME = ("SELECT pg_advisory_xact_lock(7205759403792793)", ())
WAIT = 0.5  # seconds to wait for a lock; meanwhile all commits wait behind it ...
PAUSE = 2.0  # ... and seconds until the next attempt
ATTEMPTS = 60
COUNTED = 1_000_000  # larger partitions are not counted before they are dropped, but estimated


def month_of(at: int) -> tuple[int, int]:
    """Return the year and month (UTC) of a time in epoch milliseconds."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return when.year, when.month


def next_month(year: int, month: int) -> tuple[int, int]:
    """Return the month after a month."""
    return (year + month // 12, month % 12 + 1)


def first_id_of(year: int, month: int) -> int:
    """Return the lowest id of a month."""
    return first_id(max(EPOCH, int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)))


def partition_name(year: int, month: int) -> str:
    """Return the name of the partition of a month."""
    return f"event_{year:04}_{month:02}"


async def create_ahead(store: Store, now: int | None = None, *, attempts: int = ATTEMPTS) -> list[str]:
    """Create missing partitions for the current month and the next ones. Return their names. Does nothing on SQLite."""
    if not store.sql.has_partitions:
        return []
    month = month_of(now if now is not None else epoch_ms())
    months = [month]
    for _ in range(AHEAD):
        months.append(next_month(*months[-1]))
    return await _create(store, months, attempts)


async def create_between(store: Store, first: int, last: int) -> list[str]:
    """Create missing partitions for all months from one time to another, in epoch milliseconds. Return their names."""
    months = [month_of(first)]
    while months[-1] < month_of(last):
        months.append(next_month(*months[-1]))
    return await _create(store, months)


async def split_default(store: Store) -> list[str]:
    """Move events from the default partition into new partitions of their months. Return the names of these. Does nothing on SQLite."""
    if not store.sql.has_partitions:
        return []
    made: list[str] = []
    while True:
        (row,) = await store.rows(f"SELECT min(id) AS first FROM {DEFAULT}")
        if row["first"] is None:
            return made
        new = await _create(store, [month_of(received_at(row["first"]))])
        if not new:
            return made  # another server created it first
        made += new


async def _create(store: Store, months: list[tuple[int, int]], attempts: int = ATTEMPTS) -> list[str]:
    there = await partitions(store)
    made = []
    for month in months:
        name = partition_name(*month)
        if name in there:
            continue
        first, end = first_id_of(*month), first_id_of(*next_month(*month))
        attach = (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = '{name}'::regclass) THEN"
            f" ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end}); END IF; END $$"
        )
        moved = (
            f"WITH moved AS (DELETE FROM {DEFAULT} WHERE id >= {first} AND id < {end} RETURNING *) INSERT INTO {name} SELECT * FROM moved"
        )
        # Rows of this month move out of the default partition. It is locked as a whole first: two servers that each locked a part of it
        # would deadlock.
        await _change_with_retries(
            store,
            attempts,
            (f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE", ()),
            (f"CREATE TABLE IF NOT EXISTS {name} (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", ()),
            (moved, ()),
            (attach, ()),
        )
        made.append(name)
    return made


async def partitions(store: Store) -> dict[str, tuple[int, int]]:
    """Return the partitions of months, each with its half-open range of ids."""
    rows = await store.rows(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'event'::regclass AND inhrelid <> {}::text::regclass ORDER BY 1",
        DEFAULT,
    )
    found = {}
    for row in rows:
        year, month = (int(part) for part in row["name"].removeprefix("event_").split("_"))
        found[row["name"]] = (first_id_of(year, month), first_id_of(*next_month(year, month)))
    return found


async def drop_before(store: Store, end: int) -> int:
    """Drop the partitions whose ids are all below `end`, and return the number of their events. Does nothing on SQLite."""
    if not store.sql.has_partitions:
        return 0
    dropped = 0
    for name, (first, last) in (await partitions(store)).items():
        if last <= end:
            events = await _events_in(store, name)
            detach, drop = (f"ALTER TABLE event DETACH PARTITION {name}", ()), (f"DROP TABLE {name}", ())
            await _change_with_retries(store, ATTEMPTS, detach, drop, *changed_days.of_ids(store.sql, first, last))
            dropped += events
    return dropped


async def _events_in(store: Store, name: str) -> int:
    """Return the number of events in a partition; an estimate if an exact count would take minutes."""
    (row,) = await store.rows("SELECT reltuples::bigint AS events FROM pg_class WHERE oid = {}::text::regclass", name)
    if row["events"] <= COUNTED:
        (row,) = await store.rows(f"SELECT count(*) AS events FROM {name}")
    return int(row["events"])


async def _change_with_retries(store: Store, attempts: int, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Change partitions, on one server at a time, with short waits for locks.

    A long read of events, such as an export, blocks the change. While the change waits, commits wait behind it, so each attempt is short.
    Raises the lock timeout of the last attempt; the next run of the job tries again.
    """
    statements = (_ONE_AT_A_TIME, (f"SET LOCAL lock_timeout = {int(WAIT * 1000)}", ()), *statements)
    for _ in range(attempts - 1):
        try:
            await store.change(*statements)
        except Exception as error:
            if not _is_lock_timeout(error):
                raise
            await asyncio.sleep(PAUSE)
        else:
            return
    await store.change(*statements)


def _is_lock_timeout(error: Exception) -> bool:
    """Return True for a lock timeout. Compares the name of the class, since servers on SQLite do not import the driver."""
    return type(error).__name__ == "LockNotAvailableError"
