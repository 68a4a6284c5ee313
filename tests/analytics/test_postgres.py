"""The SQL of the questions gives the same answers on both engines from the same rows."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from piccolo.querystring import QueryString

from server.analytics import vocabulary
from server.analytics.breakdown import By, breakdown
from server.analytics.errors import errors, failures
from server.analytics.experiments import experiment
from server.analytics.family_stats import flakedrop_stats, tool_callers, tool_calls, tool_users, tools
from server.analytics.filters import Filter, equals
from server.analytics.installs import active_users, new_and_returning, version_adoption
from server.analytics.ledger import ledger, limited_addresses, rejected
from server.analytics.overview import overview, series
from server.analytics.pack_downloads import pack_counts
from server.analytics.sequences import funnel, retention
from server.analytics.targets import counters, targets, trending
from server.analytics.timings import Of, timings
from server.event import DAY, HOUR, Environment, Outcome
from server.questions.periods import Period, Step
from server.storage.engine import Store
from server.storage.migrations import migrations
from server.storage.postgres.postgres_sql import SQL
from server.storage.upkeep.trending import refresh_trending
from tests.analytics.conftest import Filled
from tests.analytics.dataset import END, MAIN, START
from tests.postgres import Postgres

pytestmark = [pytest.mark.timeout(1_800), pytest.mark.xdist_group("recount")]

WEEKS = Filter(project=MAIN, period=Period(END - 40 * DAY, END - 5 * DAY))
FILTERS = {
    "everything": WEEKS,
    "people": WEEKS.people(),
    "a name in ci": WEEKS.only(*equals(names=("build", "view"), environments=(Environment.CI,))),
    "linux": WEEKS.only(*equals(os="linux")),
    "a target": WEEKS.only(*equals(target=("tool", "tool-3"))),
    "failures": WEEKS.only(*equals(outcome=Outcome.FAILURE)),
    "hours": WEEKS.during(Period(START + 40 * DAY + 5 * HOUR, START + 47 * DAY + 7 * HOUR)),
}
PICKED = ("hours",)  # from raw events and rollups


class Reader:
    """The part of a PostgreSQL store that questions use."""

    engine_type = "postgres"
    version = 0
    sql = SQL

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()

    def size(self) -> int:
        return 0

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        text, bound = QueryString(sql, *arguments).compile_string(engine_type="postgres")
        async with self._one_at_a_time:
            return [dict(row) for row in await self._connection.fetch(text, *bound)]

    async def rows_within(self, _: float, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        return await self.rows(sql, *arguments)


@pytest.fixture(scope="module")
def address(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.address(postgres.empty())


@pytest.fixture
async def connection(address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address)
    yield connection
    await connection.close()


async def copied(connection: asyncpg.Connection, database: Path) -> None:
    """Create the tables and copy all rows of the SQLite store, once."""
    if await connection.fetchval("SELECT to_regclass('copied')"):
        return
    for migration in migrations():
        for statement in migration.statements("postgres"):
            await connection.execute(statement)
    with contextlib.closing(sqlite3.connect(database)) as source:
        for (table,) in source.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'migration'"
        ):
            cursor = source.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in cursor.description]
            kinds = await connection.fetch(
                "SELECT column_name AS name, data_type AS kind FROM information_schema.columns WHERE table_name = $1", table
            )
            booleans = {row["name"] for row in kinds if row["kind"] == "boolean"}
            rows = [
                tuple(bool(value) if column in booleans else value for column, value in zip(columns, row, strict=True)) for row in cursor
            ]
            await connection.copy_records_to_table(table, columns=columns, records=rows)
    await connection.execute("CREATE TABLE copied (done INTEGER)")


@pytest.mark.parametrize(
    "filter_",
    [pytest.param(filter_, id=name, marks=[] if name in PICKED else [pytest.mark.slow]) for name, filter_ in FILTERS.items()],
)
async def test_charts_are_the_same_on_postgresql(full: Store, filled: Filled, connection: asyncpg.Connection, filter_: Filter) -> None:
    await copied(connection, filled.folder / "footfall.sqlite3")
    asked: dict[str, Any] = {
        "overview": lambda store: overview(store, filter_),
        **{f"series {step.value}": lambda store, step=step: series(store, filter_, step) for step in Step},
        **{f"breakdown {by.value}": lambda store, by=by: breakdown(store, filter_, by, property_name="theme") for by in By},
        "breakdown by an unpicked property": lambda store: breakdown(store, filter_, By.PROPERTY, property_name="variant"),
        "new": lambda store: new_and_returning(store, filter_, Step.MONTH),
        "retention": lambda store: retention(store, filter_),
        "versions": lambda store: version_adoption(store, filter_, Step.WEEK, limit=2),
        **{f"timings {of.value}": lambda store, of=of: timings(store, filter_, of) for of in Of},
        "errors": lambda store: errors(store, filter_),
        "failures": lambda store: failures(store, filter_),
        "failures of a type": lambda store: failures(store, filter_, error_type="Timeout"),
        "targets": lambda store: targets(store, filter_),
        "funnel": lambda store: funnel(store, filter_, ["install_started", "install_completed", "build"]),
        "experiment": lambda store: experiment(store, filter_, "variant", goal="upgrade"),
    }
    if filter_.period.whole_days:
        asked["active users"] = lambda store: active_users(store, filter_)
    for name, ask in asked.items():
        assert await ask(Reader(connection)) == await ask(full), name


async def test_counts_ledger_and_lists_are_the_same_on_postgresql(full: Store, filled: Filled, connection: asyncpg.Connection) -> None:
    await copied(connection, filled.folder / "footfall.sqlite3")
    period = WEEKS.period
    await refresh_trending(full, END - 1)
    await connection.execute("DELETE FROM trending")
    rows = [tuple(row.values()) for row in await full.rows("SELECT * FROM trending")]
    await connection.copy_records_to_table("trending", records=rows)
    asked: dict[str, Any] = {
        "counts": lambda store: pack_counts(store, MAIN, END // DAY),
        "ledger": lambda store: ledger(store, MAIN, period),
        "rejected": lambda store: rejected(store, MAIN),
        "limited": lambda store: limited_addresses(store, MAIN, period),
        "flakedrop": lambda store: flakedrop_stats(store, MAIN),
        "tool calls": lambda store: tool_calls(store, MAIN, period),
        "tools": lambda store: tools(store, MAIN, period),
        "tool users": lambda store: tool_users(store, MAIN, period),
        "tool callers": lambda store: tool_callers(store, MAIN, period),
        "trending": lambda store: trending(store, MAIN, type_="page", window_days=30),
        "counters": lambda store: counters(store, MAIN, "page", ["page-1", "page-2", "none"], listed_only=False),
        "first event": lambda store: vocabulary.first_events(store, [MAIN, 999]),
        "names": lambda store: vocabulary.names(store, MAIN),
        "types": lambda store: vocabulary.target_types(store, MAIN),
        "values": lambda store: vocabulary.values(store, MAIN, "os", period),
        "environments": lambda store: vocabulary.environments(store, MAIN, period),
    }
    for name, ask in asked.items():
        assert await ask(Reader(connection)) == await ask(full), name
