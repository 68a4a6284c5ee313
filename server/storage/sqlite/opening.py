"""The tables of a SQLite store, brought up to date; before that, a store with something in it is backed up."""

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

_LOCKED_SECONDS = 60.0  # for which another process may hold the store, such as one that migrates it
_LOOK_EVERY = 50  # ms; how often a wait for a lock looks for a request to stop
_STEPS = 20_000  # of SQLite's machine between two such looks: about a millisecond

Stop = Callable[[], bool]


def upgrade(settings: Settings, *, progress: Callable[[str], None] = lambda _: None, stopped: Stop = lambda: False) -> list[str]:
    """Bring the store of these settings up to date, after a backup; the names of the migrations that ran. Processes take turns.

    Raises StoreError, and Stopped once `stopped()` is true: the migration under way is rolled back then.
    """

    def back_up() -> None:
        if not settings.upgrade_backup:
            return
        progress("backing up the store before its migrations")
        try:
            backups.make_room(settings)
            made = backups.create(settings, kind="upgrade", options=BackupOptions(stopped=stopped))
        except BackupError as error:
            if stopped():
                raise Stopped from None
            raise StoreError(
                f"the store must be migrated, but cannot be backed up first: {error}; then start again, or set FOOTFALL_UPGRADE_BACKUP=off"
            ) from error
        backups.delete_oldest(settings, backups.KEPT)
        progress(f"backed up: {made.path.name}, {made.events:,} events; it was opened and checked")

    try:
        with migration_lock(settings.data_dir, stopped):
            return migrate(settings.sqlite_path, progress=progress, stopped=stopped, back_up=back_up)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{settings.sqlite_path} cannot be opened: {error}; `footfall doctor` says more") from error


def migrate(
    path: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    stopped: Stop = lambda: False,
    back_up: Callable[[], None] = lambda: None,
) -> list[str]:
    """Bring the tables of a file up to date; the names of the migrations that ran. `back_up` is called before the first one of a store in use.

    Each migration and the record of it are one transaction: Piccolo's own command makes two of them, and a crash in between stops every
    later start with `table already exists`. Raises StoreError where the store is newer than this version.
    """
    ran: list[str] = []
    known = migrations()
    with closing(connect(path)) as connection, _interruptible(connection, stopped):
        connection.execute(f"PRAGMA busy_timeout = {_LOOK_EVERY}")
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
                    back_up()  # in the transaction: nothing is written between the backup and the migration
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
    """A transaction that waits for other writers, and is rolled back on any error."""
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
    """Interrupts the statement that runs once `stopped()`, and raises Stopped."""
    connection.set_progress_handler(stopped, _STEPS)
    try:
        yield
    except sqlite3.OperationalError:
        if stopped():
            raise Stopped from None
        raise
