"""The store: what it promises, how it is opened, how its tables come to be."""

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
from server.tasks import in_thread

TABLES = (
    tables.Project, tables.ApiKey, tables.EventName, tables.ContextRow, tables.Target, tables.Install, tables.Event, tables.Activity,
    tables.Mark, tables.Rejected, tables.Note, tables.ErrorType, tables.ErrorInstall, tables.ErrorSeen, tables.Trending,
    tables.Lease, tables.JobRun, tables.UnusedContext, tables.PartialDay, tables.AlertRule, tables.AlertDelivery,
)  # fmt: skip


# Errors that pass: the disk is full, the file is locked, the server is restarting, or takes no writes until another is made the first.
# Nothing is wrong with what was to be stored or read.
_TRANSIENT = frozenset({
    "OperationalError", "ConnectionError", "InterfaceError", "OSError", "PostgresConnectionError", "OperatorInterventionError",
    "InsufficientResourcesError", "LockNotAvailableError", "TransactionRollbackError", "ReadOnlySqlTransaction", "ReadOnlySQLTransactionError",
    "TargetServerAttributeNotMatched",
})  # fmt: skip


def is_transient(error: BaseException) -> bool:
    """Whether an error says that the store cannot be used at the moment, by the names of its kinds: each driver has its own."""
    return any(kind.__name__ in _TRANSIENT for kind in type(error).__mro__)


class Store(Protocol):
    """Where events are kept."""

    engine_type: str
    version: int
    """Grows with each commit of this process."""
    available: bool
    """Whether it took the last commit that it was given: False while it cannot be reached."""

    @property
    def engine(self) -> Engine[Any]:
        """For Piccolo's queries."""
        ...

    async def commit(self, batch: Batch) -> Committed:
        """Store all of a batch in one transaction and return when it is durable, or raise and store nothing."""
        ...

    async def commit_with(self, commit: Commit, batch: Batch) -> Committed:
        """The same with another commit than that of events which just came: an import's."""
        ...

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Read. `{}` in `sql` stands for an argument, in both engines."""
        ...

    async def rows_within(self, seconds: float, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Read what may take long, such as raw events, and leave room for other readers. Raises TimeoutError past the time."""
        ...

    async def change(self, *statements: tuple[str, tuple[Any, ...]], exclusive: bool = False) -> Change:
        """Run statements, each with its arguments, as one transaction. `{}` stands for an argument, in both engines.

        `exclusive`: while nobody commits, in any process, and nobody else makes such a change: for rows that commits write, too, and that they
        could meet in another order.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The store as it is at one moment: several reads that must agree."""
        ...

    async def space(self) -> Space:
        """How much of the store's file is in use."""
        ...

    async def release_pages(self, pages: int) -> float:
        """Give up to so many free pages back to the disk; the seconds for which nothing else could be written."""
        ...

    async def checkpoint(self) -> None:
        """Move what was written to its place in the file, beside commits."""
        ...

    async def claim_node(self) -> int:
        """A number for this process that no other process on the store got in its last 1,024 starts."""
        ...

    async def check_writable(self) -> None:
        """Raises where the store cannot take a write now."""
        ...

    def size(self) -> int:
        """Bytes on disk."""
        ...

    def invalidate_targets(self) -> None:
        """Targets were changed otherwise than by a commit."""
        ...

    async def close(self) -> None: ...


async def open_store(settings: Settings, *, progress: Callable[[str], None] = lambda _: None) -> Store:
    """Open the store of these settings, with its tables up to date. StoreError says what is wrong."""
    store: Store
    if settings.database_url:
        # Its drivers take a fifth of a second to import, for which nobody on SQLite should wait.
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
            # In a thread, so that the event loop hears signals during a long statement.
            await in_thread(lambda stopped: upgrade(settings, progress=progress, stopped=stopped))
            return SqliteStore(settings.sqlite_path, lock)
        except BaseException:
            lock.release()
            raise
    except StoreBusy as error:
        raise StoreError("a backup is just being restored; try again when `footfall restore` has ended") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{settings.sqlite_path} cannot be opened: {error}; `footfall doctor` says more") from error


def prepare_data_dir(folder: Path) -> None:
    """Make the data folder, readable by its owner only. StoreError where that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the data folder {folder} cannot be made: {error.strerror}; set FOOTFALL_DATA_DIR") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"the data folder {folder} cannot be written; give it to the user who runs Footfall, or set FOOTFALL_DATA_DIR")


def server_secret(settings: Settings) -> bytes:
    """The secret that keys all hashes: the setting, else the one in the data folder, made once (0600)."""
    if settings.secret:
        return settings.secret.encode()
    return keep_secret(settings.data_dir / "secret")


def read_secret(settings: Settings) -> bytes:
    """The secret of these settings; empty where none was made yet."""
    path = settings.data_dir / "secret"
    return settings.secret.encode() if settings.secret else path.read_text().strip().encode() if path.exists() else b""


def instance_id(settings: Settings, secret: bytes) -> str:
    """An id of the store that these settings name, keyed with its secret: the same from any path to the folder, and no path can be read from it."""
    if settings.database_url:
        place = settings.database_url
    else:
        found = settings.data_dir.stat() if settings.data_dir.exists() else None
        place = f"{found.st_dev}:{found.st_ino}" if found else ""
    return hmac.new(secret, f"instance:{place}".encode(), hashlib.sha256).hexdigest()[:16]


def keep_secret(path: Path) -> bytes:
    """Read a secret from its file, or make it. Two processes that start at once agree: the file appears whole, and only once."""
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
        raise StoreError(f"{path} holds no usable secret; restore it from a backup, or no install will be recognised again")
    return secret
