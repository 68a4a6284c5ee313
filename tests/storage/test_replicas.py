"""Several servers on one PostgreSQL: concurrent starts and commits do nothing twice or in part."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest

from server.event import Context, Environment, Event, Receipt
from server.event_id import EventIds
from server.storage import migrations
from server.storage.batch import Batch, TargetRules
from server.storage.migrations import StoreError
from server.storage.postgres import partitions, postgres_store, postgres_writer
from server.storage.postgres.opening import migrate_postgres
from server.storage.postgres.postgres_store import PostgresStore
from tests.conftest import rollup_differences, rows_of
from tests.postgres import Postgres

NOW = 1_795_219_200_000
MARKS = 600
OPEN = {1: TargetRules(listed_only=False, most=1_000)}


@pytest.mark.slow
@pytest.mark.parametrize("known", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_five_processes_that_start_at_once_migrate_once(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, known: int) -> None:
    url = postgres.address(postgres.empty())
    every = migrations.migrations()
    if known:  # a store of an older version, with events
        monkeypatch.setattr(migrations, "migrations", lambda: every[:known])
        assert len(migrate_postgres(url)) == known
        with psycopg.connect(url) as connection:
            for number in range(3):
                connection.execute(
                    "INSERT INTO event (id, project_id, name_id, context_id, occurred_at, outcome) VALUES (%s, 1, 1, 1, 1, 0)", (number,)
                )
    program = "import sys\nfrom server.storage.postgres.opening import migrate_postgres\nprint(len(migrate_postgres(sys.argv[1])))"
    processes = [subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True) for _ in range(5)]
    ran = [int(process.communicate(timeout=280)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sorted(ran) == [0, 0, 0, 0, len(every) - known]
    assert rows_of(url, "SELECT count(*) FROM event") == [(known,)]
    assert rows_of(url, "SELECT count(*), count(DISTINCT name) FROM migration") == [(len(every), len(every))]


async def test_five_servers_that_open_a_store_at_once_create_its_partitions_once(postgres: Postgres) -> None:
    url = postgres.fresh()
    stores = await asyncio.gather(*(PostgresStore.open(url) for _ in range(5)))
    assert len(await partitions.partitions(stores[0])) == 1 + partitions.AHEAD
    assert len({await store.claim_node() for store in stores}) == 5
    for store in stores:
        await store.close()


def test_an_interrupted_migration_is_rolled_back_and_repeated(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.address(postgres.empty())
    known = migrations.migrations()
    half = migrations.Migration(known[1].id, known[1].name, lambda kind: [*known[1].statements(kind)[:3], "SELECT 1 / 0"])
    monkeypatch.setattr(migrations, "migrations", lambda: [known[0], half])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate_postgres(url)
    assert rows_of(url, "SELECT to_regclass('event') IS NOT NULL, to_regclass('rollup_error') IS NOT NULL") == [(True, False)]
    monkeypatch.undo()
    assert migrate_postgres(url) == [migration.name for migration in known[1:]]


def test_a_store_of_a_newer_version_is_left_alone(postgres: Postgres) -> None:
    url = postgres.fresh()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:00:000000', 'footfall')")
    with pytest.raises(StoreError, match="newer Footfall"):
        migrate_postgres(url)


def event(ids: EventIds, chance: random.Random, mark: int) -> Event:
    """The event of a mark: the same on each server, except its id."""
    return Event(
        id=ids.take(1, NOW)[0],
        project=1,
        name=f"command_{mark % 11}",
        occurred_at=NOW,
        context=Context(Environment.PERSON, "", "native", os=f"os-{mark % 7}", version=f"1.{mark % 5}"),
        install=1 + mark % 50,
        target=("tool", f"tool-{mark % 13}"),
        error_type=f"Error{mark % 3}" if mark % 4 == 0 else None,
        duration_us=chance.randrange(1_000),
        mark=mark,
    )


class Overheard:
    """A log handler that keeps the messages of the store."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, _: str) -> Any:
        return lambda what, **about: self.said.append((what, about))


async def test_servers_that_commit_the_same_in_any_order_count_it_once_and_never_deadlock(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, overheard = postgres.fresh(), Overheard()
    monkeypatch.setattr(postgres_store, "log", overheard)
    stores = [await PostgresStore.open(url) for _ in range(3)]

    async def serve(number: int, store: PostgresStore) -> list[Receipt | None]:
        chance, ids, receipts = random.Random(number), EventIds(number), list[Receipt | None]()
        marks = [*range(MARKS)]
        chance.shuffle(marks)  # so that each server has a different order of new texts, targets and rollups
        for some in zip(*[iter(marks)] * 20, strict=True):
            committed = await store.commit(Batch([event(ids, chance, mark) for mark in some], target_rules=OPEN))
            receipts += [committed.exceptions.get(place) for place in range(20)]
        return receipts

    receipts = [receipt for some in await asyncio.gather(*map(serve, range(3), stores)) for receipt in some]
    for store in stores:
        await store.close()
    assert receipts.count(None) == MARKS
    assert receipts.count(Receipt.DUPLICATE) == 2 * MARKS
    assert rows_of(url, "SELECT count(*) FROM event") == [(MARKS,)]
    assert rows_of(url, "SELECT sum(events) FROM ledger GROUP BY entry ORDER BY entry") == [(2 * MARKS,), (MARKS,)]
    assert rollup_differences(url) == {}
    assert overheard.said == []


@pytest.mark.slow
async def test_servers_that_store_the_same_texts_in_another_order_do_not_deadlock(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, overheard = postgres.fresh(), Overheard()
    monkeypatch.setattr(postgres_store, "log", overheard)
    stores = [await PostgresStore.open(url) for _ in range(2)]
    ids = EventIds(1)
    for commit in range(5):
        words = [f"word-{commit}-{number}" for number in range(100)]
        batches = [
            Batch([Event(id=ids.take(1, NOW)[0], project=1, name=word, occurred_at=NOW, context=Context()) for word in order])
            for order in (words, words[::-1])
        ]
        await asyncio.gather(*(store.commit(batch) for store, batch in zip(stores, batches, strict=True)))
    for store in stores:
        await store.close()
    assert overheard.said == []
    assert rows_of(url, "SELECT count(*), count(DISTINCT text) FROM event_name") == [(500, 500)]
    assert rollup_differences(url) == {}


def test_a_commit_that_waits_for_a_crashed_server_continues(postgres: Postgres) -> None:
    url = postgres.fresh()
    dying, living = postgres_writer.PostgresWriter(url), postgres_writer.PostgresWriter(url)
    add = ("INSERT INTO note (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1", ("both",))
    dying.begin()
    dying.execute(*add)
    done = threading.Event()

    def wait() -> None:
        living.begin()
        living.execute(*add)
        living.commit()
        done.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not done.wait(0.3)
    dying.close()
    assert done.wait(30)
    waiting.join()
    living.close()
    assert rows_of(url, "SELECT value FROM note WHERE name = 'both'") == [(1,)]
