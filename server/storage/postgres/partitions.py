"""Events on PostgreSQL lie in partitions, one a month of their arrival: retention drops a month whole instead of deleting its rows.

An event's id tells when it arrived, so a month is a range of ids. Partitions are made ahead; what has none, such as an import of old events,
lies in the default one until `split_default`.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Protocol

from server.event_id import EPOCH, first_id, received_at
from server.storage.changes import Change


class Store(Protocol):
    """As much of a store as is wanted here."""

    engine_type: str

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]: ...

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change: ...


AHEAD = 2  # months beside the present one
DEFAULT = "event_default"
_ONE_AT_A_TIME = ("SELECT pg_advisory_xact_lock(7205759403792793)", ())
WAIT = 0.5  # seconds for which a partition's lock is waited for, since all commits wait behind it meanwhile ...
PAUSE = 2.0  # ... and after which it is tried again
ATTEMPTS = 60
COUNTED = 1_000_000  # events that are counted before they go; of more it is said about how many they are


def month_of(at: int) -> tuple[int, int]:
    """The year and month of a time in epoch milliseconds, in UTC."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return when.year, when.month


def next_month(year: int, month: int) -> tuple[int, int]:
    """The month after a month."""
    return (year + month // 12, month % 12 + 1)


def first_id_of(year: int, month: int) -> int:
    """The lowest id of a month."""
    return first_id(max(EPOCH, int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)))


def partition_name(year: int, month: int) -> str:
    """The partition of a month."""
    return f"event_{year:04}_{month:02}"


async def create_ahead(store: Store, now: int | None = None, *, attempts: int = ATTEMPTS) -> list[str]:
    """See that the present month and the next ones have partitions; the names of those that were made. Nothing on SQLite."""
    if store.engine_type != "postgres":
        return []
    month = month_of(now if now is not None else time.time_ns() // 1_000_000)
    months = [month]
    for _ in range(AHEAD):
        months.append(next_month(*months[-1]))
    return await _create(store, months, attempts)


async def create_between(store: Store, first: int, last: int) -> list[str]:
    """The same for all months from one time to another, in epoch milliseconds."""
    months = [month_of(first)]
    while months[-1] < month_of(last):
        months.append(next_month(*months[-1]))
    return await _create(store, months)


async def split_default(store: Store) -> list[str]:
    """Give the months of which events lie in the default partition their own, and move them there; the names of these. Nothing on SQLite."""
    if store.engine_type != "postgres":
        return []
    made: list[str] = []
    while True:
        (row,) = await store.rows(f"SELECT min(id) AS first FROM {DEFAULT}")
        if row["first"] is None:
            return made
        new = await _create(store, [month_of(received_at(row["first"]))])
        if not new:
            return made  # another server has just made it
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
        # What lies in the default partition and belongs here moves. All of that partition is locked first: who has a part of it already
        # would wait for who wants the rest.
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
    """The partitions of months, with their first id and the one after their last."""
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
    """Drop the partitions whose events all have lower ids; how many events they had. Nothing on SQLite."""
    if store.engine_type != "postgres":
        return 0
    dropped = 0
    for name, (_, last) in (await partitions(store)).items():
        if last <= end:
            events = await _events_in(store, name)
            await _change_with_retries(store, ATTEMPTS, (f"ALTER TABLE event DETACH PARTITION {name}", ()), (f"DROP TABLE {name}", ()))
            dropped += events
    return dropped


async def _events_in(store: Store, name: str) -> int:
    """How many events a partition has; about, where it has very many, which would take minutes to count."""
    (row,) = await store.rows("SELECT reltuples::bigint AS events FROM pg_class WHERE oid = {}::text::regclass", name)
    if row["events"] <= COUNTED:
        (row,) = await store.rows(f"SELECT count(*) AS events FROM {name}")
    return int(row["events"])


async def _change_with_retries(store: Store, attempts: int, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """A change of partitions, by one server at a time. Whoever reads events holds it up, such as an export of hours: nobody who commits may
    have to wait for that, too.

    Raises where it was held up for minutes: the next run of the job tries again.
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
    """Whether somebody else had a lock for too long. By its name: SQLite's users have no driver that knows it."""
    return type(error).__name__ == "LockNotAvailableError"
