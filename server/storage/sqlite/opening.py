"""Migrations of a store on SQLite, after a backup of a store in use."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from server.settings import Settings
from server.storage.migrations import APP, Migration, StoreError, check_not_newer, migrations
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
    """Run pending migrations of a file and return their names. `back_up` is called before the first one, if the store is in use.

    Each migration and its record are one transaction. Piccolo's own command uses two, and a crash between them makes every later start fail
    with `table already exists`. Raises StoreError if the store is newer than this version.
    """
    ran: list[str] = []
    known = migrations()
    with closing(connect(path)) as connection, _interruptible(connection, stopped):
        connection.execute(f"PRAGMA busy_timeout = {_POLL_MS}")
        with _transaction(connection, stopped):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migration (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(200) NOT NULL DEFAULT '',"
                " app_name VARCHAR(200) NOT NULL DEFAULT '', ran_on TIMESTAMP NOT NULL DEFAULT current_timestamp)"
            )
        for migration in known:
            with _transaction(connection, stopped):
                done = {row[0] for row in connection.execute("SELECT name FROM migration WHERE app_name = ?", (APP,))}
                check_not_newer(done, known)
                if migration.id in done:
                    continue
                if done and not ran:
                    back_up()  # inside the transaction, so that nothing is written between the backup and the migration
                progress(f"migrating: {migration.name}")
                _run(connection, migration)
                ran.append(migration.name)
    return ran


def _run(connection: SqliteConnection, migration: Migration) -> None:
    for statement in migration.statements("sqlite"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) VALUES (?, ?, ?)",
        (migration.id, APP, datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")),
    )


@contextmanager
def _transaction(connection: SqliteConnection, stopped: Stop) -> Iterator[None]:
    """Run a transaction, after waiting for other writers, and roll it back on any error."""
    _begin(connection, stopped)
    try:
        yield
        if stopped():
            raise Stopped
        connection.execute("COMMIT")
    except BaseException:
        connection.set_progress_handler(None, 0)
        connection.rollback()
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
