"""The interface of the store, and functions that open it and keep its secret."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from piccolo.engine.base import Engine

from server.settings import Settings
from server.storage import tables
from server.storage.batch import Batch, Committed
from server.storage.changes import Change, Snapshot, Space
from server.storage.commit.transaction import Commit
from server.storage.migrations import StoreError
from server.storage.sqlite.opening import upgrade
from server.storage.sqlite.sqlite_store import SqliteStore
from server.storage.store_lock import StoreBusy, StoreLock
from server.storage.store_sql import StoreSql
from server.tasks import in_thread

TABLES = (
    tables.Project, tables.ApiKey, tables.EventName, tables.ContextRow, tables.Target, tables.Install, tables.Event, tables.Activity,
    tables.Mark, tables.Rejected, tables.Note, tables.ErrorType, tables.ErrorInstall, tables.ErrorSeen, tables.Trending,
    tables.Lease, tables.JobRun, tables.UnusedContext, tables.PartialDay, tables.ChangedDay, tables.AlertRule, tables.AlertDelivery,
    tables.SavedQuestion, tables.QuestionShare, tables.PickedProperty,
)  # fmt: skip


# Transient errors: the disk is full, the file is locked, the server is restarting or is read-only during a failover. The data is not at fault.
_TRANSIENT = frozenset({
    "OperationalError", "ConnectionError", "InterfaceError", "OSError", "PostgresConnectionError", "OperatorInterventionError",
    "InsufficientResourcesError", "LockNotAvailableError", "TransactionRollbackError", "ReadOnlySqlTransaction", "ReadOnlySQLTransactionError",
    "TargetServerAttributeNotMatched",
})  # fmt: skip


def is_transient(error: BaseException) -> bool:
    """Return True if an error means that the store is unavailable at the moment. Compares names of classes, since each driver has its own."""
    return any(kind.__name__ in _TRANSIENT for kind in type(error).__mro__)


class Store(Protocol):
    """The store of events, on SQLite or PostgreSQL."""

    engine_type: str
    sql: StoreSql
    version: int
    """A number that grows with each commit and change of this process."""
    available: bool
    """True if the last commit succeeded; False while the store cannot be reached."""

    @property
    def engine(self) -> Engine[Any]:
        """The engine for Piccolo's queries."""
        ...

    async def commit(self, batch: Batch) -> Committed:
        """Store a whole batch in one transaction and return when it is durable, or raise and store nothing."""
        ...

    async def commit_with(self, commit: Commit, batch: Batch) -> Committed:
        """Like `commit`, with a custom `Commit` (used by imports)."""
        ...

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run a query and return its rows. In `sql`, `{}` is the placeholder of an argument on both engines."""
        ...

    async def rows_within(self, seconds: float, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run a query that may take long, such as one over raw events, without blocking other readers. Raises TimeoutError after `seconds`."""
        ...

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change:
        """Run statements, each with its arguments, in one transaction. `{}` is the placeholder of an argument on both engines.

        `exclusive` blocks commits and other exclusive changes in all processes meanwhile. It is for rows that commits update too: without it, a
        change and a commit could lock them in different orders and deadlock.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Open a consistent view of the store, for several queries that must agree."""
        ...

    async def space(self) -> Space:
        """Return the total and the free pages of the store's file."""
        ...

    async def release_pages(self, pages: int) -> float:
        """Return up to `pages` free pages to the file system. Returns the seconds for which this blocked other writers."""
        ...

    async def checkpoint(self) -> None:
        """Move pages from the write-ahead log into the file without blocking commits."""
        ...

    async def claim_node(self) -> int:
        """Return a number for this process that is unique among the last 1,024 processes that opened the store."""
        ...

    async def check_writable(self) -> None:
        """Raise an error if the store cannot be written now."""
        ...

    def size(self) -> int:
        """Return the size of the store on disk, in bytes."""
        ...

    def invalidate_targets(self) -> None:
        """Drop cached targets after a change that was not a commit."""
        ...

    async def close(self) -> None: ...


async def open_store(settings: Settings, *, progress: Callable[[str], None] = lambda _: None) -> Store:
    """Open the store of these settings and run pending migrations. Raises StoreError with a message for the operator."""
    store: Store
    if settings.database_url:
        # The drivers take 0.2 s to import, which servers on SQLite need not pay.
        from server.storage.postgres.opening import open_postgres  # noqa: PLC0415

        store = await open_postgres(settings, progress)
    else:
        store = await _open_sqlite(settings, progress)
    for table in TABLES:
        table._meta.db = store.engine
    return store


async def _open_sqlite(settings: Settings, progress: Callable[[str], None]) -> Store:
    prepare_data_dir(settings.data_dir)
    try:
        lock = StoreLock(settings.data_dir)
        try:
            # Run in a thread, so that the event loop handles signals during a long statement.
            await in_thread(lambda stopped: upgrade(settings, progress=progress, stopped=stopped))
            return SqliteStore(settings.sqlite_path, lock)
        except BaseException:
            lock.release()
            raise
    except StoreBusy as error:
        raise StoreError("a backup is being restored; try again when `footfall restore` has finished") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{settings.sqlite_path} cannot be opened: {error}; run `footfall doctor` for details") from error


def prepare_data_dir(folder: Path) -> None:
    """Create the data folder, readable by its owner only. Raises StoreError if this fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the data folder {folder} cannot be created: {error.strerror}; set FOOTFALL_DATA_DIR") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"the data folder {folder} is not writable; give it to the user that runs Footfall, or set FOOTFALL_DATA_DIR")


def server_secret(settings: Settings) -> bytes:
    """Return the secret that keys all hashes: the setting, or the file in the data folder, which is created if missing (mode 0600)."""
    if settings.secret:
        return settings.secret.encode()
    return keep_secret(settings.data_dir / "secret")


def read_secret(settings: Settings) -> bytes:
    """Return the secret of these settings, or b"" if there is none yet."""
    path = settings.data_dir / "secret"
    return settings.secret.encode() if settings.secret else path.read_text().strip().encode() if path.exists() else b""


def instance_id(settings: Settings, secret: bytes) -> str:
    """Return an id of the store, keyed with its secret. It is the same for all paths to the folder, and reveals none of them."""
    if settings.database_url:
        place = settings.database_url
    else:
        found = settings.data_dir.stat() if settings.data_dir.exists() else None
        place = f"{found.st_dev}:{found.st_ino}" if found else ""
    return hmac.new(secret, f"instance:{place}".encode(), hashlib.sha256).hexdigest()[:16]


def keep_secret(path: Path) -> bytes:
    """Read a secret from its file, or create it. Processes that start at the same time agree, because the file appears once and complete."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_text().strip().encode()
    if len(secret) < 16:
        raise StoreError(f"{path} contains no usable secret; restore it from a backup, or no install will be recognized again")
    return secret
