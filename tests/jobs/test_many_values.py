"""Promises about clients that send a new version or error type with each event: few rows are kept, and no figure changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from server.event import Context, Environment, Outcome
from server.jobs import Run
from server.jobs.rollup_jobs import check_rollups, fold_values
from server.storage.engine import Store
from server.storage.rollups import OTHER, VALUES_A_DAY

Make = Callable[..., Any]
ENGINES = ("sqlite", "postgres")
HONEST = [f"1.{number}" for number in range(5)]
HOSTILE = VALUES_A_DAY + 200

# Sums over all versions, which must not change.
SUMS = (
    "SELECT day, audience, sum(installs) AS n FROM rollup_version GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT error_id, name_id, environment, sum(events) AS n FROM rollup_error GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT DISTINCT error_id, name_id, install_id, environment FROM error_install ORDER BY 1, 2, 3, 4",
    "SELECT day, install_id, environment, version IS NULL AS none FROM activity ORDER BY 1, 2, 3, 4",
)


@pytest.fixture
def whole(run: Run) -> Run:
    return dataclasses.replace(run, by_hand=True)


@pytest.fixture
def failed(event: Make) -> Make:
    """A failed event of a version."""

    def make(version: str, install: int, error: str = "Timeout", environment: Environment = Environment.PERSON) -> Any:
        context = Context(version=version, environment=environment)
        return event(install=install, outcome=Outcome.FAILURE, error_type=error, context=context)

    return make


@pytest.fixture
def flood(commit: Make, failed: Make) -> Make:
    """A function that stores events of a few versions, and hostile events with one version each. Some installs send both."""

    async def run(first: int = 0) -> None:
        honest = [failed(version, 1 + number, "Honest") for number in range(10) for version in HONEST]
        hostile = [failed(f"x{first + number:05}", 100 + number % 1_150, f"Error{number % 300}") for number in range(HOSTILE)]
        also = [failed(f"x{first + number:05}", 1 + number, "Honest", Environment.CI) for number in range(10)]
        await commit([*honest, *hostile, *also])

    return run


async def sums(store: Store) -> list[Any]:
    return [await store.rows(sql) for sql in SUMS]


async def versions_in(store: Store, table: str, and_: str = "") -> set[str]:
    return {row["version"] for row in await store.rows(f"SELECT DISTINCT version FROM {table} WHERE version IS NOT NULL {and_}")}


@pytest.mark.slow
async def test_a_client_that_invents_versions_leaves_few_rows_and_moves_no_figure(run: Run, whole: Run, store: Store, flood: Make) -> None:
    for first in (0, HOSTILE, 2 * HOSTILE):
        await flood(first)
        before = await sums(store)
        await fold_values(run)
        assert await sums(store) == before
        assert "all agree" in await check_rollups(whole)
    for table in ("rollup_version", "activity"):
        assert len(await versions_in(store, table)) <= VALUES_A_DAY + 1, table
    for table in ("rollup_error", "error_install"):
        (pairs,) = await store.rows(f"SELECT count(*) AS n FROM (SELECT DISTINCT error_id, version FROM {table}) AS pairs")
        assert pairs["n"] <= VALUES_A_DAY + 301, table
    assert await store.rows("SELECT 1 AS one FROM rollup_version WHERE installs <= 0") == []


async def test_common_values_keep_rows_of_their_own(run: Run, store: Store, flood: Make) -> None:
    await flood()
    sql = "SELECT version, sum(events) AS n FROM rollup_error WHERE version LIKE '1.%' GROUP BY version ORDER BY version"
    before = await store.rows(sql)
    await fold_values(run)
    assert await store.rows(sql) == before
    assert await versions_in(store, "rollup_version", "AND version LIKE '1.%'") == {HONEST[-1]}
    assert {OTHER, HONEST[-1]} <= await versions_in(store, "activity")


@pytest.mark.slow
async def test_a_version_that_comes_again_after_folding_is_counted_once(
    run: Run, whole: Run, store: Store, flood: Make, commit: Make, failed: Make
) -> None:
    await flood()
    await fold_values(run)
    (folded,) = await store.rows("SELECT min(install_id) AS install FROM activity WHERE version = {}", OTHER)
    await commit([failed(f"x{HOSTILE - 1:05}", folded["install"]), failed("2.0", folded["install"]), failed(f"x{HOSTILE - 1:05}", 5)])
    assert "all agree" in await check_rollups(whole)
    before = await sums(store)
    await fold_values(run)
    assert await sums(store) == before
    assert "all agree" in await check_rollups(whole)
    one = f"version = '{OTHER}' AND error_id = (SELECT max(error_id) FROM rollup_error WHERE version = '{OTHER}')"
    await store.change((f"UPDATE rollup_error SET events = events + 7 WHERE {one}", ()))
    await store.change((f"DELETE FROM error_install WHERE {one}", ()))
    assert "rows differ" in await check_rollups(whole)
    await check_rollups(dataclasses.replace(whole, repair=True))
    assert await sums(store) == before
