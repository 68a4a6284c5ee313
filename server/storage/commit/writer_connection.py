"""The connection that a commit runs on, as a protocol that both engines implement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from server.storage.store_sql import StoreSql


class Cursor(Protocol):
    """The result of a statement."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection that commits batches. In SQL, `?` is the placeholder of an argument."""

    sql: StoreSql
    has_concurrent_writers: bool
    """True if other processes commit to the same rows at the same time."""

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def commit(self) -> None:
        """Commit the transaction. It is durable when this returns; if this raises, nothing was stored."""
        ...

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        ...

    def execute(self, sql: str, arguments: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        ...

    def lock_dictionaries(self) -> None:
        """Lock the dictionaries against other processes until the transaction ends.

        Two processes that added the same words in different orders would deadlock.
        """
        ...

    def insert_many(self, table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]], end: str = "", /) -> list[Any]:
        """Insert rows and return the rows of a RETURNING clause in `end`."""
        ...
