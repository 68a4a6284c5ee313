"""Rare values are folded without losing a count, and a recount finds exactly the wrong rows."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, HOUR, Context, Environment, Outcome
from server.jobs import Run, rollup_jobs
from server.jobs.retention_job import retention
from server.jobs.rollup_jobs import check_rollups, fold_values, trending
from server.metrics import Metrics
from server.storage.engine import Store
from server.storage.rollups import OTHER, VALUES_A_DAY
from server.storage.statements import NOTE_PARTIAL_DAY

ENGINES = ("sqlite", "postgres")

Make = Callable[..., Any]


@pytest.fixture
def whole(run: Run) -> Run:
    return dataclasses.replace(run, by_hand=True)


@pytest.fixture
def repairing(whole: Run) -> Run:
    return dataclasses.replace(whole, repair=True)


@pytest.fixture
def many_versions(commit: Make, event: Make) -> Make:
    """A function that stores events of `count` versions, more of the first ten, with two names and environments."""

    async def run(count: int, days: float = 0) -> None:
        outcomes = (Outcome.SUCCESS, Outcome.FAILURE)
        await commit(
            event(
                days,
                name=f"n{number % 2}",
                outcome=outcomes[number % 2],
                context=Context(version=f"v{number:05}", environment=Environment(number % 2)),
            )
            for number in range(count)
            for _ in range(5 if number < 10 else 1)
        )

    return run


async def versions(store: Store) -> dict[str, int]:
    rows = await store.rows("SELECT value, sum(events) AS n FROM rollup_dimension WHERE dimension = 'version' GROUP BY value")
    return {row["value"]: row["n"] for row in rows}


TOTALS = "SELECT name_id, environment, sum(events) AS e, sum(successes) AS s, sum(failures) AS f FROM rollup_dimension GROUP BY 1, 2 ORDER BY 1, 2"


async def test_the_most_common_values_stay_and_the_rest_count_as_other(run: Run, store: Store, many_versions: Make) -> None:
    await many_versions(1_500)
    before = await store.rows(TOTALS)
    assert "500 values folded" in await fold_values(run)
    kept = await versions(store)
    assert len(kept) == VALUES_A_DAY + 1
    assert kept[OTHER] == 500
    assert all(kept[f"v{number:05}"] == 5 for number in range(10))
    assert await store.rows(TOTALS) == before


async def test_folding_twice_changes_nothing_and_a_value_that_comes_again_is_folded_again(
    run: Run, store: Store, commit: Make, event: Make, many_versions: Make
) -> None:
    await many_versions(1_500)
    await fold_values(run)
    first = await versions(store)
    assert "0 values folded" in await fold_values(run)
    assert await versions(store) == first
    await commit([event(name="n0", context=Context(version="v01499"))])
    assert "1 values folded" in await fold_values(run)
    assert await versions(store) == {**first, OTHER: 501}


async def test_a_thousand_values_are_within_the_limit(run: Run, store: Store, many_versions: Make) -> None:
    await many_versions(VALUES_A_DAY)
    assert "0 values folded" in await fold_values(run)
    assert OTHER not in await versions(store)


async def test_only_new_days_and_days_with_late_events_are_folded(
    run: Run, store: Store, commit: Make, event: Make, now: int, many_versions: Make
) -> None:
    await fold_values(run)
    await commit(event(0, occurred_at=now - 20 * DAY, context=Context(version=f"late {number}")) for number in range(VALUES_A_DAY + 5))
    assert "5 values folded" in await fold_values(run)
    tomorrow = dataclasses.replace(run, now=lambda: now + DAY)
    await fold_values(tomorrow)
    await many_versions(1_500, 3)  # with ids of three days ago, like an import
    assert "0 values folded" in await fold_values(tomorrow)
    assert "500 values folded" in await fold_values(dataclasses.replace(tomorrow, by_hand=True))


@pytest.mark.engine_matters
async def test_a_recount_agrees_with_what_commits_counted(
    whole: Run, store: Store, commit: Make, varied: Make, stored_at: Path, rollup_differences: Make
) -> None:
    for days in (40, 3, 1, 0):
        await commit(varied(700, days))
    assert rollup_differences(stored_at) == {}
    assert await check_rollups(whole) == "4 project days recounted: all agree"


async def test_at_night_the_last_days_are_counted(run: Run, store: Store, commit: Make, varied: Make) -> None:
    for days in (5, 1, 0):
        await commit(varied(100, days))
    assert await check_rollups(run) == "2 project days recounted: all agree"


# Each kind of wrong row, in each table that is recounted.
A_SUM = "UPDATE {table} SET events = events + 3 WHERE {day}"
A_ROW_LOST = "DELETE FROM {table} WHERE {day}"
HOURLY, DAILY, SETS = ("rollup_hour",), (
    "rollup_day", "rollup_day_duration", "rollup_name_duration", "rollup_dimension", "rollup_target_day", "rollup_target_duration", "rollup_error"
), ("activity", "error_install")  # fmt: skip
COUNTED = (*HOURLY, *DAILY, "rollup_target_total")
# Tables with wrong rows in `make test`, one of each kind: by hour, by value, and without a day.
PICKED = ("rollup_hour", "rollup_dimension", "rollup_target_total")
WRONGS = [
    *(pytest.param(table, A_SUM, marks=[] if table in PICKED else [pytest.mark.slow]) for table in COUNTED),
    *(pytest.param(table, A_ROW_LOST, marks=[] if table in PICKED[:1] else [pytest.mark.slow]) for table in COUNTED),
    *((table, A_ROW_LOST) for table in SETS),
]


def of_day(table: str, day: int) -> str:
    if table == "rollup_target_total":
        return "target_id = 1"
    return f"hour / 24 = {day}" if table in HOURLY else f"day = {day}"


@pytest.mark.parametrize(("table", "wrong"), WRONGS)
async def test_wrong_rows_are_reported_and_repaired_only_on_request(
    whole: Run, repairing: Run, store: Store, commit: Make, varied: Make, tables: Make, now: int, table: str, wrong: str
) -> None:
    await commit([*varied(300, 3), *varied(300, 2)])
    right = tables(table)
    changed = (await store.change((wrong.format(table=table, day=of_day(table, now // DAY - 3)), ()))).rows[0]
    assert changed
    metrics = Metrics("test")
    said = await check_rollups(dataclasses.replace(whole, metrics=metrics))
    if table == "activity":  # its counts differ as well
        assert f"{changed:,} in activity" in said
        assert "in rollup_active" in said
    else:
        assert said.endswith(f"{changed:,} rows differ ({changed:,} in {table})")
        assert metrics.rollup_differences == changed
    assert tables(table) != right
    assert "and were repaired" in await check_rollups(repairing)
    # The last version of an install is not recounted; the rest is unchanged.
    compared = [row[:4] if table == "activity" else row for row in tables(table)[table]]
    assert compared == [row[:4] if table == "activity" else row for row in right[table]]
    assert "all agree" in await check_rollups(whole)


async def test_the_recount_deletes_rows_that_no_event_explains(
    whole: Run, repairing: Run, store: Store, commit: Make, varied: Make, tables: Make, now: int
) -> None:
    await commit(varied(100, 1))
    right = tables()
    hour = (now - DAY) // HOUR
    await store.change(
        ("INSERT INTO rollup_hour VALUES (1, {}, 999, 1, 4, 0, 0, 0, 0)", (hour,)),
        ("INSERT INTO activity (project_id, day, install_id, environment) VALUES (1, {}, 424242, 1)", (hour // 24,)),
    )
    assert "1 in activity" in await check_rollups(whole)
    await check_rollups(repairing)
    assert tables() == right


async def test_one_day_alone_may_be_counted(whole: Run, store: Store, commit: Make, varied: Make, now: int) -> None:
    await commit([*varied(100, 3), *varied(100, 2)])
    await store.change(("UPDATE rollup_hour SET events = events + 1", ()))
    one = dataclasses.replace(whole, day=now // DAY - 3)
    assert (await check_rollups(one)).startswith("1 project days recounted: ")
    two = await check_rollups(whole)
    assert two.startswith("2 project days recounted: ")


async def test_late_events_are_not_differences(whole: Run, run: Run, commit: Make, event: Make, now: int) -> None:
    await commit(event(days, occurred_at=now - 29 * DAY, install=1, duration_us=5) for days in (28, 10, 0))
    await commit([event(0, occurred_at=now + 4 * 60_000)])
    assert "all agree" in await check_rollups(whole)
    assert "all agree" in await check_rollups(run)


async def test_folded_values_are_not_differences_but_wrong_ones_are(
    run: Run, whole: Run, repairing: Run, store: Store, commit: Make, event: Make, many_versions: Make
) -> None:
    await many_versions(1_500)
    await fold_values(run)
    await commit([event(name="n1", context=Context(version="v01499", environment=Environment.PERSON))] * 1)
    assert "all agree" in await check_rollups(whole)
    before = await store.rows(TOTALS)
    await store.change((f"UPDATE rollup_dimension SET events = events + 7 WHERE value = '{OTHER}' AND name_id = 1", ()))
    await store.change(("UPDATE rollup_dimension SET failures = failures + 2 WHERE value = 'v00001'", ()))
    assert "2 rows differ" in await check_rollups(whole)
    await check_rollups(repairing)
    assert "all agree" in await check_rollups(whole)
    assert await store.rows(TOTALS) == before


async def test_days_with_events_deleted_by_retention_are_skipped(
    run: Run, whole: Run, repairing: Run, commit: Make, varied: Make, event: Make, tables: Make, now: int
) -> None:
    await commit([*varied(200, 400), *varied(200, 364), *varied(200, 1)])
    # It occurred on a day of which retention deleted a part.
    await commit([event(365.2, occurred_at=now - int(365.2 * DAY)), event(364.9, occurred_at=now - int(365.2 * DAY))])
    before = tables()
    await retention(run)
    said = await check_rollups(repairing)
    assert said == "2 project days recounted: all agree"
    assert tables() == before


async def test_days_marked_as_partial_are_skipped(whole: Run, store: Store, commit: Make, varied: Make, now: int) -> None:
    await commit([*varied(100, 2), *varied(100, 1)])
    day = now // DAY - 2
    await store.change(
        ("DELETE FROM event WHERE occurred_at < {}", ((day + 1) * DAY,)),
        (NOTE_PARTIAL_DAY, (1, day)),
        (NOTE_PARTIAL_DAY, (1, day)),
    )
    assert await check_rollups(whole) == "1 project days recounted: all agree"


@pytest.mark.slow
async def test_events_that_arrive_during_a_check_are_not_differences(
    whole: Run, store: Store, commit: Make, varied: Make, event: Make
) -> None:
    await commit(varied(10_000, 1))
    came = 0

    def progress(counted: int) -> None:
        nonlocal came
        came += 1

    async def posts() -> None:
        while came < 5:
            await commit(varied(20, 1))

    posting = asyncio.create_task(posts())
    said = await check_rollups(dataclasses.replace(whole, progress=progress))
    await posting
    assert "all agree" in said


async def test_events_that_arrive_during_a_repair_are_not_lost(
    repairing: Run, whole: Run, store: Store, commit: Make, varied: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(varied(200, 1))
    await store.change(("UPDATE rollup_hour SET events = events - 5", ()))
    change, late = store.change, [True]

    async def with_a_post_before(*statements: Any, **how: Any) -> Any:
        if late and "rollup_hour" in statements[0][0]:
            late.pop()
            await commit(varied(50, 1))
        return await change(*statements, **how)

    monkeypatch.setattr(store, "change", with_a_post_before)
    assert "and were repaired" in await check_rollups(repairing)
    assert not late
    assert "all agree" in await check_rollups(whole)


async def test_the_job_refreshes_trending_targets(run: Run, store: Store, commit: Make, varied: Make) -> None:
    await commit(varied(200, 1))
    assert await trending(run) == await trending(run)
    assert await store.rows("SELECT 1 FROM trending LIMIT 1")


@pytest.mark.parametrize("days", range(7))
async def test_many_days_of_activity_are_counted_again_on_sundays_only(
    run: Run, store: Store, commit: Make, event: Make, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    now = run.now() + days * DAY
    sunday = datetime.fromtimestamp(now / 1000, UTC).isoweekday() == 7
    await commit(event(install=number) for number in range(3))
    await store.change(("UPDATE rollup_active SET installs = installs + 1", ()))
    nightly = dataclasses.replace(run, now=lambda: now)
    assert "in rollup_active" in await check_rollups(nightly)
    monkeypatch.setattr(rollup_jobs, "NIGHTLY_ACTIVITY", 2)
    assert ("in rollup_active" in await check_rollups(nightly)) is sunday


GROWTH = 40 * 2**20  # bytes; a sort in memory would take twice that


@pytest.mark.slow
def test_the_memory_of_a_check_stays_flat_however_many_days_of_activity_there_are(tmp_path: Path) -> None:
    program = """
import asyncio, re, sys
from pathlib import Path
from server.jobs import Run
from server.jobs.rollup_jobs import check_rollups
from server.settings import load
from server.storage.engine import open_store
from server.storage.projects import ensure_default

peak = lambda: int(re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) * 1024

async def check():
    settings = load({"FOOTFALL_DATA_DIR": sys.argv[1]})
    store = await open_store(settings)
    await ensure_default()
    days = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 249999) SELECT 1, 20000 + i / 20000, i % 20000 + 1, 1, '1.0' FROM n"
    await store.change((f"INSERT INTO activity (project_id, day, install_id, environment, version) {days}", ()))
    before = peak()
    print(await check_rollups(Run(store, settings)))
    print(peak() - before)
    await store.close()

asyncio.run(check())
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=280, check=True)
    said, growth = done.stdout.splitlines()[-2:]
    assert "rows differ" in said
    assert int(growth) < GROWTH
