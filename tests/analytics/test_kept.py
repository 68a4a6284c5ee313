"""Tables that commits maintain for questions (errors by type, counters, trending, dialects), and their contents after migration 0002."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from server.analytics.errors import errors
from server.analytics.family_stats import flakedrop_stats
from server.analytics.filters import Filter
from server.analytics.targets import Counters, counters, trending
from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.questions.periods import Period
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.commit import transaction
from server.storage.engine import Store, open_store
from server.storage.migrations import migrations
from server.storage.projects import ProjectError
from server.storage.projects.releases import LatestVersion, announce, latest_version
from server.storage.sqlite.connection_pool import connect
from server.storage.upkeep.trending import refresh_trending

MIDNIGHT = 1_795_219_200_000
TODAY = Filter(project=1, period=Period(MIDNIGHT, MIDNIGHT + DAY))
OPEN = {1: TargetRules(listed_only=False, most=1_000)}
numbers = itertools.count()


def event(at: int = MIDNIGHT, **fields: Any) -> Event:
    defaults: dict[str, Any] = {"id": first_id(at) + next(numbers), "project": 1, "name": "run", "occurred_at": at, "context": Context()}
    return Event(**{**defaults, **fields})


async def store_all(store: Store, *events: Event) -> None:
    await store.commit(Batch(list(events), target_rules=OPEN))


def failed(at: int = MIDNIGHT, **fields: Any) -> Event:
    return event(at, **{"error_type": "E", "outcome": Outcome.FAILURE, **fields})


async def test_events_without_errors_write_nothing_about_errors(store: Store) -> None:
    await store_all(store, event(install=1), event(install=1, outcome=Outcome.SUCCESS))
    for table in ("error_type", "rollup_error", "error_install", "error_seen"):
        assert await store.rows(f"SELECT * FROM {table}") == []


async def test_an_error_is_first_and_last_seen_by_its_own_time_whatever_the_order_of_arrival(store: Store) -> None:
    for at in (MIDNIGHT + 50, MIDNIGHT + 20, MIDNIGHT + 90, MIDNIGHT + 70):
        await store_all(store, failed(at, install=1))
    (group,) = (await errors(store, TODAY)).groups
    assert (group.first_seen, group.last_seen, group.events, group.installs.all) == (MIDNIGHT + 20, MIDNIGHT + 90, 4, 1)
    yesterday = await errors(store, TODAY.during(Period(MIDNIGHT - DAY, MIDNIGHT)))
    assert yesterday.groups == []


async def test_the_first_time_of_an_error_follows_the_environments_of_the_filter(store: Store) -> None:
    ci = Context(environment=Environment.CI)
    await store_all(store, failed(MIDNIGHT + 1, context=ci), failed(MIDNIGHT + 2))
    (everyone,), (people,) = (await errors(store, TODAY)).groups, (await errors(store, TODAY.people())).groups
    assert (everyone.first_seen, people.first_seen) == (MIDNIGHT + 1, MIDNIGHT + 2)


async def test_error_types_beyond_the_limit_count_as_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "MAX_ERROR_TYPES", 2)
    for number in range(5):
        await store_all(store, failed(error_type=f"E{number}", install=number))
    found = {group.type: group for group in (await errors(store, TODAY)).groups}
    assert {type_: group.events for type_, group in found.items()} == {"E0": 1, "E1": 1, "(other)": 3}
    assert (found["(other)"].installs.all, found["(other)"].sample) == (3, None)
    assert found["E1"].sample is not None


async def test_a_failed_commit_leaves_no_error_type_behind(store: Store) -> None:
    twice = failed(error_type="new")
    with pytest.raises(Exception, match="UNIQUE"):
        await store_all(store, twice, twice)
    assert await store.rows("SELECT * FROM error_type") == []
    await store_all(store, failed(error_type="new"))
    assert (await errors(store, TODAY)).types == 1


async def test_counters_follow_the_kinds_of_events_and_are_never_negative(store: Store) -> None:
    kinds = {"view": 4, "copy": 3, "download": 2, "template_use": 1, "builder_export": 5, "favorite": 3, "unfavorite": 1, "comment": 2,
             "vote_up": 6, "vote_down": 1, "something else": 9}  # fmt: skip
    await store_all(store, *(event(name=kind, target=("snippet", "a")) for kind, count in kinds.items() for _ in range(count)))
    await store_all(store, event(name="unfavorite", target=("snippet", "b")), event(name="view", target=("page", "a")))
    found = await counters(store, 1, "snippet", ["a", "b", "c"])
    assert found == {"a": Counters(4, 3, 2, 1, 5, 2, 2, 6, 1), "b": Counters()}
    assert await counters(store, 1, "snippet", []) == {}


async def test_private_targets_are_never_shown_and_unlisted_ones_only_where_nothing_is_listed(store: Store) -> None:
    await store_all(store, *(event(name="view", target=("snippet", name)) for name in ("public", "private", "unlisted")))
    await _execute(store, "UPDATE target SET visibility = external_id")
    await refresh_trending(store, MIDNIGHT)
    names = ["public", "private", "unlisted"]
    assert set(await counters(store, 1, "snippet", names)) == {"public", "unlisted"}
    assert set(await counters(store, 1, "snippet", names, listed_only=True)) == {"public"}
    assert {trend.target_id for trend in (await trending(store, 1)).targets} == {"public", "unlisted"}
    assert {trend.target_id for trend in (await trending(store, 1, listed_only=True)).targets} == {"public"}


async def test_a_score_decays_with_age_and_a_kind_has_its_weight(store: Store) -> None:
    def seen(name: str, days: int, target: str, **fields: Any) -> Event:
        return event(MIDNIGHT - days * DAY, name=name, target=("snippet", target), **fields)

    await store_all(
        store,
        seen("view", 0, "today"),
        seen("view", 2, "two days ago"),
        seen("copy", 0, "copied"),
        seen("view", 7, "last week"),
        seen("vote_down", 0, "disliked"),
        seen("view", 0, "in ci", context=Context(environment=Environment.CI)),
        seen("view", 30, "long ago"),
    )
    assert (await trending(store, 1)).targets == []
    assert await refresh_trending(store, MIDNIGHT) == 3 + 4
    week = await trending(store, 1, window_days=7)
    assert [(trend.target_id, trend.score) for trend in week.targets] == [("copied", 3.0), ("today", 1.0), ("two days ago", 0.5)]
    month = await trending(store, 1, window_days=30)
    assert {trend.target_id: trend.score for trend in month.targets}["last week"] == 0.5
    assert await refresh_trending(store, MIDNIGHT + 40 * DAY) == 0
    assert (await trending(store, 1)).targets == []


async def test_a_client_family_counts_only_its_own_events_in_a_shared_project(store: Store) -> None:
    flakedrop, native = Context(dialect="flakedrop", os="linux", version="1.0"), Context(dialect="native", os="darwin")
    await store_all(
        store,
        event(name="deployment", context=flakedrop, install=1, outcome=Outcome.SUCCESS),
        event(name="deployment", context=flakedrop, install=1, outcome=Outcome.FAILURE),
        event(name="deployment", context=flakedrop, install=2),
        event(name="config_created", context=Context(dialect="flakedrop", version="1.1"), install=1),
        event(name="anything", context=flakedrop),
        *(event(name="build", context=native, install=number) for number in range(10, 20)),
    )
    found = await flakedrop_stats(store, 1)
    assert (found.unique_users, found.total_events, found.total_deployments) == (2, 5, 3)
    assert (found.successful_deploys, found.failed_deploys, found.configs_created) == (1, 1, 1)
    assert (found.os_breakdown, found.version_breakdown) == ({"linux": 2}, {"1.1": 1, "1.0": 1})


async def test_a_version_is_announced_and_taken_back(store: Store) -> None:
    assert await latest_version(1) is None
    version = LatestVersion("1.4.0", "2026-11-20", "https://example.com", critical=True)
    await announce(1, version)
    assert await latest_version(1) == version
    await announce(1, None)
    assert await latest_version(1) is None
    for project, wrong in ((9, version), (1, LatestVersion(" ", "", "")), (1, LatestVersion("1", "", "javascript:alert(1)"))):
        with pytest.raises(ProjectError):
            await announce(project, wrong)


async def test_the_migration_counts_the_events_that_are_there(settings: Settings, tmp_path: Path) -> None:
    """A store of the first schema version has the same counts after the second migration as if it had been created with it."""
    store = await open_store(settings)
    context = Context(Environment.CI, "", "flakedrop", "linux", version="1.0")
    await store_all(
        store, failed(install=1, context=context), failed(MIDNIGHT + 5, install=1), failed(install=None, error_type="F"), event(install=2)
    )
    tables = ("error_type", "rollup_error", "error_install", "error_seen")
    expected = {table: set(map(tuple, _all(settings.sqlite_path, table))) for table in tables}
    kept = "id, project_id, first_seen, last_seen, environment, version, dialect"
    installs = _all(settings.sqlite_path, "install", kept)
    names = _all(settings.sqlite_path, "event_name")
    await store.close()
    old = tmp_path / "old.sqlite3"
    first, second = migrations()[:2]
    connection = connect(old)
    for statement in first.statements("sqlite"):
        connection.execute(statement)
    connection.execute("ATTACH DATABASE ? AS new", (str(settings.sqlite_path),))
    for table in ("project", "context", "event", "install", "event_name"):
        columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    connection.execute("DETACH DATABASE new")
    for statement in second.statements("sqlite"):
        connection.execute(statement)
    connection.close()
    assert {table: set(map(tuple, _all(old, table))) for table in tables} == expected
    assert _all(old, "install", kept) == installs
    assert _all(old, "event_name") == names


def _all(path: Path, table: str, columns: str = "*") -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
    finally:
        connection.close()


async def _execute(store: Store, sql: str) -> None:
    await store.engine.run_ddl(sql)
