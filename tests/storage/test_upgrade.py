"""Stores of all earlier schema versions are upgraded and give the same answers; a downgrade is refused.

`states/NN.json.gz` hold the rows of stores that the server of that day wrote, from the same 124 posts; states in between have the same rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.settings import Settings, load
from server.storage import migrations
from server.storage.engine import open_store
from server.storage.migrations import StoreError
from server.storage.sqlite.connection_pool import connect
from tests.conftest import SECRET, rows_of

ENGINES = ("sqlite", "postgres")
STATES = Path(__file__).parent / "states"
MIGRATIONS = migrations.migrations()
# The oldest passes through all migrations; `make test` upgrades it, the middle one and the newest alone.
STATES_TO_UPGRADE = [
    pytest.param(state, marks=[] if state in (1, len(MIGRATIONS) // 2, len(MIGRATIONS)) else [pytest.mark.slow])
    for state in range(1, len(MIGRATIONS) + 1)
]
EVENTS, INSTALLS = 124, 16
# One figure of each kind in plain SQL over raw events, as the server of that version answered it.
FIGURES = {
    "outcomes": "SELECT n.text, e.outcome, count(*) FROM event e JOIN event_name n ON n.id = e.name_id GROUP BY 1, 2",
    "contexts": "SELECT c.os, c.version, c.environment, count(*), count(DISTINCT e.install_id) FROM event e JOIN context c ON c.id = e.context_id"
    " GROUP BY 1, 2, 3",
    "days": "SELECT e.occurred_at / 86400000, count(*), count(DISTINCT e.install_id), sum(coalesce(e.duration_us, 0)) FROM event e GROUP BY 1",
}


def rows_of_state(state: int) -> dict[str, Any]:
    """The rows of the newest stored state up to this one; state 2 differs from 3 in empty tables only."""
    stored = sorted(int(path.name[:2]) for path in STATES.glob("*.json.gz"))
    number = 3 if state == 2 else max(each for each in stored if each <= state)
    with gzip.open(STATES / f"{number:02}.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)["tables"]
    return found


def inserts(state: int, mark: str) -> list[tuple[str, list[Any]]]:
    """The statements that fill the tables of a state; `mark` stands for an argument."""
    return [
        (f"INSERT INTO {table} ({', '.join(rows['columns'])}) VALUES ({', '.join(mark for _ in rows['columns'])})", row)
        for table, rows in rows_of_state(state).items()
        for row in rows["rows"]
    ]


def made_on_sqlite(state: int, settings: Settings) -> Path:
    settings.sqlite_path.parent.mkdir(parents=True)
    with contextlib.closing(connect(settings.sqlite_path)) as connection:
        connection.execute(
            "CREATE TABLE migration (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(200) NOT NULL DEFAULT '',"
            " app_name VARCHAR(200) NOT NULL DEFAULT '', ran_on TIMESTAMP NOT NULL DEFAULT current_timestamp)"
        )
        for migration in MIGRATIONS[:state]:
            for statement in migration.statements("sqlite"):
                connection.execute(statement)
            connection.execute("INSERT INTO migration (name, app_name) VALUES (?, 'footfall')", (migration.id,))
        connection.execute("BEGIN")
        connection.execute("DELETE FROM project")
        for statement, row in inserts(state, "?"):
            connection.execute(statement, row)
        connection.execute("COMMIT")
    return settings.sqlite_path


def made_on_postgres(state: int, url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE migration (id SERIAL PRIMARY KEY, name VARCHAR(200) NOT NULL DEFAULT '',"
            " app_name VARCHAR(200) NOT NULL DEFAULT '', ran_on TIMESTAMP NOT NULL DEFAULT current_timestamp)"
        )
        for migration in MIGRATIONS[:state]:
            for statement in migration.statements("postgres"):
                connection.execute(statement.encode())
            connection.execute("INSERT INTO migration (name, app_name) VALUES (%s, 'footfall')", (migration.id,))
        connection.execute("DELETE FROM project")
        kinds: dict[tuple[str, str], str] = {
            (table, column): kind
            for table, column, kind in connection.execute("SELECT table_name, column_name, data_type FROM information_schema.columns")
        }
        for table, rows in rows_of_state(state).items():
            columns = rows["columns"]
            # Booleans are numbers in a SQLite store.
            booleans = {place for place, column in enumerate(columns) if kinds[table, column] == "boolean"}
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('%s' for _ in columns)})"
            for row in rows["rows"]:
                values = [bool(value) if place in booleans and value is not None else value for place, value in enumerate(row)]
                connection.execute(statement.encode(), values)
    return url


@pytest.fixture(params=STATES_TO_UPGRADE, ids=lambda state: f"state{state:02}")
def old(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> tuple[int, Settings]:
    """The settings of a store in a state."""
    state = int(request.param)
    env = {"FOOTFALL_DATA_DIR": str(tmp_path / "data"), "FOOTFALL_SECRET": SECRET}
    if engine == "postgres":
        postgres = request.getfixturevalue("postgres")
        env["FOOTFALL_DATABASE_URL"] = made_on_postgres(state, postgres.address(postgres.empty()))
    settings = load(env)
    if engine == "sqlite":
        made_on_sqlite(state, settings)
    return state, settings


def test_an_upgraded_store_has_all_its_events_and_sums(old: tuple[int, Settings], rollup_differences: Callable[..., Any]) -> None:
    state, settings = old
    where = settings.database_url or settings.sqlite_path
    before = {name: sorted(rows_of(where, sql), key=repr) for name, sql in FIGURES.items()}

    async def upgrade() -> None:
        await (await open_store(settings)).close()

    asyncio.run(upgrade())
    assert {name: sorted(rows_of(where, sql), key=repr) for name, sql in FIGURES.items()} == before
    assert rows_of(where, "SELECT count(*), count(DISTINCT install_id) FROM event") == [(EVENTS, INSTALLS)]
    assert rollup_differences(where) == {}, state


@pytest.mark.on_sqlite
def test_an_upgrade_leaves_a_backup_that_the_version_before_can_open(old: tuple[int, Settings]) -> None:
    state, settings = old

    async def upgrade() -> None:
        await (await open_store(settings)).close()

    asyncio.run(upgrade())
    backups = list((settings.data_dir / "backups").glob("*-upgrade.sqlite3"))
    if state == len(MIGRATIONS):
        assert backups == []
        return
    (backup,) = backups
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM migration ORDER BY name")]
        assert names == [migration.id for migration in MIGRATIONS[:state]]
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (EVENTS,)


@pytest.mark.on_sqlite
def test_the_version_before_refuses_an_upgraded_store_and_changes_nothing(
    old: tuple[int, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, settings = old

    async def opened() -> None:
        await (await open_store(settings)).close()

    asyncio.run(opened())
    if state == len(MIGRATIONS):
        return
    monkeypatch.setattr("server.storage.migrations.migrations", lambda: MIGRATIONS[:state])
    with pytest.raises(StoreError, match="newer Footfall"):
        asyncio.run(opened())
    assert rows_of(settings.sqlite_path, "SELECT count(*) FROM event") == [(EVENTS,)]
