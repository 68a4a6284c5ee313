"""Copies from SQLite to PostgreSQL are complete, and can be repeated."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from server.event import Context, Event
from server.event_id import EventIds
from server.settings import Settings, load
from server.storage.batch import Batch
from server.storage.copies import postgres_copy
from server.storage.copies.postgres_copy import CopyError
from server.storage.engine import Store, open_store
from server.storage.postgres.opening import UNFINISHED
from server.storage.projects import ensure_default
from tests.conftest import SECRET, Server, rollup_differences, rows_of
from tests.postgres import Postgres

NOW = 1_795_219_200_000
ids = EventIds(5)
MIXED = "SELECT id, project_id, install_id, name_id, context_id, target_id, occurred_at, outcome, duration_us, properties FROM event"


def post(server: Server, first: int, last: int) -> None:
    for number in range(first, last):
        event = {
            "id": f"event-{number}",
            "name": f"command_{number % 3}",
            "installation_id": f"install-{number % 7}",
            "outcome": ("success", "failure")[number % 2],
            "duration_ms": number,
            "target": {"type": "tool", "id": f"tool-{number % 4}"},
            "properties": {"number": number, "text": "ä 'quoted' \\ and\ttabbed"},
        }
        assert server.client.post("/v1/events", json=event).status_code == 202


@pytest.mark.slow
def test_a_store_is_copied_while_in_use_copied_again_and_then_served(make_server: Callable[..., Server], postgres: Postgres) -> None:
    url = postgres.address(postgres.empty())
    small = make_server(FOOTFALL_SECRET=SECRET, FOOTFALL_ADMIN_TOKEN="open-sesame-open-sesame").start()
    post(small, 0, 60)
    first = small.footfall("copy", "--to", url)
    assert first.returncode == 0, first.stderr
    assert "60 events in the target, 60 of them copied now" in " ".join(first.stdout.split())
    post(small, 60, 70)
    assert small.footfall("copy", "--to", url).returncode == 0
    again = small.footfall("copy", "--to", url)
    assert "70 events in the target, 0 of them copied now" in " ".join(again.stdout.split())
    assert small.stop() == 0
    assert small.footfall("copy", "--to", url).returncode == 0  # written while the server stopped
    assert set(rows_of(url, MIXED)) == set(rows_of(small.database, MIXED))
    for table in ("install", "activity", "ledger", "rollup_hour", "rollup_dimension", "target"):
        query = f"SELECT count(*), {'sum(events)' if table.startswith(('rollup', 'ledger')) else 'count(*)'} FROM {table}"
        assert rows_of(url, query) == rows_of(small.database, query), table
    assert rollup_differences(url) == {}

    large = make_server(FOOTFALL_SECRET=SECRET, FOOTFALL_DATABASE_URL=url).start()
    post(large, 0, 80)
    assert rows_of(url, "SELECT count(*) FROM event") == [(80,)], "the first 70 are known, and the others are new"
    assert rows_of(url, "SELECT count(*) FROM install") == [(7,)], "installs are recognized under the same secret"
    assert rollup_differences(url) == {}
    assert large.footfall("project", "create", "another").returncode == 0, "new numbers follow those of SQLite"
    refused = small.footfall("copy", "--to", url)
    assert refused.returncode == 1
    assert "a server has used the target" in " ".join(refused.stderr.split())
    assert rows_of(url, "SELECT count(*) FROM event") == [(80,)]


async def fill(store: Store, count: int, at_once: int = 100) -> None:
    for _ in range(0, count, at_once):
        some = ids.take(at_once)
        await store.commit(
            Batch([Event(id=new, project=1, name="run", occurred_at=NOW, context=Context(), install=new % 90) for new in some])
        )


def copied(settings: Settings, url: str) -> int:
    return postgres_copy.copy_to_postgres(settings, url).copied


async def test_events_deleted_since_the_last_copy_are_deleted_from_the_target(settings: Settings, postgres: Postgres) -> None:
    url = postgres.fresh()
    store = await open_store(settings)
    await fill(store, 3_000)
    assert await asyncio.to_thread(copied, settings, url) == 3_000
    assert await asyncio.to_thread(copied, settings, url) == 0
    await store.change(("DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 100)", ()))
    assert await asyncio.to_thread(copied, settings, url) == 2_900
    await store.change(("DELETE FROM event", ()))
    assert await asyncio.to_thread(copied, settings, url) == 0
    await store.close()
    assert rows_of(url, "SELECT count(*) FROM event") == [(0,)]


@pytest.mark.slow
def test_a_killed_copy_resumes_and_no_server_starts_on_an_incomplete_copy(make_server: Callable[..., Server], postgres: Postgres) -> None:
    url, events = postgres.fresh(), 4 * postgres_copy.STRETCH
    small = make_server(FOOTFALL_SECRET=SECRET)
    settings = load({"FOOTFALL_DATA_DIR": str(small.folder / "data")})

    async def prepare() -> None:
        store = await open_store(settings)
        await ensure_default()
        await fill(store, events, at_once=5_000)
        await store.close()

    asyncio.run(prepare())
    small.start()
    copying = subprocess.Popen([sys.executable, "-m", "server", "copy", "--to", url], env=small.env)
    while not (there := rows_of(url, "SELECT count(*) FROM event")[0][0]):
        assert copying.poll() is None
    copying.kill()
    copying.wait()
    assert there < events, "it was not killed in the middle"
    post(small, 0, 10)
    large = make_server(FOOTFALL_SECRET=SECRET, FOOTFALL_DATABASE_URL=url)
    with pytest.raises(AssertionError, match="is incomplete; run `footfall copy` again"):
        large.start()
    again = small.footfall("copy", "--to", url)
    assert again.returncode == 0, again.stderr
    copied = int(re.findall(r"([\d,]+) of them copied now", " ".join(again.stdout.split()))[0].replace(",", ""))
    assert copied <= events + 10 - there
    assert set(rows_of(url, MIXED)) == set(rows_of(small.database, MIXED))
    assert rollup_differences(url) == {}
    large.start()
    assert rows_of(url, "SELECT count(*) FROM event") == [(events + 10,)]


async def test_of_two_concurrent_copies_one_is_refused(settings: Settings, postgres: Postgres) -> None:
    url = postgres.fresh()
    store = await open_store(settings)
    await fill(store, 100)
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (postgres_copy._COPY_LOCK,))
        with pytest.raises(CopyError, match="another copy"):
            await asyncio.to_thread(copied, settings, url)
    assert await asyncio.to_thread(copied, settings, url) == 100
    await store.close()


async def test_changes_during_a_copy_are_included_at_its_end(
    settings: Settings, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.fresh()
    monkeypatch.setattr(postgres_copy, "STRETCH", 100)
    store = await open_store(settings)
    await fill(store, 1_000)
    changes = iter([
        "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 30)",
        "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id DESC LIMIT 30)",
        "UPDATE event SET properties = 'longer' WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 3 OFFSET 200)",
    ])  # fmt: skip

    def meanwhile(what: str, done: int, total: int) -> None:
        assert 0 < done <= total
        if what == "event" and (change := next(changes, None)):
            with closing(sqlite3.connect(settings.sqlite_path)) as connection, connection:
                connection.execute(change)

    moved = await asyncio.to_thread(postgres_copy.copy_to_postgres, settings, url, progress=meanwhile)
    await store.close()
    assert moved.rows["event"] == 940
    assert rows_of(url, MIXED + " ORDER BY id") == rows_of(settings.sqlite_path, MIXED + " ORDER BY id")
    assert rows_of(url, f"SELECT 1 FROM note WHERE name = '{UNFINISHED}'") == []


@contextmanager
def miscounting(url: str) -> Iterator[None]:
    """A target that loses rows."""
    wrong = "BEGIN NEW.events := NEW.events + 1; RETURN NEW; END"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE FUNCTION miscount() RETURNS trigger LANGUAGE plpgsql AS $$ {wrong} $$".encode())
        connection.execute("CREATE TRIGGER miscount BEFORE INSERT ON rollup_hour FOR EACH ROW EXECUTE FUNCTION miscount()")
        yield
        connection.execute("DROP TRIGGER miscount ON rollup_hour")


@pytest.mark.slow
async def test_a_copy_that_differs_from_its_source_is_rolled_back(settings: Settings, postgres: Postgres) -> None:
    url = postgres.fresh()
    store = await open_store(settings)
    await fill(store, 200)
    await asyncio.to_thread(copied, settings, url)
    with closing(sqlite3.connect(settings.sqlite_path)) as connection, connection:
        connection.execute("UPDATE rollup_hour SET events = events + 1")
    before = rows_of(url, "SELECT * FROM rollup_hour")
    with miscounting(url), pytest.raises(CopyError, match="rollup_hour differs from the source"):
        await asyncio.to_thread(copied, settings, url)
    assert rows_of(url, "SELECT * FROM rollup_hour") == before, "the existing content stays"
    await asyncio.to_thread(copied, settings, url)
    assert rows_of(url, "SELECT sum(events) FROM rollup_hour") == rows_of(settings.sqlite_path, "SELECT sum(events) FROM rollup_hour")
    await store.close()


@pytest.mark.slow
def test_a_target_in_use_and_a_missing_target_are_left_alone(make_server: Callable[..., Server], postgres: Postgres) -> None:
    small = make_server(FOOTFALL_SECRET=SECRET).start()
    used = postgres.fresh()
    make_server(FOOTFALL_SECRET=SECRET, FOOTFALL_DATABASE_URL=used).start()
    refused = small.footfall("copy", "--to", used)
    assert refused.returncode == 1
    assert "already in use" in refused.stderr
    for nowhere in ("postgresql://me:hunter2@127.0.0.1:1/footfall", "mysql://me:hunter2@127.0.0.1/footfall"):
        gone = small.footfall("copy", "--to", nowhere)
        assert gone.returncode == 1
        assert "hunter2" not in gone.stdout + gone.stderr
        assert "Traceback" not in gone.stderr
