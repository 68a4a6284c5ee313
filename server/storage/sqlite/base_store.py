"""What a SQLite store does for its jobs: several statements as one change, a view that stands still, and giving space back."""

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
    """See `server.storage.changes.Snapshot`. Has a connection and a thread of its own: it may be read for minutes, and the readers are for questions."""

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
        """Begin to read: from here on it stands still."""
        await run_in_thread(self._open, executor=self._thread)

    def _open(self) -> None:
        self._connection = connect(self._path, reader=True)
        # The transaction begins to read, and so stands still, with its first SELECT.
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM note").fetchone()

    async def close(self) -> None:
        """Close the connection, which no thread uses any more: each use waits for its thread, even when cancelled."""
        if self._connection is not None:
            await run_in_thread(self._connection.close, executor=self._thread)


class SqliteBase:
    """See `server.storage.engine.Store` for what each method promises."""

    path: Path
    _connections: SqliteConnections

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change:
        compiled = [QueryString(sql, *arguments).compile_string(engine_type="sqlite") for sql, arguments in statements]

        def work(connection: sqlite3.Connection) -> Change:
            connection.execute("BEGIN IMMEDIATE")
            started = time.perf_counter()  # only now: waiting for another process keeps nobody from writing
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
            # Not `execute`: it steps once where a statement has no columns, and each step frees one page.
            connection.executescript(f"PRAGMA incremental_vacuum({int(pages)})")
            return time.perf_counter() - started

        return await self._connections.write(work)

    async def checkpoint(self) -> None:
        # On a reader's thread: it neither waits for the writer nor holds it up, and spares it doing the same at one of its commits.
        await self._connections.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
