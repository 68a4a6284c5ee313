"""The store on PostgreSQL, for several servers or for more events than one file should hold."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import psycopg
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString

from server import logs
from server.storage.batch import Batch, Committed
from server.storage.changes import Change, Space
from server.storage.commit.transaction import Commit
from server.storage.postgres.partitions import create_ahead
from server.storage.postgres.postgres_sql import SQL
from server.storage.postgres.postgres_writer import COMMIT_LOCK, PostgresWriter

log = logs.get(__name__)

Rows = list[dict[str, Any]]

READERS = 6  # connections of one process for everything but commits
ATTEMPTS = 5  # for commits that conflict with another process, and for exclusive changes
EXCLUSIVE_SECONDS = 1.0  # an exclusive change waits this long for running commits; meanwhile new ones wait behind it
_RETRYABLE = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, psycopg.errors.UniqueViolation)
# Read-only: the server is no longer the primary. The next connection may reach the new one.
_CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
_READ_SETTINGS = {"application_name": "footfall", "timezone": "UTC", "statement_timeout": "60000", "lock_timeout": "10000"}
_RECENT_COMMIT = 2.0  # seconds after a commit in which the store counts as writable without a check
CHECK_SECONDS = 5.0  # the timeout of a check for writability
_SIZE_INTERVAL = 60.0  # seconds


class PooledPostgresEngine(PostgresEngine):
    """Piccolo's engine without the connections that it opens to inspect the server before the pool exists."""

    async def get_version(self) -> float:
        return 14.0

    async def prep_database(self) -> None:
        """Do nothing: Footfall needs no extension."""


def _redacted(error: psycopg.Error) -> psycopg.Error:
    """Remove row data and the server's address from an error, since errors are logged."""
    error.args = (error.diag.message_primary or type(error).__name__,)
    return error


class PostgresSnapshot:
    """The `server.storage.changes.Snapshot` of PostgreSQL: a repeatable-read transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run a query and return tuples."""
        query, bound = QueryString(sql, *arguments).compile_string(engine_type="postgres")
        return [tuple(row) for row in await self._connection.fetch(query, *bound)]


class PostgresStore:
    """The `server.storage.engine.Store` on PostgreSQL. Create it with `PostgresStore.open`."""

    engine_type = "postgres"
    sql = SQL

    def __init__(self, url: str, engine: PooledPostgresEngine) -> None:
        self.version = 0
        self.engine = engine
        self.available = True
        self._stopping = False
        self._writer = PostgresWriter(url, lambda: self._stopping, self._mark_lost)
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="footfall-writer")
        self._commit = Commit()
        self._committed_at = float("-inf")
        self._size = 0
        self._size_at = float("-inf")

    @classmethod
    async def open(cls, url: str) -> PostgresStore:
        """Open a store with existing tables, and create partitions ahead. Raises the errors of asyncpg."""
        engine = PooledPostgresEngine({"dsn": url})
        await engine.start_connection_pool(
            min_size=1,
            max_size=READERS,
            timeout=5,
            command_timeout=70,
            server_settings=_READ_SETTINGS,
            max_inactive_connection_lifetime=120,
        )
        store = cls(url, engine)
        try:
            await create_ahead(store, attempts=3)
        except asyncpg.LockNotAvailableError:
            log.warning(
                "partitions_not_made"
            )  # a long read blocks them; a job creates them later, and the default partition serves meanwhile
        await store._read_size()
        return store

    async def commit(self, batch: Batch) -> Committed:
        return await self.commit_with(self._commit, batch)

    async def commit_with(self, commit: Commit, batch: Batch) -> Committed:
        try:
            committed: Committed = await self._on_writer(lambda: self._commit_now(batch, commit))
        except psycopg.errors.ReadOnlySqlTransaction:
            await self._pool.expire_connections()  # the pool's connections lead to the same server
            raise
        self.version += 1
        return committed

    def _commit_now(self, batch: Batch, commit: Commit) -> Committed:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                committed = commit.run(self._writer, batch)
            except _RETRYABLE as error:
                if attempt == ATTEMPTS:
                    raise _redacted(error) from None
                log.info("commit_retried", error=type(error).__name__)
                time.sleep(0.01 * attempt)
            except _CONNECTION_LOST as error:
                self._writer.close()
                self._mark_lost()
                raise _redacted(error) from None
            except psycopg.Error as error:
                raise _redacted(error) from None
            else:
                self._mark_available()
                self._committed_at = time.monotonic()
                return committed
        raise AssertionError

    def _mark_lost(self) -> None:
        self._committed_at = float("-inf")
        if self.available:
            self.available = False
            log.error("store_lost")

    def _mark_available(self) -> None:
        if not self.available:
            self.available = True
            log.info("store_available")

    async def rows(self, sql: str, *arguments: Any) -> Rows:
        found = await self.engine.run_querystring(QueryString(sql, *arguments))
        return [dict(row) for row in found]

    async def rows_within(self, seconds: float, sql: str, *arguments: Any) -> Rows:
        query, bound = QueryString(sql, *arguments).compile_string(engine_type="postgres")
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            # The planner guesses that a common table expression of a question has few rows, and would compare each row of two with each.
            await connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}; SET LOCAL enable_nestloop = off")
            try:
                return [dict(row) for row in await connection.fetch(query, *bound)]
            except asyncpg.QueryCanceledError as error:
                raise TimeoutError(f"more than {seconds:g} seconds") from error

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change:
        compiled = [QueryString(sql, *arguments).compile_string(engine_type="postgres") for sql, arguments in statements]
        for _ in range(ATTEMPTS - 1 if exclusive else 0):
            with contextlib.suppress(asyncpg.LockNotAvailableError):
                return await self._changed(compiled, exclusive)
            await asyncio.sleep(EXCLUSIVE_SECONDS)  # let other processes commit
        return await self._changed(compiled, exclusive)

    async def _changed(self, compiled: Sequence[tuple[str, list[Any]]], exclusive: bool) -> Change:
        rows = []
        started = time.perf_counter()
        async with self._pool.acquire() as connection, connection.transaction():
            if exclusive:
                await connection.execute(f"SET LOCAL lock_timeout = {int(EXCLUSIVE_SECONDS * 1000)}")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", COMMIT_LOCK)
            for query, bound in compiled:
                status = await connection.execute(query, *bound)
                count = status.rpartition(" ")[2]
                rows.append(int(count) if count.isdigit() else 0)
        self.version += 1
        return Change(tuple(rows), time.perf_counter() - started)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSnapshot]:
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield PostgresSnapshot(connection)

    async def space(self) -> Space:
        return Space(0, 0)  # PostgreSQL's autovacuum does this

    async def release_pages(self, pages: int) -> float:
        return 0.0

    async def checkpoint(self) -> None:
        """Do nothing: PostgreSQL runs its own checkpoints."""

    async def claim_node(self) -> int:
        rows = await self.rows(
            "INSERT INTO note (name, value) VALUES ('opened', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1 RETURNING value"
        )
        return int(rows[0]["value"])

    async def check_writable(self) -> None:
        if time.monotonic() - self._committed_at > _RECENT_COMMIT:
            try:
                await asyncio.wait_for(self._on_writer(self._check_now), CHECK_SECONDS)
            except TimeoutError:
                self._mark_lost()
                raise
        if time.monotonic() - self._size_at > _SIZE_INTERVAL:
            await self._read_size()

    def _check_now(self) -> None:
        try:
            self._writer.check()
        except _CONNECTION_LOST as error:
            self._writer.close()
            raise _redacted(error) from None
        self._mark_available()

    def size(self) -> int:
        return self._size

    async def _read_size(self) -> None:
        self._size_at = time.monotonic()
        (row,) = await self.rows("SELECT pg_database_size(current_database()) AS bytes")
        self._size = int(row["bytes"])

    def invalidate_targets(self) -> None:
        self._commit.invalidate_targets()

    async def close(self) -> None:
        self._stopping = True
        await asyncio.to_thread(self._writer_thread.shutdown)
        self._writer.close()
        if self.engine.pool is not None:
            try:
                await asyncio.wait_for(self.engine.close_connection_pool(), 10)
            except TimeoutError:
                if self.engine.pool is not None:
                    self.engine.pool.terminate()

    @property
    def _pool(self) -> Any:
        if self.engine.pool is None:
            raise asyncpg.InterfaceError("the store is closed")
        return self.engine.pool

    async def _on_writer(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writer_thread, work)
