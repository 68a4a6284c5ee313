"""The base of the store on SQLite: changes, snapshots, and the release of free space."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from piccolo.querystring import QueryString

from server.storage.changes import Change, Space
from server.storage.sqlite.connection_pool import SqliteConnections, connect
from server.tasks import run_in_thread


class SqliteSnapshot:
    """The `server.storage.changes.Snapshot` of SQLite. It has its own connection and thread, since it may be read for minutes."""

    def __init__(self, path: Path, thread: ThreadPoolExecutor) -> None:
        self._path = path
        self._thread = thread
        self._connection: sqlite3.Connection | None = None

    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        query, bound = QueryString(sql, *arguments).compile_string(engine_type="sqlite")
        work = self._connection.execute
        return await run_in_thread(lambda: work(query, bound).fetchall(), executor=self._thread, interrupt=self._connection.interrupt)

    async def open(self) -> None:
        """Begin the transaction that fixes the view."""
        await run_in_thread(self._open, executor=self._thread)

    def _open(self) -> None:
        self._connection = connect(self._path, reader=True)
        # The first SELECT fixes the view of the transaction.
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM note").fetchone()

    async def close(self) -> None:
        """Close the connection. No thread uses it any more: each call waits for its thread, even if it is cancelled."""
        if self._connection is not None:
            await run_in_thread(self._connection.close, executor=self._thread)


class SqliteBase:
    """The methods of `server.storage.engine.Store` that jobs use."""

    path: Path
    version: int
    _connections: SqliteConnections

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change:
        compiled = [QueryString(sql, *arguments).compile_string(engine_type="sqlite") for sql, arguments in statements]

        def work(connection: sqlite3.Connection) -> Change:
            connection.execute("BEGIN IMMEDIATE")
            started = time.perf_counter()  # after BEGIN: the wait for another process blocks no writer of this one
            try:
                rows = tuple([max(0, connection.execute(query, arguments).rowcount) for query, arguments in compiled])
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return Change(rows, time.perf_counter() - started)

        return await self._connections.write(work)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteSnapshot]:
        with ThreadPoolExecutor(1, thread_name_prefix="footfall-snapshot") as thread:
            snapshot = SqliteSnapshot(self.path, thread)
            try:
                await snapshot.open()
                yield snapshot
            finally:
                await snapshot.close()

    async def space(self) -> Space:
        def work(connection: sqlite3.Connection) -> Space:
            (pages,), (free,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count"))
            return Space(int(pages), int(free))

        return await self._connections.read(work)

    async def release_pages(self, pages: int) -> float:
        def work(connection: sqlite3.Connection) -> float:
            started = time.perf_counter()
            # Not `execute`: it steps only once through a statement without columns, and each step frees one page.
            connection.executescript(f"PRAGMA incremental_vacuum({int(pages)})")
            return time.perf_counter() - started

        return await self._connections.write(work, changes=False)

    async def checkpoint(self) -> None:
        # Runs on a reader's thread: it does not block the writer, and saves it a checkpoint during a commit.
        await self._connections.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
