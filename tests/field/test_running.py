"""Promises to operators: starting, stopping, upgrading, and finding the server."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from server.settings import Settings, load
from server.storage.migrations import StoreError, migrations
from server.storage.postgres.opening import migrate_postgres
from server.storage.sqlite import backups
from server.storage.sqlite.opening import migrate, upgrade
from tests.conftest import Server, rows_of
from tests.postgres import Postgres

Make = Callable[..., Server]
SLOW = 300_000_000  # rows of a recursive query: minutes


def caught(process: subprocess.Popen[bytes], number: int) -> bool:
    """Return True if a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_the_imports_is_obeyed(make_server: Make, number: signal.Signals) -> None:
    server = make_server()
    # SIGTERM is ignored, as a kernel ignores it for a process 1 without a handler; SIGINT is not, even if the tests run in the background of a shell.
    begin = "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_DFL)"
    command = [sys.executable, "-c", f"{begin}; os.execv(sys.executable, [sys.executable, '-m', 'server', 'serve'])"]
    process = subprocess.Popen(command, env=server.env)
    while not caught(process, signal.SIGTERM):
        assert process.poll() is None
    assert "uvloop" not in Path(f"/proc/{process.pid}/maps").read_text()
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert not server.database.exists()


def older(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store of the first version, with one project."""
    path.parent.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("server.storage.migrations.migrations", lambda: migrations()[:1])
        migrate(path)
    (columns,) = rows_of(path, "SELECT group_concat(name) FROM pragma_table_info('project')")
    assert "slug" in columns[0]


def applied(store: Path | str) -> int:
    return len(rows_of(store, "SELECT name FROM migration WHERE app_name = 'footfall'"))


def slow_down(path: Path) -> None:
    """Have the next migration insert into a table with a trigger that takes minutes."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER slow AFTER INSERT ON migration BEGIN INSERT INTO note (name, value) SELECT 'slow', count(*) FROM"
            f" (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {SLOW}) SELECT i FROM n); END"
        )


def wait_for(server: Server, text: str) -> None:
    while text not in server.log.read_text():
        assert server.process is not None
        assert server.process.poll() is None, server.log.read_text()
        time.sleep(0.01)


def launch(server: Server) -> subprocess.Popen[bytes]:
    with server.log.open("ab") as log:
        server.process = subprocess.Popen([sys.executable, "-m", "server", "serve"], env=server.env, stdout=log, stderr=log)
    return server.process


@pytest.mark.slow
def test_a_long_migration_ends_at_once_when_the_server_is_stopped(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server()
    older(server.database, monkeypatch)
    slow_down(server.database)
    launch(server)
    wait_for(server, "migrating: footfall_0002")
    asked = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - asked < 25  # the migration takes minutes
    assert "Traceback" not in server.log.read_text()
    assert applied(server.database) == 1
    with contextlib.closing(sqlite3.connect(server.database)) as connection, connection:
        connection.execute("DROP TRIGGER slow")
    server.start()
    assert applied(server.database) == len(migrations())


@pytest.mark.slow
def test_a_long_migration_on_postgresql_ends_at_once_too(make_server: Make, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.address(postgres.empty())
    with monkeypatch.context() as patch:
        patch.setattr("server.storage.migrations.migrations", lambda: migrations()[:1])
        migrate_postgres(url)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'")
        connection.execute("CREATE TRIGGER slow BEFORE INSERT ON migration FOR EACH ROW EXECUTE FUNCTION slow()")
    server = make_server(FOOTFALL_DATABASE_URL=url, FOOTFALL_SECRET="a secret of this test")
    launch(server)
    wait_for(server, "migrating: footfall_0002")
    asked = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - asked < 25  # the migration takes minutes
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "such as pg_dump" in log
    assert applied(url) == 1
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO migration%'").fetchone() == (0,)


def copies(settings: Settings) -> list[Path]:
    return sorted((settings.data_dir / "backups").glob("*.sqlite3"))


def test_an_upgrade_makes_a_verified_backup_first(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server()
    settings = load({"FOOTFALL_DATA_DIR": server.env["FOOTFALL_DATA_DIR"]})
    older(server.database, monkeypatch)
    (settings.data_dir / "secret").write_text("a secret of this test that is long enough")
    server.start()
    (made,) = copies(settings)
    assert applied(made) == 1
    assert backups.check(made).secret is not None
    assert "backed up: " + made.name in server.log.read_text()
    assert backups.automatic_backups(settings) == [made], "the rule for nightly backups deletes it"
    assert server.stop() == 0
    server.start()
    assert copies(settings) == [made], "a start without migrations makes no backup"


def test_a_first_start_makes_no_backup_and_a_setting_switches_it_off(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    new, trusting = make_server(), make_server(FOOTFALL_UPGRADE_BACKUP="off")
    older(trusting.database, monkeypatch)
    for server in (new, trusting):
        assert server.footfall("migrate").returncode == 0
        assert copies(load({"FOOTFALL_DATA_DIR": server.env["FOOTFALL_DATA_DIR"]})) == []
        assert applied(server.database) == len(migrations())


def test_a_first_start_creates_a_store_and_an_upgrade_names_its_migrations(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = make_server(), make_server()
    older(old.database, monkeypatch)
    first, upgraded = new.footfall("migrate").stderr, old.footfall("migrate").stderr
    assert first.splitlines()[0] == "creating the store"
    assert "migrating" not in first
    assert upgraded.count("migrating: ") == len(migrations()) - 1
    assert "creating" not in upgraded


def test_an_upgrade_without_room_for_its_backup_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({"FOOTFALL_DATA_DIR": str(tmp_path / "data")})
    older(settings.sqlite_path, monkeypatch)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(StoreError, match=r"has no room: .* are free; fix this and start again, or set FOOTFALL_UPGRADE_BACKUP=off"):
        upgrade(settings)
    assert applied(settings.sqlite_path) == 1
    assert copies(settings) == []


@pytest.mark.slow
def test_servers_that_start_at_once_on_an_old_store_back_it_up_once(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server()
    older(server.database, monkeypatch)
    command = [sys.executable, "-m", "server", "migrate"]
    started = [subprocess.Popen(command, env=server.env, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    assert len(copies(load({"FOOTFALL_DATA_DIR": server.env["FOOTFALL_DATA_DIR"]}))) == 1


def test_a_lost_secret_is_reported_before_events_arrive_under_a_new_one(make_server: Make) -> None:
    server = make_server().start()
    assert server.client.post("/v1/events", json={"name": "build", "installation_id": "a"}).status_code == 202
    assert server.stop() == 0
    assert "secret_lost" not in server.log.read_text()
    (server.folder / "data" / "secret").unlink()
    server.start()
    assert "restore the file from a backup" in server.log.read_text()
