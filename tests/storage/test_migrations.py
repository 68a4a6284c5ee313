"""After an interrupted migration, the next start opens the store."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from piccolo.table import Table

from server.settings import Settings, bundled
from server.storage import engine, migrations, tables
from server.storage.engine import TABLES, open_store
from server.storage.migrations import StoreError
from server.storage.postgres.opening import migrate_postgres
from server.storage.rollups import ROLLUPS, TALLIES
from server.storage.sqlite.opening import migrate
from tests.conftest import rows_of

ENGINES = ("sqlite", "postgres")


def columns(store: Path | str, table: str) -> list[str]:
    of_postgres = "SELECT column_name FROM information_schema.columns WHERE table_name = '{}' ORDER BY ordinal_position"
    of_sqlite = "SELECT name FROM pragma_table_info('{}')"
    return [name for (name,) in rows_of(store, (of_sqlite if isinstance(store, Path) else of_postgres).format(table))]


@pytest.fixture
def migrated(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path | str:
    """An empty store with all tables."""
    every = [migration.name for migration in migrations.migrations()]
    if engine == "postgres":
        postgres = request.getfixturevalue("postgres")
        url: str = postgres.address(postgres.empty())
        assert migrate_postgres(url) == every
        assert migrate_postgres(url) == []
        return url
    path = tmp_path / "store.sqlite3"
    assert migrate(path) == every
    return path


@pytest.mark.engine_matters
def test_from_empty_to_the_newest_every_piccolo_table_has_its_columns(migrated: Path | str) -> None:
    for table in TABLES:
        mapped = [column._meta.db_column_name for column in table._meta.columns]
        assert set(mapped) <= set(columns(migrated, table._meta.tablename)), table


def test_every_rollup_has_its_key_and_measures(migrated: Path | str) -> None:
    for rollup in (*ROLLUPS, *TALLIES):
        assert columns(migrated, rollup.table) == [*rollup.key, *rollup.measures]


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    migrate(path)
    assert migrate(path) == []


def test_a_migration_killed_before_its_record_is_repeated_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    # The connection is lost in the transaction, after the tables were created and before the migration is recorded.
    program = f"""
import os, sqlite3
from pathlib import Path
from server.storage.sqlite import opening
real = opening.connect
class Dying:
    def __init__(self, connection): self.connection = connection
    def execute(self, sql, *arguments):
        if sql.startswith("INSERT INTO migration"):
            os.kill(os.getpid(), 9)
        return self.connection.execute(sql, *arguments)
    def __getattr__(self, name): return getattr(self.connection, name)
opening.connect = lambda path: Dying(real(path))
opening.migrate(Path({str(path)!r}))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert migrate(path) == [migration.name for migration in migrations.migrations()]
    assert columns(path, "event")


@pytest.mark.slow
def test_five_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    program = f"from pathlib import Path\nfrom server.storage.sqlite.opening import migrate\nprint(len(migrate(Path({str(path)!r}))))"
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(5)]
    ran = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sum(ran) == len(migrations.migrations())


@pytest.mark.slow  # a race that needs many tries
def test_a_new_file_can_be_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    program = f"""
import contextlib, pathlib, sys, time
from server.storage.sqlite.connection_pool import connect
print("ready", flush=True)
sys.stdin.readline()
for number in range(400):
    with contextlib.closing(connect(pathlib.Path({str(tmp_path)!r}) / str(number))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
"""
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
    assert [process.returncode for process in processes] == [0, 0, 0]


@pytest.mark.on_sqlite  # PostgreSQL: test_replicas.py
async def test_a_store_of_a_newer_version_is_left_alone(settings: Settings) -> None:
    store = await open_store(settings)
    await store.close()
    with contextlib.closing(sqlite3.connect(settings.sqlite_path)) as connection, connection:
        connection.execute("INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:00:000000', 'footfall')")
    with pytest.raises(StoreError, match="newer Footfall"):
        await open_store(settings)


def test_piccolos_own_command_can_run_the_migrations_too(tmp_path: Path) -> None:
    for path in bundled("migrations").glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        manager = asyncio.run(module.forwards())
        assert manager.migration_id == module.ID


def test_the_folder_holds_nothing_but_migrations() -> None:
    # Piccolo puts the folder first on sys.path: another module there would hide an installed one.
    assert [path.name for path in bundled("migrations").iterdir() if path.suffix == ".py" and not path.name.startswith("footfall_")] == []


def test_every_table_is_bound_to_the_store_that_was_opened() -> None:
    known = {value for value in vars(tables).values() if isinstance(value, type) and issubclass(value, Table) and value is not Table}
    assert known == set(engine.TABLES)
