"""The version of the store, which grows with every write: cached answers are reused until then."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import pytest

from server.storage.engine import Store
from server.storage.projects import create_project, picked_properties
from server.storage.sqlite.connection_pool import SqliteConnection
from server.storage.sqlite.sqlite_store import SqliteStore
from server.storage.tables import Project


async def _in_a_transaction(store: Store) -> None:
    async with store.engine.transaction():
        await Project.update({Project.name: "New"}).where(Project.id == 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda store: create_project("other"),
        lambda store: picked_properties.rename(1, []),
        lambda store: store.change(("UPDATE project SET name = {}", ("New",))),
        _in_a_transaction,
    ],
    ids=["an insert by Piccolo", "dropped properties", "a change", "a transaction"],
)
async def test_each_write_raises_the_version(store: Store, write: Callable[[Store], Awaitable[object]]) -> None:
    """The first two did not, so a cached answer could be out of date for ten seconds."""
    await picked_properties.rename(1, ["theme"])
    before = store.version
    await write(store)
    assert store.version > before


async def test_a_write_whose_caller_is_cancelled_raises_the_version(store: Store) -> None:
    assert isinstance(store, SqliteStore)
    running, go = threading.Event(), threading.Event()

    def work(connection: SqliteConnection) -> None:
        running.set()
        go.wait()
        connection.execute("UPDATE project SET name = 'New'")

    before = store.version
    task = asyncio.create_task(store._connections.write(work))
    await asyncio.to_thread(running.wait)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    go.set()
    await store.change()  # waits for the writer's thread
    assert store.version >= before + 2


async def test_reads_and_checks_do_not_change_the_version(store: Store) -> None:
    before = store.version
    await store.rows("SELECT name FROM project")
    await store.check_writable()
    await store.release_pages(1)
    await store.checkpoint()
    assert store.version == before
