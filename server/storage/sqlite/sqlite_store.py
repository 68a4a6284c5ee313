"""The store on SQLite: one file with one writer, which commits the events that arrived during the previous commit."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from piccolo.querystring import QueryString

from server.storage.batch import Batch, Committed
from server.storage.commit.transaction import Commit
from server.storage.sqlite.base_store import SqliteBase
from server.storage.sqlite.connection_pool import PooledSqliteEngine, Rows, SqliteConnections
from server.storage.sqlite.sqlite_sql import SQL
from server.storage.store_lock import StoreLock


class SqliteStore(SqliteBase):
    """The `server.storage.engine.Store` on SQLite."""

    engine_type = "sqlite"
    sql = SQL

    def __init__(self, path: Path, lock: StoreLock | None = None) -> None:
        self.path = path
        self.version = 0
        self.available = True
        self._lock = lock
        self._connections = SqliteConnections(path, self._note_change)
        self.engine = PooledSqliteEngine(self._connections)
        self._commit = Commit()

    async def commit(self, batch: Batch) -> Committed:
        return await self.commit_with(self._commit, batch)

    async def commit_with(self, commit: Commit, batch: Batch) -> Committed:
        return await self._connections.write(lambda connection: commit.run(connection, batch))

    def _note_change(self) -> None:
        self.version += 1

    async def rows(self, sql: str, *arguments: Any) -> Rows:
        return await self.engine.run_querystring(QueryString(sql, *arguments))

    async def rows_within(self, seconds: float, sql: str, *arguments: Any) -> Rows:
        return await self.engine.run_within(seconds, QueryString(sql, *arguments))

    async def claim_node(self) -> int:
        sql = "INSERT INTO note (name, value) VALUES ('opened', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1 RETURNING value"
        rows = await self.engine.run_ddl(sql)
        return int(rows[0]["value"])

    async def check_writable(self) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("INSERT INTO note (name, value) VALUES ('checked', 0) ON CONFLICT (name) DO UPDATE SET value = 0")
            finally:
                connection.execute("ROLLBACK")

        await self._connections.write(work, changes=False)

    def size(self) -> int:
        files = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def invalidate_targets(self) -> None:
        self._commit.invalidate_targets()

    async def close(self) -> None:
        self._connections.close()
        if self._lock is not None:
            self._lock.release()
