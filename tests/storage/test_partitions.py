"""Partitions on PostgreSQL: one for each month, created in advance; retention drops whole months."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from server.event import DAY, Context, Environment, Event
from server.event_id import first_id
from server.jobs import Run
from server.jobs.retention_job import retention
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.postgres import partitions
from server.storage.postgres.postgres_store import PostgresStore

ENGINES = ("postgres",)
RULES = {1: TargetRules(listed_only=False, most=100)}


def event(at: int, number: int) -> Event:
    context = Context(Environment.PERSON, "", "native")
    return Event(id=first_id(at) + number, project=1, name="run", occurred_at=at, context=context, install=number)


async def lying(store: Store) -> dict[str, int]:
    rows = await store.rows("SELECT tableoid::regclass::text AS name, count(*) AS events FROM event GROUP BY 1")
    return {row["name"]: row["events"] for row in rows}


async def test_the_months_to_come_have_partitions_from_the_start(store: Store) -> None:
    now = time.time_ns() // 1_000_000
    year, month = partitions.month_of(now)
    there = await partitions.partitions(store)
    assert list(there) == [
        partitions.partition_name(*each)
        for each in ((year, month), partitions.next_month(year, month), partitions.next_month(*partitions.next_month(year, month)))
    ]
    await store.commit(Batch([event(now, 1)], target_rules=RULES))
    assert await lying(store) == {partitions.partition_name(year, month): 1}


async def test_events_stored_before_their_partition_exists_move_into_it(store: Store) -> None:
    later = time.time_ns() // 1_000_000 + 200 * DAY
    await store.commit(Batch([event(later, number) for number in range(5)], target_rules=RULES))
    assert await lying(store) == {partitions.DEFAULT: 5}
    assert partitions.partition_name(*partitions.month_of(later)) in await partitions.create_ahead(store, later)
    assert await lying(store) == {partitions.partition_name(*partitions.month_of(later)): 5}
    assert await partitions.create_ahead(store, later) == []


async def test_the_next_full_retention_moves_imported_events_into_monthly_partitions(store: Store, settings: Settings) -> None:
    now = time.time_ns() // 1_000_000
    times = [now - 70 * DAY, now - 130 * DAY, now - 130 * DAY + 1, now - 200 * DAY]
    await store.commit(Batch([event(at, number) for number, at in enumerate(times)], target_rules=RULES))
    assert await lying(store) == {partitions.DEFAULT: 4}
    before = await store.rows("SELECT * FROM event ORDER BY id")
    await retention(Run(store, settings, by_hand=True, now=lambda: now))
    by_month: dict[str, int] = {}
    for at in times:
        name = partitions.partition_name(*partitions.month_of(at))
        by_month[name] = by_month.get(name, 0) + 1
    assert await lying(store) == by_month
    assert await store.rows("SELECT * FROM event ORDER BY id") == before
    assert await partitions.split_default(store) == []


async def test_retention_drops_whole_months_and_every_sum_stays(store: Store, settings: Settings) -> None:
    old = time.time_ns() // 1_000_000 + 100 * DAY
    month = partitions.partition_name(*partitions.month_of(old))
    await partitions.create_ahead(store, old)
    await store.commit(Batch([event(old, number) for number in range(10)], target_rules=RULES))
    before: list[Any] = await store.rows("SELECT * FROM rollup_hour")
    for days, left in ((365 - 1, 10), (365 + 40, 0)):
        said = await retention(Run(store, settings, now=lambda days=days: old + days * DAY))  # type: ignore[misc]
        assert said.startswith(f"{10 - left} events")
        assert sum((await lying(store)).values()) == left
        assert (month in await partitions.partitions(store)) == bool(left)
    assert await store.rows("SELECT * FROM rollup_hour") == before


async def test_a_long_read_blocks_neither_commits_nor_a_start(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    old = time.time_ns() // 1_000_000 + 100 * DAY
    monkeypatch.setattr(partitions, "PAUSE", 0.2)
    await partitions.create_ahead(store, old)
    await store.commit(Batch([event(old, number) for number in range(10)], target_rules=RULES))
    run = Run(store, settings, now=lambda: old + 500 * DAY)
    async with store.snapshot() as snapshot:
        await snapshot.rows("SELECT count(*) FROM event")  # an export begins
        retiring = asyncio.create_task(retention(run))
        waits = []
        for number in range(15):
            began = time.monotonic()
            await store.commit(Batch([event(old + 1_000, 100 + number)], target_rules=RULES))
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
        assert not retiring.done()
        other = await PostgresStore.open(str(settings.database_url))  # its partitions are there
        await other.close()
    said = await retiring
    assert said.startswith("25 events")
    assert max(waits) < 5, "a commit waits as long as one attempt of the job to get its lock, and no longer"
    assert (await lying(store)).keys() <= {partitions.DEFAULT}


async def test_a_large_number_of_deleted_events_is_reported_approximately(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "COUNTED", 5)
    old = time.time_ns() // 1_000_000 + 100 * DAY
    await partitions.create_ahead(store, old)
    await store.commit(Batch([event(old, number) for number in range(10)], target_rules=RULES))
    await store.engine.run_ddl("ANALYZE event")
    assert (await retention(Run(store, settings, now=lambda: old + 500 * DAY))).startswith("10 events")
