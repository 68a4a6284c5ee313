"""A backup made while the server takes events is whole, and puts back what was there; nothing that goes wrong costs anything."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import shutil
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

from server.event import Context, Event
from server.event_id import EventIds
from server.jobs import Run
from server.jobs.backup import backup as nightly
from server.jobs.run import JobError
from server.settings import Settings, load
from server.storage import backup as backups
from server.storage import engine
from server.storage.backup import BackupError, Manner
from server.storage.batch import Batch
from server.storage.engine import Store, migrations, open_store
from server.storage.restore import restore

CLIENTS = 50
Make = Callable[..., Any]
ids = EventIds(5)


def post(server: Any, *installs: str) -> None:
    for install in installs:
        assert server.client.post("/v1/events", json={"name": "run", "installation_id": install}).status_code == 202


def rows(path: Path, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def files(folder: Path) -> dict[str, str]:
    """Every file of a folder by its content; but for the lock, which is there from the first start."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "store.lock"
    }


async def fill(store: Store, count: int) -> None:
    for first in range(0, count, 1_000):
        some = ids.take(min(1_000, count - first))
        await store.commit(
            Batch(
                [Event(id=new, project=1, name="run", occurred_at=1_795_219_200_000, context=Context(), install=new % 90) for new in some]
            )
        )


@pytest.fixture
async def filled(store: Store, settings: Settings) -> Settings:
    """A store with some events and a secret, that nobody has open."""
    engine.server_secret(settings)
    await fill(store, 3_000)
    await store.close()
    return settings


def test_a_backup_made_while_fifty_clients_post_is_consistent_and_can_be_put_back(make_server: Make, rollup_differences: Make) -> None:
    server = make_server().start()
    post(server, *(f"early-{number}" for number in range(20)))
    acknowledged = 0
    made: list[Any] = []

    async def client(number: int) -> None:
        nonlocal acknowledged
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while len(made) < 3:
            body = json.dumps(
                {"name": "run", "installation_id": f"i-{number}", "target": {"type": "t", "id": "x"}, "version": "1"}
            ).encode()
            head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            writer.write(head + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 202"), answer
            await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            acknowledged += 1
        writer.close()

    async def story() -> None:
        posting = asyncio.gather(*(client(number) for number in range(CLIENTS)))
        while acknowledged < 500:
            await asyncio.sleep(0.01)
        for number in range(3):
            before = acknowledged
            ran = await asyncio.to_thread(server.footfall, "backup", "--to", str(server.folder / f"backup{number}"))
            assert ran.returncode == 0, ran.stderr
            made.append((before, acknowledged))
        await posting

    asyncio.run(story())
    for number, (before, after) in enumerate(made):
        path = server.folder / f"backup{number}"
        assert rollup_differences(path) == {}
        ((events,),) = rows(path, "SELECT count(*) FROM event")
        assert 20 + before <= events <= 20 + after + CLIENTS
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.with_name(f"{path.name}.secret").stat().st_mode) == 0o600
    assert server.stop() == 0
    last = server.folder / "backup2"
    ((events, installs),) = rows(last, "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM install)")
    assert installs == 20 + CLIENTS
    # Another machine, on which there is nothing yet.
    shutil.rmtree(server.folder / "data")
    ran = server.footfall("restore", str(last), "--yes")
    assert ran.returncode == 0, ran.stderr
    assert f"{events:,} events" in ran.stdout
    assert "so that installs are recognised" in ran.stdout
    server.start()
    post(server, "early-1", "i-1", "somebody new")
    assert rows(server.database, "SELECT count(*) FROM install") == [(installs + 1,)]
    assert rows(server.database, "SELECT count(*) FROM event") == [(events + 3,)]
    assert rollup_differences(server.database) == {}


def test_what_was_only_in_the_log_of_a_killed_server_is_in_the_backup(make_server: Make) -> None:
    server = make_server().start()
    post(server, "a", "b", "c")
    server.kill()
    assert server.database.with_name("footfall.sqlite3-wal").stat().st_size
    ran = server.footfall("backup")
    assert ran.returncode == 0
    assert "3 events" in ran.stdout
    (made,) = (server.folder / "data" / "backups").glob("footfall-*.sqlite3")
    assert sorted(path.name for path in made.parent.iterdir()) == [made.name, f"{made.name}.secret"]
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700


def test_a_store_in_use_is_not_replaced(server: Any) -> None:
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
    backups.make(filled, tmp_path / "backup")
    with contextlib.closing(sqlite3.connect(filled.sqlite_path)) as other:
        other.execute("SELECT count(*) FROM event").fetchone()
        with pytest.raises(BackupError, match="in use"):
            restore(filled, tmp_path / "backup")
    restore(filled, tmp_path / "backup")


async def test_no_store_is_opened_while_one_is_put_in_place(filled: Settings, tmp_path: Path) -> None:
    backups.make(filled, tmp_path / "backup")
    opened: list[str] = []

    def progress(*_: object) -> None:
        with pytest.raises(engine.StoreError, match="being restored"):
            asyncio.run(open_store(filled))
        with pytest.raises(BackupError, match="being restored"):
            backups.make(filled, tmp_path / "another")
        opened.append("tried")

    await asyncio.to_thread(restore, filled, tmp_path / "backup", manner=Manner(progress=progress))
    assert opened
    await (await open_store(filled)).close()


async def test_what_was_there_is_moved_aside_and_can_be_put_back(filled: Settings, tmp_path: Path) -> None:
    backups.make(filled, tmp_path / "backup")
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
    backups.make(filled, tmp_path / "backup")
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


def not_closed(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(b"events")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (garbage, "no SQLite database"), (empty, "no SQLite database"), (truncated, "damaged|malformed|disk image"), (scribbled_on, "damaged|malformed"),
        (something_else, "something else"), (newer, "newer Footfall"), (gone, "there is no file"), (not_closed, "was not closed"),
    ],
)  # fmt: skip
def test_what_is_no_backup_is_refused_in_one_line_and_everything_stays(filled: Settings, tmp_path: Path, spoil: Make, said: str) -> None:
    made = backups.make(filled, tmp_path / "backup")
    spoil(made.path)
    before = files(filled.data_dir)
    with pytest.raises(BackupError, match=said) as caught:
        restore(filled, made.path)
    assert "\n" not in str(caught.value)
    assert files(filled.data_dir) == before


def test_what_goes_wrong_at_the_very_end_is_undone(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backups.make(filled, tmp_path / "backup")
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
def test_a_secret_from_the_settings_is_not_written_down_and_one_that_differs_is_told(
    filled: Settings, tmp_path: Path, secret: str | None
) -> None:
    given = dataclasses.replace(filled, secret=secret)
    made = backups.make(given, tmp_path / "backup")
    assert (made.secret is None) == (secret is not None)
    restored = restore(dataclasses.replace(filled, secret="another one in the settings"), tmp_path / "backup")
    assert (restored.warning is None) == (secret is not None)


def test_a_backup_without_its_secret_is_put_back_with_a_warning(filled: Settings, tmp_path: Path) -> None:
    made = backups.make(filled, tmp_path / "backup")
    assert made.secret is not None
    made.secret.unlink()
    assert "only if it was made under the present secret" in str(restore(filled, made.path).warning)
    (filled.data_dir / "secret").unlink()
    assert "a new secret will be made" in str(restore(filled, made.path).warning)


def test_a_backup_of_an_older_version_is_put_back_and_migrated_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, here = load({"FOOTFALL_DATA_DIR": str(tmp_path / "old")}), load({"FOOTFALL_DATA_DIR": str(tmp_path / "here")})
    with monkeypatch.context() as patch:
        patch.setattr(engine, "migrations", lambda: migrations()[:1])
        engine.prepare_data_dir(old.data_dir)
        engine.migrate(old.sqlite_path)
    made = backups.make(old, tmp_path / "backup")
    assert restore(here, made.path).backup.events == 0

    async def start() -> None:
        await (await open_store(here)).close()

    asyncio.run(start())
    assert len(rows(here.sqlite_path, "SELECT name FROM migration")) == len(migrations())
    assert len(rows(made.path, "SELECT name FROM migration")) == 1


def test_a_backup_is_refused_where_it_cannot_be_and_leaves_nothing(filled: Settings, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for to, said in (
        (taken, "there already"),
        (taken / "below", "Not a directory|cannot be made"),
        (Path("/proc/backup"), "cannot be made|no room"),
    ):
        with pytest.raises(BackupError, match=said) as caught:
            backups.make(filled, to)
        assert "\n" not in str(caught.value)
    assert taken.read_text() == "mine"
    with pytest.raises(BackupError, match="there is no store"):
        backups.make(load({"FOOTFALL_DATA_DIR": str(tmp_path / "nothing")}))
    assert not (tmp_path / "nothing").exists()


def test_without_room_nothing_is_begun(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backups.make(filled, tmp_path / "backup")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=backups.SPARE))
    before = files(tmp_path)
    with pytest.raises(BackupError, match="has no room: .* MiB are wanted, 64 MiB are free"):
        backups.make(filled, tmp_path / "another")
    with pytest.raises(BackupError, match="has no room"):
        restore(filled, made.path)
    assert files(tmp_path) == before


def test_a_disk_that_is_full_in_the_middle_leaves_everything_as_it_was(make_server: Make) -> None:
    server = make_server().start()
    post(server, *(f"i-{number}" for number in range(300)))
    assert server.stop() == 0
    ran = server.footfall("backup", "--to", str(server.folder / "whole"))
    assert ran.returncode == 0
    before = files(server.folder)
    for command in (["backup", "--to", str(server.folder / "cut")], ["restore", str(server.folder / "whole"), "--yes"]):
        # The kernel takes no file larger than 100 KiB from this process, as it takes no more from a disk that is full.
        limited = ["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", sys.executable, "-m", "server", *command]
        ended = subprocess.run(limited, env=server.env, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        assert files(server.folder) == before


def test_killed_at_any_moment_a_restore_leaves_a_store_that_opens(make_server: Make, tmp_path: Path) -> None:
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


async def test_the_nightly_backup_keeps_the_last_seven_and_what_others_made(store: Store, settings: Settings) -> None:
    engine.server_secret(settings)
    await fill(store, 10)
    mine = backups.make(settings)
    folder = settings.data_dir / backups.FOLDER
    older = [folder / f"footfall-202601{day:02}T041000Z-auto.sqlite3" for day in range(1, 10)]
    for path in older:
        path.write_text("older")
        backups.beside(path).write_text("its secret")
    said = await nightly(Run(store, settings))
    assert "10 events, its secret beside it; 3 older ones deleted" in said
    left = backups.automatic_backups(settings)
    assert left[:-1] == older[3:]
    assert len(left) == backups.KEPT
    assert not backups.beside(older[2]).exists()
    assert mine.path.exists()


async def test_the_nightly_backup_makes_room_by_the_oldest_but_never_by_the_newest(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.data_dir / backups.FOLDER
    folder.mkdir()
    older = [folder / f"footfall-202601{day:02}T041000Z-auto.sqlite3" for day in range(1, 4)]
    for path in older:
        path.write_text("older")
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(JobError, match="has no room"):
        await nightly(Run(store, settings))
    assert backups.automatic_backups(settings) == older[2:]


async def test_a_backup_that_is_stopped_leaves_nothing(store: Store, settings: Settings) -> None:
    await fill(store, 20_000)
    task = asyncio.create_task(nightly(Run(store, settings)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    folder = settings.data_dir / backups.FOLDER

    def half_written() -> list[Path]:
        return [path for path in folder.iterdir() if path.name.startswith(".")]

    for _ in range(500):
        if folder.exists() and not half_written():
            break
        await asyncio.sleep(0.02)
    # On a quick machine the backup was whole before the stop came: that one may stay.
    assert half_written() == []


def test_what_a_killed_backup_left_is_cleared_away_a_day_later(filled: Settings) -> None:
    folder = filled.data_dir / backups.FOLDER
    folder.mkdir()
    left = [folder / ".footfall-20260101T000000Z.sqlite3.0123abcd", folder / ".footfall-20260102T000000Z-auto.sqlite3.0123abcd"]
    for path, days in zip(left, (2, 0.5), strict=True):
        path.write_text("half a backup")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    backups.make(filled)
    assert [path.exists() for path in left] == [False, True]


async def test_a_backup_tells_how_far_it_is(filled: Settings, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = backups.make(filled, tmp_path / "backup", manner=Manner(progress=lambda *what: told.append(what)))
    assert [what for what, done, total in told if done == total] == ["copying", "checking"]
    assert told[-1][2] == made.size
    assert made.events == 3_000


def test_whoever_cannot_be_asked_must_say_yes(filled: Settings, make_server: Make, tmp_path: Path) -> None:
    server = make_server()
    ran = server.footfall("restore", str(tmp_path / "backup"))
    assert (ran.returncode, ran.stderr.strip()) == (1, "✗ this replaces the store: say --yes where nobody can be asked")
