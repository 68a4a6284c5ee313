"""Changes of the store after its history was built: erasure, retention, imports, damage, interruptions."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.event import DAY, Event
from server.event_id import first_id
from server.history import History, manifest
from server.jobs import Run
from server.jobs.retention_job import retention
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.history import erasure
from server.storage.history.imports import ImportBatch, ImportStore, target_rules
from server.storage.postgres import partitions
from tests.history.killed import kill_build
from tests.quick import first

NOW = 1_795_262_400_000
ENGINES = ("sqlite", "postgres")
SECRET_WORD = "a-value-that-only-the-erased-install-sent"
ERASED = 4_242_424_242

Segments = Callable[[], list[Path]]
RULES = {1: TargetRules(listed_only=False, most=100_000)}


@pytest.fixture
async def with_install(commit: Any, make_event: Any, fill: Any, history: History) -> History:
    """A history in which one install has events in each month, with a text of its own."""
    await fill(1_000)
    days = (1, 20, 45, 75, 0.0001)
    await commit(make_event(day, project=1, install=ERASED, properties=json.dumps({"word": SECRET_WORD}), skewed=False) for day in days)
    await history.build()
    return history


def traces(folder: Path) -> list[str]:
    """Return the files of a history that contain the install's word, including in compressed pages of Parquet."""
    import duckdb  # noqa: PLC0415

    found = [path.name for path in folder.rglob("*") if path.is_file() and SECRET_WORD.encode() in path.read_bytes()]
    for path in folder.glob("**/*.parquet"):
        sql = f"SELECT count(*) FROM '{path}' WHERE install_id = {ERASED} OR contains(properties, '{SECRET_WORD}')"
        if duckdb.connect().execute(sql).fetchall() != [(0,)]:
            found.append(path.name)
    return found


async def test_an_erased_install_is_in_no_file_and_in_no_answer(with_install: History, settings: Settings, check: Any) -> None:
    before = await check(with_install)
    assert traces(settings.history_dir)
    erased = await with_install.erase(1, ERASED)
    assert erased.events == 5
    assert traces(settings.history_dir) == []
    assert await check(with_install) == before - 5
    assert (await with_install.build()).events < 50  # the segments were rewritten, not read again
    assert await check(with_install) == before - 5


@pytest.mark.slow
async def test_an_erasure_beside_an_import_leaves_no_trace_either(
    with_install: History, store: Store, settings: Settings, check: Any, make_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    erase_events = erasure._erase_events

    async def beside(*arguments: Any) -> Any:
        await store.commit(Batch([make_event(44.9, project=1)], target_rules=RULES))
        return await erase_events(*arguments)

    monkeypatch.setattr(erasure, "_erase_events", beside)
    await with_install.erase(1, ERASED)
    assert traces(settings.history_dir) == []
    await check(with_install)
    await with_install.build()
    await check(with_install)


@pytest.mark.slow
async def test_an_erasure_on_another_server_is_respected_and_reaches_the_files_with_the_next_build(
    with_install: History, store: Store, settings: Settings, check: Any
) -> None:
    before = await check(with_install)
    await erasure.erase(store, 1, ERASED)  # as on another server, which knows nothing of these files
    assert await check(with_install) == before - 5
    await with_install.build()
    assert traces(settings.history_dir) == []
    assert await check(with_install) == before - 5


@pytest.mark.slow
async def test_an_erasure_on_another_server_reaches_the_files_of_a_server_that_is_too_busy_to_build(
    with_install: History, store: Store, settings: Settings
) -> None:
    await erasure.erase(store, 1, ERASED)

    async def never() -> None:
        assert traces(settings.history_dir) == []
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await with_install.build(before_step=never)


async def test_an_erasure_that_ended_half_way_is_finished_by_the_next_one(
    with_install: History, settings: Settings, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await check(with_install)

    async def stopped(*_: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_erase_rest", stopped)
        with pytest.raises(asyncio.CancelledError):
            await with_install.erase(1, ERASED)
    assert await check(with_install) <= before - 4
    await with_install.erase(1, ERASED)
    assert traces(settings.history_dir) == []
    assert await check(with_install) == before - 5


async def test_retention_removes_deleted_events_from_the_history(
    history: History, store: Store, settings: Settings, fill: Any, check: Any, segments: Segments
) -> None:
    await fill(2_000, 200)
    await history.build()
    before = await check(history)
    await store.change(("UPDATE project SET retention_days = 60 WHERE id = 1", ()))
    await retention(Run(store, settings, now=lambda: NOW, by_hand=True))
    assert 0 < await check(history) < before / 2
    await history.build()
    assert 0 < await check(history) < before / 2
    old = await history.query(f"SELECT count(*) AS n FROM events WHERE id < {first_id(NOW - 61 * DAY)}", project_id=1)
    assert old == [{"n": 0}]


async def test_a_month_that_retention_drops_is_in_no_answer(
    history: History, store: Store, settings: Settings, fill: Any, check: Any
) -> None:
    if store.engine_type == "postgres":
        await partitions.create_between(store, NOW - 200 * DAY, NOW)
    await fill(1_000, 200)
    await history.build()
    await store.change(("UPDATE project SET retention_days = 60", ()))
    await retention(Run(store, dataclasses.replace(settings, retention_days=60), now=lambda: NOW))
    for _ in range(2):
        assert 0 < await check(history) < 400
        await history.build()


async def test_imported_events_are_in_the_next_answer(
    history: History, store: Store, fill: Any, check: Any, make_event: Callable[..., Event]
) -> None:
    await fill(1_000)
    await history.build()
    before = await check(history)
    events = [msgspec.structs.replace(make_event(day, project=1), mark=number) for number, day in enumerate((3, 50, 90, 700))]
    await ImportStore(store).commit(ImportBatch(events, project=1, target_rules={1: target_rules(1_000)}))
    assert await check(history) == before + 4
    await history.build()
    assert await check(history) == before + 4


@pytest.mark.parametrize("damage", first(["missing", "short", "changed", "manifest"]))
async def test_a_lost_or_damaged_file_is_read_from_the_store_and_built_again(
    history: History, fill: Any, check: Any, segments: Segments, damage: str, settings: Settings
) -> None:
    await fill(1_000)
    await history.build()
    before = await check(history)
    file = segments()[0]
    content = file.read_bytes()
    match damage:
        case "missing":
            file.unlink()
        case "short":
            file.write_bytes(content[:-100])
        case "changed":
            middle = len(content) // 2
            file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        case "manifest":
            (settings.history_dir / manifest.NAME).write_text("{")
    assert await check(history) == before
    assert (await history.build()).events > 0
    assert await check(history) == before
    assert (await history.build()).events == 0


async def test_a_history_of_another_store_is_not_used(history: History, fill: Any, check: Any, settings: Settings, store: Store) -> None:
    await fill(500)
    await history.build()
    await store.change(("UPDATE note SET value = value + 1 WHERE name = 'history_store'", ()))
    await store.change(("DELETE FROM event WHERE id % 2 = 0", ()))  # another store, unknown to this one
    await check(history)
    await history.build()
    await check(history)


@pytest.mark.slow
async def test_several_servers_each_have_a_history(
    history: History, store: Store, settings: Settings, fill: Any, check: Any, commit: Any, make_event: Any, tmp_path: Path
) -> None:
    other = History(store, dataclasses.replace(settings, data_dir=tmp_path / "other"), now=lambda: NOW)
    await fill(1_000)
    await history.build()
    await commit([make_event(30, project=1)])
    await other.build()
    await commit([make_event(31, project=1)])
    assert await check(history) == await check(other)
    await history.build()
    assert await check(history) == await check(other)
    other.close()


@pytest.mark.slow
async def test_questions_beside_builds_and_erasures_are_right(with_install: History, check: Any, fill: Any) -> None:
    async def ask() -> None:
        for _ in range(10):
            assert await with_install.query("SELECT count(*) AS n FROM events", project_id=1) is not None

    async def work() -> None:
        for install in (7, 8, 9):
            await with_install.erase(1, install)
            await with_install.build()

    await asyncio.gather(ask(), ask(), work())
    await check(with_install)


ERASING = """
import asyncio, os, sys
from server.history import History
from server.settings import load
from server.storage.engine import open_store
from server.storage.history import erasure

async def main():
    settings = load({name: value for name, value in os.environ.items() if name.startswith("FOOTFALL_")})
    history = History(await open_store(settings), settings, now=lambda: %d)
    after = int(sys.argv[1])
    if after == 0:
        async def stop(*arguments):
            os.kill(os.getpid(), 9)
        erasure._erase_rest = stop
    written, pieces = history._builder._written, 0
    async def count(*arguments, **options):
        nonlocal pieces
        pieces += 1
        if pieces == after:
            os.kill(os.getpid(), 9)
        return await written(*arguments, **options)
    history._builder._written = count
    await history.erase(1, %d)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(3, marks=pytest.mark.slow)])
async def test_an_erasure_that_is_killed_leaves_nothing_once_it_is_repeated_or_the_history_is_built(
    with_install: History, settings: Settings, check: Any, database: dict[str, str], pieces: int
) -> None:
    before = await check(with_install)
    env = {**os.environ, "FOOTFALL_DATA_DIR": str(settings.data_dir), **database}
    command = [sys.executable, "-c", ERASING % (NOW, ERASED), str(pieces)]
    killed = await asyncio.to_thread(subprocess.run, command, env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert await check(with_install) <= before - 4
    if pieces == 3:
        await with_install.build()
    else:
        await with_install.erase(1, ERASED)
    assert traces(settings.history_dir) == []
    assert await check(with_install) == before - 5


@pytest.mark.slow
async def test_a_build_that_is_killed_again_and_again_ends_and_is_right(
    history: History, fill: Any, check: Any, settings: Settings, database: dict[str, str]
) -> None:
    await fill(1_500, 40)
    kills = 0
    for after in (1, 4, 9, 10_000):
        kills += await kill_build(settings, database, NOW, after)
        assert await check(history) > 900
    assert kills == 3
    assert (await history.build()).events == 0
    assert not [path for path in settings.history_dir.iterdir() if path.name.startswith("work-") and path != history._folder.work]
