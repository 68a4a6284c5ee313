"""The connection that commits on PostgreSQL. It is used from one thread, and resolves a commit whose acknowledgement was lost.

Commits run in a thread beside the event loop, as on SQLite, and therefore use psycopg. Reads use asyncpg, as Piccolo does.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql as composed

from server import logs
from server.storage.postgres.postgres_sql import SQL

log = logs.get(__name__)

CONNECT_SECONDS = 3
ANSWER_SECONDS = 25.0  # longer than the statement timeout: a server that hangs does not even report a timeout
OUTCOME_SECONDS = 30.0  # the time to find out whether a commit with a lost acknowledgement succeeded
# Numbers of advisory locks, as for migrations.
_DICTIONARY_LOCK = 7_205_759_403_792_795
COMMIT_LOCK = 7_205_759_403_792_796
"""Commits share this lock; exclusive changes hold it alone. Both take it before any other lock, so they cannot deadlock."""
_BEGIN = f"BEGIN; SELECT pg_current_xact_id()::text, pg_advisory_xact_lock_shared({COMMIT_LOCK})"
_COPIED = "event"  # written by COPY: ids are unique, so rows never conflict
_OPTIONS = (
    "-c synchronous_commit=on -c statement_timeout=20000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000 -c timezone=UTC"
)
_KEEPALIVE: Any = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


class _TimeoutConnection(psycopg.Connection[Any]):
    """A connection that waits at most `ANSWER_SECONDS` for a response. TCP keepalives do not detect a PostgreSQL process that is stopped."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        return super().wait(_bounded(gen, time.monotonic() + ANSWER_SECONDS), *arguments, **named)


def _bounded(gen: Generator[Any, Any, Any], until: float) -> Generator[Any, Any, Any]:
    """Wrap psycopg's wait with a deadline, which is checked ten times a second. Raises OperationalError."""
    try:
        event = next(gen)
        while True:
            ready = yield event
            if not ready and time.monotonic() > until:
                raise psycopg.OperationalError("the server did not answer in time")
            event = gen.send(ready)
    except StopIteration as end:
        return end.value


def connect(url: str, kind: type[psycopg.Connection[Any]] = psycopg.Connection) -> psycopg.Connection[Any]:
    """Open a connection in autocommit mode, with our settings. Raises psycopg.OperationalError."""
    return kind.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=_OPTIONS, application_name="footfall", **_KEEPALIVE)


class PostgresWriter:
    """The `server.storage.commit.writer_connection.Connection` of PostgreSQL. Reconnects automatically."""

    sql = SQL
    has_concurrent_writers = True

    def __init__(self, url: str, stopping: Callable[[], bool] = lambda: False, lost: Callable[[], None] = lambda: None) -> None:
        """`stopping` returns True at shutdown, which shortens waits. `lost` is called when the server is lost, before any attempt to reconnect."""
        self._url = url
        self._stopping = stopping
        self._lost = lost
        self._connection: psycopg.Connection[Any] | None = None
        self._types: dict[str, dict[str, str]] = {}
        self._transaction: str | None = None
        self._witness: int | None = None
        self._checking = f"checked:{secrets.token_hex(6)}"

    def begin(self) -> None:
        connection = self._connected()
        try:
            cursor = connection.execute(_BEGIN)
            cursor.nextset()
            self._transaction = cursor.fetchone()[0]  # type: ignore[index]
        except psycopg.OperationalError:
            self.close()
            raise

    def commit(self) -> None:
        """Commit the transaction. If the connection is lost meanwhile, ask the server for the outcome until it answers."""
        transaction, witness = self._transaction, self._witness
        self._transaction = self._witness = None
        try:
            self._open.execute("COMMIT")
        except psycopg.OperationalError as error:
            self.close()
            self._lost()
            if not self._was_committed(transaction, witness):
                raise
            log.warning("commit_confirmed", error=type(error).__name__)

    def check(self) -> None:
        """Raise an error if the store cannot be written now. Writes a note of its own and rolls back, so servers do not wait for each other."""
        self.begin()
        try:
            self._open.execute(
                "INSERT INTO note (name, value) VALUES (%s, 0) ON CONFLICT (name) DO UPDATE SET value = 0", (self._checking,)
            )
        finally:
            self.rollback()

    def lock_dictionaries(self) -> None:
        self._open.execute("SELECT pg_advisory_xact_lock(%s)", (_DICTIONARY_LOCK,))

    def rollback(self) -> None:
        self._transaction = self._witness = None
        if self._connection is None:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def execute(self, sql: str, arguments: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        return self._open.execute(_translated(sql), arguments)

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], end: str = "", /) -> list[Any]:
        if not rows:
            return []
        names = composed.SQL(", ").join(map(composed.Identifier, columns))
        if table == _COPIED:
            copy = composed.SQL("COPY {} ({}) FROM STDIN").format(composed.Identifier(table), names)
            with self._open.cursor() as cursor, cursor.copy(copy) as copying:
                for row in rows:
                    copying.write_row(row)
            self._witness = rows[0][0]
            return []
        # One array per column, so the statement does not depend on the number of rows. All processes sort the rows, so they cannot deadlock.
        ordered = _in_order(rows)
        types = self._column_types(table)
        arrays = ", ".join(f"%s::{types[column]}[]" for column in columns)
        statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) {end}"
        cursor = self._open.execute(statement, [list(values) for values in zip(*ordered, strict=True)])
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    @property
    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise psycopg.OperationalError("the connection was lost")
        return self._connection

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, _TimeoutConnection)
        return self._connection

    def _column_types(self, table: str) -> dict[str, str]:
        """Return the types of a table's columns."""
        if table not in self._types:
            statement = (
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = %s"
            )
            self._types[table] = dict(self._open.execute(statement, (table,)).fetchall())
        return self._types[table]

    def _was_committed(self, transaction: str | None, witness: int | None) -> bool:
        """Return whether a transaction without an acknowledgement was committed. Raises psycopg.OperationalError if the server does not answer.

        The status of its number is not enough: after a crash, the server may reuse the number of a lost transaction. So once no transaction
        with the number is in progress, the result depends on whether an event of the transaction exists.
        """
        until = time.monotonic() + OUTCOME_SECONDS
        while True:
            try:
                status = self._status(transaction)
                if status != "in progress":
                    return status == "committed" if witness is None else self._is_there(witness)
            except psycopg.OperationalError:
                self.close()
                if time.monotonic() > until or self._stopping():
                    raise
            time.sleep(0.1)

    def _status(self, transaction: str | None) -> str:
        try:
            found = self._connected().execute("SELECT pg_xact_status(%s::xid8)", (transaction,)).fetchone()
        except psycopg.DataError:
            return "aborted"  # the server crashed, and has not reached this number again
        return "unknown" if found is None else str(found[0])

    def _is_there(self, event: int) -> bool:
        return self._connected().execute("SELECT 1 FROM event WHERE id = %s", (event,)).fetchone() is not None


@lru_cache(maxsize=512)
def _translated(sql: str) -> Any:
    return sql.replace("%", "%%").replace("?", "%s")


def _in_order(rows: Sequence[Any]) -> list[Any]:
    """Return rows in the order of their keys, which come first and contain no None. Rows with equal keys may need `_order`."""
    try:
        return sorted(rows)
    except TypeError:
        return sorted(rows, key=_order)


def _order(row: Sequence[Any]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is None, value) for value in row)
