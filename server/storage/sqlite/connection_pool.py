"""A pool of SQLite connections, and an engine for Piccolo that uses it.

Piccolo's own engine opens a connection with a thread for each query. This pool has one writer and a few readers, each a thread with its
connection. All writes of the process, including batches, go through the one writer, so they never wait for a lock of SQLite's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from piccolo.engine.sqlite import SQLiteEngine as PiccoloSQLiteEngine
from piccolo.querystring import QueryString

from server.storage.sqlite.sqlite_sql import SQL
from server.tasks import run_in_thread

T = TypeVar("T")
Rows = list[dict[str, Any]]

READERS = 3
_SLOW_READERS = READERS - 1  # one reader stays free for quick queries
_STEPS_PER_CHECK = 20_000  # SQLite VM steps between two checks of the clock: about a millisecond
_CACHED_STATEMENTS = 256
# A statement with many rows releases the GIL once. `executemany` releases it for each row, and each row then waits for a busy event loop.
# A few fixed sizes keep the number of prepared statements small.
_CHUNKS = (256, 64, 16, 4, 1)
_MANY = 64
# Columns that are often NULL in all of many events, and others that may be NULL.
_OFTEN_NULL = {"event": frozenset(("target_id", "duration_us", "session", "skewed", "error_type", "error_message", "weight"))}
_MAY_BE_NULL = {"event": _OFTEN_NULL["event"] | {"install_id", "properties"}}
# SQLite stores NaN as NULL. The sqlite3 module binds floats directly, but looks up an adapter for each None, which takes longer than the
# rest of a row of an event.
_NULL = float("nan")
_SWITCH_SECONDS = 10.0
_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",  # ms; another process, such as `footfall key create`, may be writing
    "PRAGMA synchronous = FULL",  # in WAL this syncs at each commit: what is acknowledged survives power loss
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
)


class SqliteConnection(sqlite3.Connection):
    """The `server.storage.commit.writer_connection.Connection` of SQLite."""

    sql = SQL
    has_concurrent_writers = False  # there is one writer

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def lock_dictionaries(self) -> None:
        """Do nothing: SQLite allows one writing transaction at a time."""

    def insert_many(self, table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]], end: str = "") -> list[Any]:
        returned: list[Any] = []
        done = 0
        for size in _CHUNKS:
            while len(rows) - done >= size:
                returned += self.execute(*_insert(table, columns, rows[done : done + size], end)).fetchall()
                done += size
        return returned


def _insert(table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]], end: str) -> tuple[str, list[Any]]:
    """Return a statement that inserts rows, and its arguments. If there are many rows, it leaves out columns that are NULL in all of them."""
    if len(rows) < _MANY or table not in _OFTEN_NULL:
        return _insertion(table, columns, len(rows), end), [_NULL if value is None else value for row in rows for value in row]
    number = len(rows)
    values = list(zip(*rows, strict=True))
    unused = frozenset(place for place in _places(columns, _OFTEN_NULL[table]) if values[place].count(None) == number)
    may_be_null = _places(columns, _MAY_BE_NULL[table])
    used = [_all_bound(column) if place in may_be_null else column for place, column in enumerate(values) if place not in unused]
    return _insertion(table, _without(columns, unused), number, end), list(chain.from_iterable(zip(*used, strict=True)))


@lru_cache(maxsize=16)
def _places(columns: tuple[str, ...], names: frozenset[str]) -> frozenset[int]:
    return frozenset(columns.index(name) for name in names)


@lru_cache(maxsize=_CACHED_STATEMENTS)
def _without(columns: tuple[str, ...], places: frozenset[int]) -> tuple[str, ...]:
    return tuple(column for place, column in enumerate(columns) if place not in places)


def _all_bound(column: tuple[Any, ...]) -> Sequence[Any]:
    return [_NULL if value is None else value for value in column] if None in column else column


@lru_cache(maxsize=_CACHED_STATEMENTS)
def _insertion(table: str, columns: tuple[str, ...], rows: int, end: str) -> str:
    """Return the statement for a number of rows.

    All parameters are plain `?`. Since Python 3.12, the sqlite3 module asks SQLite for the name of each parameter that it binds. Numbered
    parameters (`?1`), which could bind shared values once, have names, which SQLite finds by a linear search, and Python warns about each.
    """
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} {end}"


def connect(path: Path, *, reader: bool = False) -> SqliteConnection:
    """Open a connection with our settings, in autocommit mode. A `reader` refuses to write."""
    if not reader:
        path.touch(mode=0o600)  # SQLite creates the files beside it with the same mode
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
        detect_types=sqlite3.PARSE_DECLTYPES,
        factory=SqliteConnection,
    )
    try:
        if not reader:
            # Takes effect on a new file only. Allows retention to release space without rewriting the file.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        _use_wal(connection)
        connection.execute(f"PRAGMA cache_size = {-8_000 if reader else -32_000}")
        if reader:
            connection.execute("PRAGMA query_only = ON")
            # A query may sort the whole table. Small sorts stay in memory anyway.
            connection.execute("PRAGMA temp_store = FILE")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: SqliteConnection) -> None:
    """Switch the file to WAL. Raises OperationalError if other processes lock it for more than ten seconds.

    If two processes switch a new file at the same time, SQLite reports "database is locked" to one of them at once, whatever the busy timeout.
    """
    until = time.monotonic() + _SWITCH_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


class SqliteConnections:
    """The writer and the readers of one store, each with its thread."""

    def __init__(self, path: Path, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called on the writer's thread after each write."""
        self.path = path
        self._changed = changed
        self._writer = connect(path)
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="footfall-writer")
        self._reader_threads = ThreadPoolExecutor(READERS, thread_name_prefix="footfall-reader")
        self._local = threading.local()
        self._readers: list[SqliteConnection] = []
        self._exclusive = asyncio.Lock()
        self._slow = asyncio.Semaphore(_SLOW_READERS)

    async def write(self, work: Callable[[SqliteConnection], T], *, changes: bool = True) -> T:
        """Run `work` on the writer's thread, without other writes meanwhile. Pass `changes=False` if it changes no row."""
        async with self._exclusive:
            return await self._on_writer(self._noted(work) if changes else work)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Callable[[Callable[[SqliteConnection], Any]], Any]]:
        """Hold the writer over several awaits. Commits wait meanwhile, so keep it short."""
        async with self._exclusive:
            # Each step completes even if it is cancelled: an open transaction would fail every later commit.
            try:
                await self._complete(SqliteConnection.begin)
                yield self._on_writer
                await self._complete(self._noted(SqliteConnection.commit))
            except BaseException:
                await self._complete(SqliteConnection.rollback)
                raise

    async def read(self, work: Callable[[SqliteConnection], T]) -> T:
        """Run `work` on a reader's thread, beside the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._reader_threads, lambda: work(self._reader()))

    async def read_within(self, seconds: float, work: Callable[[SqliteConnection], T]) -> T:
        """Run a long `work` on a reader's thread. Raises TimeoutError after `seconds` of execution, and stops at once if it is cancelled."""
        until = float("inf")

        def bounded(connection: SqliteConnection) -> T:
            nonlocal until
            until = min(until, time.monotonic() + seconds)
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_PER_CHECK)
            try:
                return work(connection)
            except sqlite3.OperationalError as error:
                if time.monotonic() > until:
                    raise TimeoutError(f"more than {seconds:g} seconds") from error
                raise
            finally:
                connection.set_progress_handler(None, 0)

        async with self._slow:
            try:
                return await self.read(bounded)
            except asyncio.CancelledError:
                until = 0.0
                raise

    def _noted(self, work: Callable[[SqliteConnection], T]) -> Callable[[SqliteConnection], T]:
        """Return a function that runs `work`, then `changed` on the same thread, which a cancelled caller does not prevent."""

        def run(connection: SqliteConnection) -> T:
            try:
                return work(connection)
            finally:
                self._changed()

        return run

    async def _on_writer(self, work: Callable[[SqliteConnection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer_thread, work, self._writer)

    async def _complete(self, work: Callable[[SqliteConnection], T]) -> T:
        return await run_in_thread(lambda: work(self._writer), executor=self._writer_thread)

    def _reader(self) -> SqliteConnection:
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, reader=True)
            self._readers.append(connection)
        return connection

    def close(self) -> None:
        """Wait for the current write, interrupt reads, and close all connections. May be called twice."""
        self._writer_thread.shutdown()
        self._reader_threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._readers:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed already
                connection.interrupt()
        self._reader_threads.shutdown()
        for connection in (*self._readers, self._writer):
            connection.close()


def _fetch(connection: SqliteConnection, query: str, arguments: list[Any]) -> Rows:
    cursor = connection.execute(query, arguments)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class PooledSqliteEngine(PiccoloSQLiteEngine):
    """Piccolo's engine over the store's own connections."""

    __slots__ = ("connections", "transaction_runner")

    def __init__(self, connections: SqliteConnections) -> None:
        super().__init__(path=str(connections.path))
        self.connections = connections
        self.transaction_runner: ContextVar[Callable[[Callable[[SqliteConnection], Any]], Any] | None] = ContextVar(
            f"footfall_transaction_{id(self)}", default=None
        )

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> Rows:
        query, arguments = querystring.compile_string(engine_type=self.engine_type)
        return await self._run(query, arguments)

    async def run_within(self, seconds: float, querystring: QueryString) -> Rows:
        """Run a query within `seconds`, or raise TimeoutError."""
        query, arguments = querystring.compile_string(engine_type=self.engine_type)
        return await self.connections.read_within(seconds, lambda connection: _fetch(connection, query, arguments))

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> Rows:
        return await self._run(ddl, [])

    async def _run(self, query: str, arguments: list[Any]) -> Rows:
        def work(connection: SqliteConnection) -> Rows:
            return _fetch(connection, query, arguments)

        runner = self.transaction_runner.get()
        if runner is not None:
            return await runner(work)  # type: ignore[no-any-return]
        if query.lstrip()[:6].upper() in ("SELECT", "WITH R", "EXPLAI"):
            return await self.connections.read(work)
        return await self.connections.write(work)

    @contextlib.asynccontextmanager
    async def transaction(self, *_: Any, **__: Any) -> AsyncIterator[None]:  # type: ignore[override]
        """Run several queries of this task in one transaction."""
        async with self.connections.transaction() as runner:
            token = self.transaction_runner.set(runner)
            try:
                yield
            finally:
                self.transaction_runner.reset(token)
