"""Backups of a running server are complete; a failed backup loses no event and leaves no file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.jobs import Run
from server.jobs.backup_job import backup as nightly
from server.jobs.run import JobError
from server.settings import Settings, load
from server.storage import engine
from server.storage.copies.restore import restore
from server.storage.engine import Store
from server.storage.sqlite import backups
from server.storage.sqlite.backups import BackupError, BackupOptions

CLIENTS = 50
Make = Callable[..., Any]


@pytest.mark.slow
def test_a_backup_made_while_fifty_clients_post_is_consistent_and_can_be_put_back(
    make_server: Make, rollup_differences: Make, post: Make, rows: Make
) -> None:
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
    # Another machine, without data.
    shutil.rmtree(server.folder / "data")
    ran = server.footfall("restore", str(last), "--yes")
    assert ran.returncode == 0, ran.stderr
    assert f"{events:,} events" in ran.stdout
    assert "so that installs are recognized" in ran.stdout
    server.start()
    post(server, "early-1", "i-1", "new-install")
    assert rows(server.database, "SELECT count(*) FROM install") == [(installs + 1,)]
    assert rows(server.database, "SELECT count(*) FROM event") == [(events + 3,)]
    assert rollup_differences(server.database) == {}


def test_a_backup_includes_the_write_ahead_log_of_a_killed_server(make_server: Make, post: Make) -> None:
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


def test_a_backup_to_an_unusable_place_is_refused_and_leaves_no_file(filled: Settings, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for to, said in (
        (taken, "already exists"),
        (taken / "below", "Not a directory|cannot be created"),
        (Path("/proc/backup"), "cannot be created|no room"),
    ):
        with pytest.raises(BackupError, match=said) as caught:
            backups.create(filled, to)
        assert "\n" not in str(caught.value)
    assert taken.read_text() == "mine"
    with pytest.raises(BackupError, match="there is no store"):
        backups.create(load({"FOOTFALL_DATA_DIR": str(tmp_path / "nothing")}))
    assert not (tmp_path / "nothing").exists()


def test_a_backup_without_disk_space_does_not_begin(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Make) -> None:
    made = backups.create(filled, tmp_path / "backup")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=backups.SPARE))
    before = files(tmp_path)
    with pytest.raises(BackupError, match=r"has no room: .* MiB are required, 64 MiB are free"):
        backups.create(filled, tmp_path / "another")
    with pytest.raises(BackupError, match="has no room"):
        restore(filled, made.path)
    assert files(tmp_path) == before


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle_leaves_everything_as_it_was(make_server: Make, post: Make, files: Make) -> None:
    server = make_server().start()
    post(server, *(f"i-{number}" for number in range(300)))
    assert server.stop() == 0
    ran = server.footfall("backup", "--to", str(server.folder / "whole"))
    assert ran.returncode == 0
    before = files(server.folder)
    for command in (["backup", "--to", str(server.folder / "cut")], ["restore", str(server.folder / "whole"), "--yes"]):
        # The kernel limits files of this process to 100 KiB, which looks like a full disk.
        limited = ["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", sys.executable, "-m", "server", *command]
        ended = subprocess.run(limited, env=server.env, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        assert files(server.folder) == before


async def test_the_nightly_backup_keeps_its_last_seven_and_all_manual_backups(store: Store, settings: Settings, fill: Make) -> None:
    engine.server_secret(settings)
    await fill(store, 10)
    mine = backups.create(settings)
    folder = settings.data_dir / backups.FOLDER
    older = [folder / f"footfall-202601{day:02}T041000Z-auto.sqlite3" for day in range(1, 10)]
    for path in older:
        path.write_text("older")
        backups.secret_path(path).write_text("its secret")
    said = await nightly(Run(store, settings))
    assert "10 events, with its secret; 3 old backups deleted" in said
    left = backups.automatic_backups(settings)
    assert left[:-1] == older[3:]
    assert len(left) == backups.KEPT
    assert not backups.secret_path(older[2]).exists()
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


async def test_a_backup_that_is_stopped_leaves_nothing(store: Store, settings: Settings, fill: Make) -> None:
    await fill(store, 20_000)
    folder = settings.data_dir / backups.FOLDER

    def half_written() -> list[Path]:
        return list(folder.glob(".*"))

    task = asyncio.create_task(nightly(Run(store, settings)))
    while not half_written():
        assert not task.done()
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        while half_written():
            await asyncio.sleep(0.02)
    assert half_written() == []


def test_leftovers_of_a_killed_backup_are_deleted_a_day_later(filled: Settings) -> None:
    folder = filled.data_dir / backups.FOLDER
    folder.mkdir()
    left = [folder / ".footfall-20260101T000000Z.sqlite3.0123abcd", folder / ".footfall-20260102T000000Z-auto.sqlite3.0123abcd"]
    for path, days in zip(left, (2, 0.5), strict=True):
        path.write_text("half a backup")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    backups.create(filled)
    assert [path.exists() for path in left] == [False, True]


async def test_a_backup_reports_its_progress(filled: Settings, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = backups.create(filled, tmp_path / "backup", options=BackupOptions(progress=lambda *what: told.append(what)))
    assert [what for what, done, total in told if done == total] == ["copying", "checking"]
    assert told[-1][2] == made.size
    assert made.events == 3_000
