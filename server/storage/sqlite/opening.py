"""Migrations of a store on SQLite, after a backup of a store in use."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from server.settings import Settings
from server.storage import migrations
from server.storage.migrations import StoreError
from server.storage.sqlite import backups
from server.storage.sqlite.backups import BackupError, BackupOptions
from server.storage.sqlite.connection_pool import SqliteConnection, connect
from server.storage.store_lock import migration_lock
from server.tasks import Stopped

_LOCKED_SECONDS = 60.0  # the longest wait for another process, such as one that migrates the store
_POLL_MS = 50  # ms between two checks for a request to stop while waiting for a lock
_STEPS = 20_000  # SQLite VM steps between two such checks: about a millisecond

Stop = Callable[[], bool]


def upgrade(settings: Settings, *, progress: Callable[[str], None] = lambda _: None, stopped: Stop = lambda: False) -> list[str]:
    """Run pending migrations of the store of these settings, after a backup, and return their names. Processes take turns.

    Raises StoreError. Raises Stopped once `stopped()` is true, and rolls the current migration back.
    """

    def back_up() -> None:
        if not settings.upgrade_backup:
            return
        progress("backing up the store before it is migrated")
        try:
            backups.make_room(settings)
            made = backups.create(settings, kind="upgrade", options=BackupOptions(stopped=stopped))
        except BackupError as error:
            if stopped():
                raise Stopped from None
            raise StoreError(
                f"the store must be migrated, but the backup before it failed: {error}; fix this and start again, or set FOOTFALL_UPGRADE_BACKUP=off"
            ) from error
        backups.delete_oldest(settings, backups.KEPT)
        progress(f"backed up: {made.path.name}, {made.events:,} events; the backup was opened and checked")

    try:
        with migration_lock(settings.data_dir, stopped):
            return migrate(settings.sqlite_path, progress=progress, stopped=stopped, back_up=back_up)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{settings.sqlite_path} cannot be opened: {error}; run `footfall doctor` for details") from error


def migrate(
    path: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    stopped: Stop = lambda: False,
    back_up: Callable[[], None] = lambda: None,
) -> list[str]:
    """Run pending migrations of a file and return their names. `back_up` is called before the first one, if the store is in use."""
    with closing(connect(path)) as connection, _interruptible(connection, stopped):
        connection.execute(f"PRAGMA busy_timeout = {_POLL_MS}")
        return migrations.migrate(_Target(connection, stopped), progress=progress, prepare=back_up)


class _Target:
    """A SQLite file that is migrated, see `MigrationTarget`."""

    engine = "sqlite"
    identity = "INTEGER PRIMARY KEY AUTOINCREMENT"

    def __init__(self, connection: SqliteConnection, stopped: Stop) -> None:
        self._connection = connection
        self._stopped = stopped
        self.execute = connection.execute

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a transaction, after waiting for other writers, and roll it back on any error."""
        _begin(self._connection, self._stopped)
        try:
            yield
            if self._stopped():
                raise Stopped
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.set_progress_handler(None, 0)
            self._connection.rollback()
            raise


def _begin(connection: SqliteConnection, stopped: Stop) -> None:
    until = time.monotonic() + _LOCKED_SECONDS
    while True:
        if stopped():
            raise Stopped
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        else:
            return


@contextmanager
def _interruptible(connection: SqliteConnection, stopped: Stop) -> Iterator[None]:
    """Interrupt the running statement and raise Stopped once `stopped()` is true."""
    connection.set_progress_handler(stopped, _STEPS)
    try:
        yield
    except sqlite3.OperationalError:
        if stopped():
            raise Stopped from None
        raise
