"""A server that stops while a job runs: the job's thread ends before its resources are closed."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.jobs import Run
from server.jobs.rollup_jobs import check_rollups
from server.settings import load
from server.storage.engine import Store, open_store
from server.storage.sqlite.sqlite_store import SqliteStore
from server.tasks import cancel_and_wait, run_in_thread

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
STOPS = 15


def check_and_stop(folder: str) -> None:
    """Begin a check of all days and cancel it repeatedly, after a different time each."""

    async def main() -> None:
        store = await open_store(load({"FOOTFALL_DATA_DIR": folder}))
        run = Run(store, load({"FOOTFALL_DATA_DIR": folder}), by_hand=True)
        moments = random.Random(7)
        for _ in range(STOPS):
            task = asyncio.create_task(check_rollups(run))
            await asyncio.sleep(moments.uniform(0.005, 0.08))
            await cancel_and_wait([task])
        await store.close()

    asyncio.run(main())


@pytest.mark.slow
async def test_a_check_of_the_rollups_that_is_stopped_does_not_crash_the_server(
    store: Store, run: Run, commit: Callable[..., Any], event: Callable[..., Any]
) -> None:
    await commit(event(days, install=number, duration_us=number) for days in range(10) for number in range(1, 401))
    await store.close()

    child = multiprocessing.get_context("spawn").Process(target=check_and_stop, args=(str(run.settings.data_dir),))
    child.start()
    await asyncio.to_thread(child.join, 60)
    assert child.exitcode == 0, signal.Signals(-child.exitcode).name if child.exitcode and child.exitcode < 0 else child.exitcode


async def test_a_cancelled_statement_is_interrupted_and_its_thread_ends_before_the_caller_continues() -> None:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    running = threading.Event()
    left = threading.Event()

    def work() -> None:
        running.set()
        try:
            connection.execute(ENDLESS)
        finally:
            left.set()

    task = asyncio.create_task(run_in_thread(work, interrupt=connection.interrupt))
    await asyncio.to_thread(running.wait)
    await cancel_and_wait([task])
    assert left.is_set()
    assert task.cancelled()
    connection.close()


async def test_a_caller_that_is_cancelled_twice_still_waits_for_its_thread() -> None:
    go, left = threading.Event(), threading.Event()

    def work() -> None:
        go.wait()
        left.set()

    task = asyncio.create_task(run_in_thread(work))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    await asyncio.wait([task])
    assert left.is_set()
    assert task.cancelled()


async def test_a_snapshot_whose_reader_is_cancelled_closes_at_once(store: Store) -> None:
    async def read() -> None:
        async with store.snapshot() as snapshot:
            begun.set()
            await snapshot.rows(ENDLESS)

    begun = asyncio.Event()
    task = asyncio.create_task(read())
    await begun.wait()
    await cancel_and_wait([task])
    assert task.cancelled()


async def test_a_transaction_that_is_cancelled_while_it_waits_for_the_lock_leaves_none_open(store: Store, where: Path) -> None:
    """Cancel a job while another process writes: a transaction that begins after that would fail each later commit."""
    assert isinstance(store, SqliteStore)
    blocker = sqlite3.connect(where, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    async def change() -> None:
        async with store.engine.transaction():
            raise AssertionError

    task = asyncio.create_task(change())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    blocker.execute("ROLLBACK")
    blocker.close()
    await asyncio.wait([task])
    assert task.cancelled()
    await store.check_writable()
    assert await store.claim_node() > 0


async def test_a_store_closes_while_a_long_question_is_asked(store: Store) -> None:
    question = asyncio.create_task(store.rows(ENDLESS))
    await asyncio.sleep(0.1)
    await store.close()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        await question
