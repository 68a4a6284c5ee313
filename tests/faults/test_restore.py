"""Restores: only into a store that is not in use, the previous store is kept, and a failed restore changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings, load
from server.storage import engine
from server.storage.copies.restore import restore
from server.storage.engine import open_store
from server.storage.migrations import StoreError, migrations
from server.storage.sqlite import backups, opening
from server.storage.sqlite.backups import BackupError, BackupOptions

Make = Callable[..., Any]


def test_a_store_in_use_is_not_replaced(server: Any, post: Make, rows: Make) -> None:
    post(server, "a")
    assert server.footfall("backup", "--to", str(server.folder / "backup")).returncode == 0
    post(server, "b")
    ran = server.footfall("restore", str(server.folder / "backup"), "--yes")
    assert ran.returncode == 1
    assert ran.stderr.strip() == "✗ the store is in use, by a server or another footfall command: stop it first"
    post(server, "c")
    assert rows(server.database, "SELECT count(*) FROM event") == [(3,)]
    assert not list(server.database.parent.glob("*before*"))
    assert not list(server.database.parent.glob(".*"))


def test_a_store_that_another_program_has_open_is_not_replaced(filled: Settings, tmp_path: Path) -> None:
    backups.create(filled, tmp_path / "backup")
    with contextlib.closing(sqlite3.connect(filled.sqlite_path)) as other:
        other.execute("SELECT count(*) FROM event").fetchone()
        with pytest.raises(BackupError, match="in use"):
            restore(filled, tmp_path / "backup")
    restore(filled, tmp_path / "backup")


async def test_no_store_opens_during_a_restore(filled: Settings, tmp_path: Path) -> None:
    backups.create(filled, tmp_path / "backup")
    opened: list[str] = []

    def progress(*_: object) -> None:
        with pytest.raises(StoreError, match="being restored"):
            asyncio.run(open_store(filled))
        with pytest.raises(BackupError, match="being restored"):
            backups.create(filled, tmp_path / "another")
        opened.append("tried")

    await asyncio.to_thread(restore, filled, tmp_path / "backup", options=BackupOptions(progress=progress))
    assert opened
    await (await open_store(filled)).close()


async def test_a_restore_moves_the_old_store_aside_for_a_later_restore(filled: Settings, tmp_path: Path, rows: Make, fill: Make) -> None:
    backups.create(filled, tmp_path / "backup")
    store = await open_store(filled)
    await fill(store, 10)
    await store.close()
    (filled.data_dir / "secret").write_text("another secret, made meanwhile")
    restored = restore(filled, tmp_path / "backup")
    assert rows(filled.sqlite_path, "SELECT count(*) FROM event") == [(3_000,)]
    secret, aside = restored.aside
    assert secret.read_text() == "another secret, made meanwhile"
    assert stat.S_IMODE((filled.data_dir / "secret").stat().st_mode) == 0o600
    assert rows(aside, "SELECT count(*) FROM event") == [(3_010,)]
    again = restore(filled, aside)
    assert again.warning is not None
    assert rows(filled.sqlite_path, "SELECT count(*) FROM event") == [(3_010,)]
    assert len({*restored.aside, *again.aside}) == 3


async def test_a_damaged_store_is_moved_aside_too(filled: Settings, tmp_path: Path) -> None:
    backups.create(filled, tmp_path / "backup")
    filled.sqlite_path.write_bytes(b"no database at all" * 1_000)
    filled.sqlite_path.with_name("footfall.sqlite3-wal").write_bytes(b"nor this")
    restored = restore(filled, tmp_path / "backup")
    assert restored.aside[0].read_bytes().startswith(b"no database at all")
    assert restored.aside[0].with_name(f"{restored.aside[0].name}-wal").read_bytes() == b"nor this"
    store = await open_store(filled)
    assert await store.rows("SELECT count(*) AS n FROM event") == [{"n": 3_000}]
    await store.close()


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(100_000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def scribbled_on(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)


def something_else(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:00:000000', 'footfall')")


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def not_closed(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(b"events")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (garbage, "not a SQLite database"), (empty, "not a SQLite database"), (truncated, "damaged|malformed|disk image"), (scribbled_on, "damaged|malformed"),
        (something_else, "another application"), (newer, "newer Footfall"), (gone, "there is no file"), (a_folder, "is a folder: name the backup in it"),
        (not_closed, "was not closed"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_backup_is_refused_in_one_line(filled: Settings, tmp_path: Path, spoil: Make, said: str, files: Make) -> None:
    made = backups.create(filled, tmp_path / "backup")
    spoil(made.path)
    before = files(filled.data_dir)
    with pytest.raises(BackupError, match=said) as caught:
        restore(filled, made.path)
    assert "\n" not in str(caught.value)
    assert files(filled.data_dir) == before
    with pytest.raises(BackupError, match=said):
        restore(dataclasses.replace(filled, data_dir=tmp_path / "new"), made.path)
    assert not (tmp_path / "new").exists()


def test_a_restore_that_fails_at_its_last_step_is_undone(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Make
) -> None:
    backups.create(filled, tmp_path / "backup")
    (filled.data_dir / "secret").write_text("another secret, made meanwhile")
    before = files(filled.data_dir)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target == filled.sqlite_path and "before" not in self.name:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(BackupError, match="No space left on device"):
        restore(filled, tmp_path / "backup")
    assert files(filled.data_dir) == before


@pytest.mark.parametrize("secret", ["kept in the settings, not in a file", None])
def test_a_secret_from_the_settings_is_not_stored_and_a_different_one_is_reported(
    filled: Settings, tmp_path: Path, secret: str | None
) -> None:
    given = dataclasses.replace(filled, secret=secret)
    made = backups.create(given, tmp_path / "backup")
    assert (made.secret is None) == (secret is not None)
    restored = restore(dataclasses.replace(filled, secret="another one in the settings"), tmp_path / "backup")
    assert (restored.warning is None) == (secret is not None)


def test_a_backup_without_its_secret_is_put_back_with_a_warning(filled: Settings, tmp_path: Path) -> None:
    made = backups.create(filled, tmp_path / "backup")
    assert made.secret is not None
    made.secret.unlink()
    assert "only if it was created with the current secret" in str(restore(filled, made.path).warning)
    (filled.data_dir / "secret").unlink()
    assert "a new secret will be created" in str(restore(filled, made.path).warning)


def test_a_backup_of_an_older_version_is_put_back_and_migrated_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Make
) -> None:
    old, here = load({"FOOTFALL_DATA_DIR": str(tmp_path / "old")}), load({"FOOTFALL_DATA_DIR": str(tmp_path / "here")})
    with monkeypatch.context() as patch:
        patch.setattr("server.storage.migrations.migrations", lambda: migrations()[:1])
        engine.prepare_data_dir(old.data_dir)
        opening.migrate(old.sqlite_path)
    made = backups.create(old, tmp_path / "backup")
    assert restore(here, made.path).backup.events == 0

    async def start() -> None:
        await (await open_store(here)).close()

    asyncio.run(start())
    assert len(rows(here.sqlite_path, "SELECT name FROM migration")) == len(migrations())
    assert len(rows(made.path, "SELECT name FROM migration")) == 1


@pytest.mark.slow
def test_killed_at_any_moment_a_restore_leaves_a_store_that_opens(make_server: Make, tmp_path: Path, post: Make, rows: Make) -> None:
    server = make_server().start()
    post(server, "a", "b")
    assert server.footfall("backup", "--to", str(tmp_path / "backup")).returncode == 0
    post(server, "c")
    assert server.stop() == 0
    chance = random.Random(7)
    seen = set()
    for _ in range(6):
        command = [sys.executable, "-m", "server", "restore", str(tmp_path / "backup"), "--yes"]
        process = subprocess.Popen(command, env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert rows(server.database, "PRAGMA integrity_check") == [("ok",)]
        seen |= set(rows(server.database, "SELECT count(*) FROM event"))
    assert seen <= {(2,), (3,)}
    ran = server.footfall("restore", str(tmp_path / "backup"), "--yes")
    assert ran.returncode == 0, ran.stderr
    server.start()
    post(server, "a")
    assert rows(server.database, "SELECT count(*) FROM event") == [(3,)]
    assert not [path.name for path in server.database.parent.iterdir() if path.name.startswith(".")]


def test_without_a_terminal_the_option_yes_is_required(filled: Settings, make_server: Make, tmp_path: Path) -> None:
    server = make_server()
    ran = server.footfall("restore", str(tmp_path / "backup"))
    assert (ran.returncode, ran.stderr.strip()) == (1, "✗ this replaces the store: pass --yes to confirm without a terminal")
