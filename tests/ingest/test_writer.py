"""The writer with a real store: queueing, immediate refusals, and isolation of failing requests."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import psycopg
import pytest

from server.event import Context, Event, Install, LedgerEntry, Receipt
from server.event_id import EventIds
from server.ingest import event_writer as writing
from server.ingest.event_writer import Writer
from server.metrics import Metrics
from server.problems import Busy, Failed
from server.settings import Settings
from server.storage.batch import TargetRules
from server.storage.engine import Store
from server.storage.projects import LiveProject

ENGINES = ("sqlite", "postgres")

PROJECT = LiveProject(1, "default", False, None, None, TargetRules(False, 100), (), (), ())
ids = EventIds(3)


def events(count: int, **fields: Any) -> list[Event]:
    defaults: dict[str, Any] = {"project": 1, "name": "run", "context": Context()}
    return [Event(id=new, occurred_at=1_795_219_200_000, **{**defaults, **fields}) for new in ids.take(count)]


async def make_writer(store: Store, max_queue: int = 1_000) -> Writer:
    return Writer(store, Metrics("test"), max_queue=max_queue, slug=lambda _: "default")


async def count(store: Store) -> int:
    return int((await store.rows("SELECT count(*) AS n FROM event"))[0]["n"])


async def test_events_that_arrive_during_a_commit_share_the_next_one(store: Store) -> None:
    writer = await make_writer(store)
    before = store.version
    await asyncio.gather(*(writer.submit(PROJECT, events(1)) for _ in range(200)))
    assert await count(store) == 200
    assert store.version - before <= 2


async def test_each_request_gets_the_receipts_of_its_own_events(store: Store) -> None:
    writer = await make_writer(store)
    first, second = await asyncio.gather(
        writer.submit(PROJECT, events(2, mark=1)), writer.submit(PROJECT, [*events(1, mark=2), *events(1, mark=1)])
    )
    assert first[0] == [Receipt.STORED, Receipt.DUPLICATE]
    assert second[0] == [Receipt.STORED, Receipt.DUPLICATE]


async def test_a_full_queue_refuses_events_immediately_and_accepts_more_once_it_is_empty(store: Store, settings: Settings) -> None:
    writer = await make_writer(store, max_queue=10)
    blocker: Any
    if settings.database_url is None:
        blocker = sqlite3.connect(settings.sqlite_path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
    else:
        blocker = psycopg.connect(settings.database_url)
        blocker.execute("LOCK TABLE event")
    waiting = [asyncio.create_task(writer.submit(PROJECT, events(5))) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(Busy) as full:
        await writer.submit(PROJECT, events(1))
    assert full.value.retry_after
    blocker.execute("ROLLBACK")
    blocker.close()
    assert [receipts for receipts, _ in await asyncio.gather(*waiting)] == [[Receipt.STORED] * 5] * 2
    await writer.submit(PROJECT, events(10))
    assert await count(store) == 20


async def test_events_that_cannot_be_stored_do_not_affect_other_requests(store: Store) -> None:
    writer = await make_writer(store)
    await writer.submit(PROJECT, events(1))
    poison = events(1)
    poison[0].duration_us = 1 << 70  # beyond what SQLite can hold
    results = await asyncio.gather(
        writer.submit(PROJECT, events(3)), writer.submit(PROJECT, poison), writer.submit(PROJECT, events(4)), return_exceptions=True
    )
    assert isinstance(results[0], tuple)
    assert isinstance(results[2], tuple)
    assert results[0][0] == [Receipt.STORED] * 3
    assert results[2][0] == [Receipt.STORED] * 4
    assert isinstance(results[1], Failed) or results[1][0] == [Receipt.FAILED]  # type: ignore[index]
    assert await count(store) == 8


@pytest.mark.on_sqlite
async def test_a_store_that_refuses_writes_is_busy_and_recovers_by_itself(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "REFUSAL_SECONDS", float("inf"))  # a busy machine takes longer to log the error
    writer = await make_writer(store)
    # A page limit is what a full disk looks like to SQLite.
    await store.engine.run_ddl("PRAGMA max_page_count = 1")
    with pytest.raises(Busy):
        await writer.submit(PROJECT, events(500, properties="x" * 2_000))
    refusing = writer.is_refusing
    writer.tally(PROJECT, LedgerEntry.REJECTED, "busy", 500, 1_795_219_200_000)
    await store.engine.run_ddl("PRAGMA max_page_count = 1000000")
    await writer.submit(PROJECT, events(2))
    assert (refusing, writer.is_refusing) == (True, False)
    assert await count(store) == 2
    ledger = await store.rows("SELECT entry, sum(events) AS n FROM ledger GROUP BY entry ORDER BY entry")
    assert [tuple(row.values()) for row in ledger] == [("rejected", 500), ("stored", 2)]


async def test_a_client_that_disconnects_does_not_cancel_the_commit_of_the_others(store: Store) -> None:
    writer = await make_writer(store)
    staying, leaving = (asyncio.create_task(writer.submit(PROJECT, events(1))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)[0] == [Receipt.STORED]
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await writer.submit(PROJECT, events(1)))[0] == [Receipt.STORED]


async def test_closing_commits_what_was_accepted_then_refuses(store: Store) -> None:
    writer = await make_writer(store)
    accepted = [asyncio.create_task(writer.submit(PROJECT, events(1))) for _ in range(50)]
    await asyncio.sleep(0)
    writer.tally(PROJECT, LedgerEntry.LIMITED, "", 3, 1_795_219_200_000)
    await writer.close()
    await writer.close()
    await asyncio.gather(*accepted)
    with pytest.raises(Busy):
        await writer.submit(PROJECT, events(1))
    assert await count(store) == 50
    assert await store.rows("SELECT events FROM ledger WHERE entry = 'limited'") == [{"events": 3}]


async def test_refusals_alone_are_written_too(store: Store) -> None:
    writer = await make_writer(store)
    writer.tally(PROJECT, LedgerEntry.LIMITED, "", 1, 1_795_219_200_000, address=5)
    assert await store.rows("SELECT * FROM ledger") == []
    async with asyncio.timeout(60):
        while not (written := await store.rows("SELECT address, events FROM refusal")):
            await asyncio.sleep(0.05)
    assert written == [{"address": 5, "events": 1}]


async def come_again(writer: Writer, times: int) -> None:
    for _ in range(times):
        await writer.submit(PROJECT, events(1))


async def test_clients_that_send_again_share_one_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COALESCE_SECONDS", 30.0)
    monkeypatch.setattr(writing, "COALESCE_STEP", 10.0)
    writer, before = await make_writer(store), store.version
    early = [asyncio.create_task(come_again(writer, 10)) for _ in range(10)]
    while writer.depth < 10:
        await asyncio.sleep(0)
    late = [asyncio.create_task(come_again(writer, 9)) for _ in range(10)]  # arrive while the first commit runs
    await asyncio.gather(*early, *late)
    assert await count(store) == 190
    assert store.version - before == 10


async def test_a_single_client_does_not_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COALESCE_SECONDS", 3_600.0)
    monkeypatch.setattr(writing, "COALESCE_STEP", 3_600.0)
    writer = await make_writer(store)
    await asyncio.wait_for(come_again(writer, 20), timeout=60)
    assert await count(store) == 20


async def test_a_crowd_that_does_not_come_is_not_waited_for_when_the_server_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COALESCE_SECONDS", 3_600.0)
    monkeypatch.setattr(writing, "COALESCE_STEP", 3_600.0)
    writer = await make_writer(store)
    await asyncio.gather(*(writer.submit(PROJECT, events(1)) for _ in range(10)))
    last = asyncio.create_task(writer.submit(PROJECT, events(1)))
    await asyncio.sleep(0.05)
    assert not last.done()
    await asyncio.wait_for(writer.close(), timeout=60)
    assert (await last).receipts == [Receipt.STORED]


async def test_an_error_in_one_callback_does_not_affect_the_others(store: Store) -> None:
    writer, heard = await make_writer(store), list[Any]()

    def stumble(_: object) -> None:
        raise RuntimeError("a client of ours that cannot be written to")

    writer.submit_nowait(PROJECT, events(1), (), stumble)
    writer.submit_nowait(PROJECT, events(1), (), heard.append)
    assert (await writer.submit(PROJECT, events(1))).receipts == [Receipt.STORED]
    assert [stored.receipts for stored in heard] == [[Receipt.STORED]]


async def test_an_install_report_that_arrives_during_a_commit_is_in_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no event, and once waited for the timer of refusals."""
    monkeypatch.setattr(writing, "FLUSH_AFTER", 60.0)
    writer = await make_writer(store)
    first = asyncio.create_task(writer.submit(PROJECT, events(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the commit runs
    report = Install(project=1, id=7, first_seen=1_795_219_200_000, last_seen=1_795_219_200_000, context=Context())
    async with asyncio.timeout(20):
        assert (await writer.submit(PROJECT, [], [report])).created == [True]
    assert await first
