"""Counts of active installs are right for any period and any order of arrival."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, PEOPLE, Context, Environment, Event, Install
from server.event_id import first_id
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.history.erasure import erase
from server.storage.migrations import migrations
from server.storage.rollups import EVERYONE, NOT_YET, PEOPLE_ONLY, week_of
from server.storage.upkeep import activity_recount
from tests.conftest import rollup_differences

ENGINES = ("sqlite", "postgres")
FIRST = 20_700
DAYS = 40
numbers = itertools.count()
Seen = tuple[int, int, int]  # install, day, environment


def event(install: int, day: int, environment: int = 0, version: str | None = None) -> Event:
    at = (FIRST + day) * DAY + 1_000
    context = Context(Environment(environment), version=version)
    return Event(id=first_id(at) + next(numbers), project=1, name="run", occurred_at=at, context=context, install=install)


def report(install: int, day: int) -> Install:
    at = (FIRST + day) * DAY
    return Install(id=install, project=1, first_seen=at, last_seen=at, context=Context())


async def commit(store: Store, events: list[Event], installs: list[Install] | None = None) -> None:
    await store.commit(Batch(events, installs or [], {1: TargetRules(listed_only=False, most=10)}))


async def counts(store: Store, table: str) -> dict[tuple[int, ...], int]:
    rows = await store.rows(f"SELECT * FROM {table} WHERE project_id = 1 AND installs <> 0")
    return {tuple(list(row.values())[1:-1]): row["installs"] for row in rows}


def members(seen: set[Seen]) -> dict[tuple[int, int], set[int]]:
    """The days of each install in each audience."""
    found = defaultdict(set)
    for install, day, environment in seen:
        for audience in (EVERYONE, environment, *((PEOPLE_ONLY,) if environment in PEOPLE else ())):
            found[install, audience].add(FIRST + day)
    return found


async def expect(store: Store, seen: set[Seen], first_seen: dict[int, int]) -> None:
    """Check that rollups give the same counts as sets of installs, for each period."""
    days = members(seen)
    active, arrivals, cohorts = [await counts(store, f"rollup_{name}") for name in ("active", "arrival", "cohort")]
    for audience in (EVERYONE, PEOPLE_ONLY, *range(6)):
        mine = {install: its for (install, of), its in days.items() if of == audience}
        for start, end in itertools.combinations(range(FIRST, FIRST + DAYS, 3), 2):
            there = {install for install, its in mine.items() if any(start <= day <= end for day in its)}
            summed = sum(n for (day, earlier, of), n in active.items() if of == audience and start <= day <= end and earlier < start)
            assert summed == len(there)
            new = sum(n for (seen_day, day, of), n in arrivals.items() if of == audience and start <= seen_day <= end and day <= end)
            assert new == len({install for install in there if start <= first_seen[install] <= end})
        expected: dict[tuple[int, int], int] = defaultdict(int)
        for install, its in mine.items():
            for week in {week_of(day) for day in its}:
                expected[week_of(first_seen[install]), week] += 1
        assert {(cohort, week): n for (cohort, week, of), n in cohorts.items() if of == audience} == expected
    async with store.snapshot() as snapshot:
        assert await activity_recount.differences(snapshot, 1) == {}


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
async def test_any_order_of_arrival_gives_the_counts_of_every_period(store: Store, where: Path | str, seed: int) -> None:
    chance = random.Random(seed)
    seen: set[Seen] = set()
    first_seen: dict[int, int] = {}
    for _ in range(60):
        events, reports = [], []
        for _ in range(chance.randrange(1, 8)):
            install = chance.randrange(1, 9) if chance.random() < 0.9 else chance.randrange(9, 40)
            day = chance.randrange(DAYS) if chance.random() < 0.5 else DAYS - 1 - chance.randrange(3)
            environment = chance.choice((0, 0, 1, 2, 2, 4))
            events.append(event(install, day, environment, chance.choice((None, "1.0", "1.1", "2.0"))))
            seen.add((install, day, environment))
            first_seen[install] = min(first_seen.get(install, 1 << 40), FIRST + day)
        if chance.random() < 0.3:
            install, day = chance.randrange(1, 12), chance.randrange(-60, DAYS)
            reports.append(report(install, day))
            first_seen[install] = min(first_seen.get(install, 1 << 40), FIRST + day)
        await commit(store, events, reports)
    await expect(store, seen, first_seen)
    assert rollup_differences(where) == {}


async def test_an_install_that_was_only_reported_is_counted_with_its_first_event(store: Store) -> None:
    await commit(store, [], [report(5, 3)])
    assert await counts(store, "rollup_arrival") == {(FIRST + 3, NOT_YET, audience): 1 for audience in (EVERYONE, PEOPLE_ONLY, 0)}
    await commit(store, [], [report(5, 2), report(6, 4)])
    await commit(store, [event(5, 9, 1)])
    await commit(store, [], [report(5, 1)])
    await expect(store, {(5, 9, 1)}, {5: FIRST + 1})
    assert {key: n for key, n in (await counts(store, "rollup_arrival")).items() if key[2] == EVERYONE} == {
        (FIRST + 1, FIRST + 9, EVERYONE): 1,
        (FIRST + 4, NOT_YET, EVERYONE): 1,
    }


async def test_an_erased_install_counts_no_more_and_leaves_the_others(store: Store) -> None:
    await commit(store, [event(install, day, install % 3) for install in range(1, 6) for day in range(install, 30, install)])
    await commit(store, [], [report(9, 2)])
    await erase(store, 1, 3)
    await erase(store, 1, 9)
    seen = {(install, day, install % 3) for install in (1, 2, 4, 5) for day in range(install, 30, install)}
    await expect(store, seen, {install: FIRST + install for install in (1, 2, 4, 5)})


async def test_wrong_counts_of_active_installs_are_found_and_rebuilt(store: Store) -> None:
    seen = {(install, day, 1) for install in range(1, 6) for day in range(install, 30, install)}
    await commit(store, [event(*one) for one in sorted(seen)])
    wrong: list[tuple[str, tuple[Any, ...]]] = [
        ("UPDATE rollup_active SET installs = installs + 1 WHERE day = {}", (FIRST + 4,)),
        ("DELETE FROM rollup_arrival WHERE day = {}", (FIRST + 1,)),
        ("UPDATE activity SET earlier = -1 WHERE day = {} AND install_id = 1", (FIRST + 8,)),
        ("UPDATE install SET active_day = active_day - 1 WHERE id = {}", (2,)),
    ]
    await store.change(*wrong)
    async with store.snapshot() as snapshot:
        found = await activity_recount.differences(snapshot, 1)
    assert set(found) == {"rollup_active", "rollup_arrival", "activity_earlier", "install_days"}
    await store.change(*activity_recount.rebuild_statements(1))
    await expect(store, seen, {install: FIRST + install for install in range(1, 6)})


async def test_a_deleted_day_of_activity_does_not_stop_later_commits(store: Store) -> None:
    await commit(store, [event(1, day) for day in (3, 6, 9, 12)])
    await store.change(("DELETE FROM activity WHERE day = {}", (FIRST + 6,)))
    await commit(store, [event(1, 2)])
    await store.change(*activity_recount.rebuild_statements(1))
    await expect(store, {(1, day, 0) for day in (2, 3, 9, 12)}, {1: FIRST + 2})


async def test_the_migration_counts_activity_from_before_it(store: Store) -> None:
    events = [
        event(install, day, (install + day % 2) % 4, f"1.{day // 9}") for install in range(1, 9) for day in range(install, 30, install)
    ]
    for one in events[::2]:
        one.duration_us = 5_000 + one.id % 7
    await commit(store, events, [report(20, 2), report(3, -9)])
    tables = (
        "rollup_day",
        "rollup_day_duration",
        "rollup_name_duration",
        "rollup_active",
        "rollup_arrival",
        "rollup_cohort",
        "rollup_version",
    )
    everything = [*(f"SELECT * FROM {table}" for table in tables), "SELECT * FROM activity", "SELECT * FROM install"]

    async def kept() -> list[set[tuple[Any, ...]]]:
        return [{tuple(sorted(row.items(), key=str)) for row in await store.rows(query)} for query in everything]

    before = await kept()
    # Earlier versions stored durations by hour.
    key = "project_id INTEGER, hour INTEGER, name_id INTEGER, environment SMALLINT, bucket INTEGER, events BIGINT"
    await store.change(
        (f"CREATE TABLE rollup_hour_duration ({key})", ()),
        (
            "INSERT INTO rollup_hour_duration SELECT project_id, day * 24, name_id, environment, bucket, events FROM rollup_name_duration",
            (),
        ),
    )
    columns = (("activity", "earlier"), *(("install", column) for column in ("first_day", "active_day", "people_day")))
    await store.change(
        *((f"DROP TABLE {table}", ()) for table in tables),
        *((f"ALTER TABLE {table} DROP COLUMN {column}", ()) for table, column in columns),
    )
    (migration,) = [each for each in migrations() if each.name == "footfall_0009_active"]
    await store.change(*((statement, ()) for statement in migration.statements(store.engine_type)))
    assert await kept() == before
