"""Checks of the SQLite file that leave it and its folder unchanged.

SQLite writes files even for readers: opening a WAL database with `mode=ro` creates or updates its `-shm` file and a `-wal` file.
`readonly_shm` (which maps that file for reading, or builds the index in memory) avoids this, and so does `immutable` if these files do not
exist.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server.clock import epoch_ms
from server.doctor import client_checks, service_checks
from server.doctor.finding import Finding, size
from server.doctor.folder_checks import command, read_only, read_only_uri, store_files
from server.event import MINUTE
from server.event_id import received_at
from server.settings import Settings
from server.storage.migrations import APP, migrations
from server.storage.projects import ADMINS

CHECK_FOR = 10.0  # seconds
LARGE_WAL = 256 << 20  # a commit truncates it to 64 MiB unless a reader is always active

_HEADER = b"SQLite format 3\0"
_STEPS = 10_000  # SQLite instructions between two checks of the time
_RESTORE = "stop the server, keep a copy of the data folder, and restore the last backup"


def database(settings: Settings) -> Iterator[Finding]:
    """Check the store, or report why it cannot be checked."""
    path = settings.sqlite_path
    if settings.database_url:
        yield from service_checks.postgres(settings)
    elif settings.data_dir.is_dir() and not os.access(settings.data_dir, os.X_OK):
        return  # reported by the folder's check
    elif not path.exists():
        yield Finding("ok", "there is no database yet", "`footfall serve` creates it")
    elif not path.is_file() or not os.access(path, os.R_OK):
        fix = f"run this command as the user who runs Footfall, or {command('sudo', 'chown', os.geteuid(), path)}"
        yield Finding("problem", f"the database {path} cannot be read", fix)
    else:
        yield from _writable(settings)
        yield from _file(path)


def _writable(settings: Settings) -> Iterator[Finding]:
    locked = [file for file in store_files(settings) if not os.access(file, os.W_OK)]
    if read_only(settings.sqlite_path):
        return  # reported by the folder's check
    if locked:
        fix = f"{command('sudo', 'chown', os.geteuid(), *locked)} and {command('chmod', '600', *locked)}"
        yield Finding("problem", f"{locked[0]} cannot be written: the server would reject events", fix)


def _file(path: Path) -> Iterator[Finding]:
    with path.open("rb") as file:
        head = file.read(len(_HEADER))
    if not head:
        fix = "restore a backup if it should contain data; otherwise `footfall serve` creates its tables"
        yield Finding("warning", f"the database {path} is empty", fix)
        return
    if head != _HEADER:
        yield Finding("problem", f"{path} is not a SQLite database, or its header is damaged", _RESTORE)
        return
    uri = read_only_uri(path)
    if uri is None:
        what = f"{path} was not closed, and its -shm file is missing: its last events are in {path.name}-wal"
        yield Finding(
            "warning", what, "keep the -wal file beside it and run `footfall serve`, which recovers these events; then check again"
        )
        return
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as connection:
            yield from _whole(connection, path)
            yield from _migrated(connection, path)
            yield from _wal(path)
            yield from _contents(connection)
            with contextlib.suppress(sqlite3.OperationalError):  # tables of another version: `_migrated` reports them
                yield from client_checks.unserved(
                    connection.execute(client_checks.SQL.format("?", "?"), client_checks.parameters()).fetchall()
                )
    except sqlite3.Error as error:
        yield Finding("problem", f"the database {path} cannot be read: {error}", _RESTORE)


def _whole(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    """Run SQLite's own integrity check for a limited time."""
    deadline = time.monotonic() + CHECK_FOR
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        messages = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        length = size(path.stat().st_size)
        what = f"{CHECK_FOR:g} seconds of checks found no damage; the database is large ({length}) and was not checked completely"
        yield Finding("ok", what, f"for a complete check: {command('sqlite3', path, 'PRAGMA integrity_check')}")
        return
    finally:
        connection.set_progress_handler(None, 0)
    if messages == ["ok"]:
        yield Finding("ok", f"the database is intact ({size(path.stat().st_size)})")
    else:
        yield Finding(
            "problem", f"the database {path} is damaged: {messages[0]}", f"{_RESTORE}, or try {command('sqlite3', path, '.recover')}"
        )


def _migrated(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "migration" not in tables:
        yield Finding("problem", f"{path} is the database of another program", "move it away, or set FOOTFALL_DATA_DIR")
        return
    done = {row[0] for row in connection.execute("SELECT name FROM migration WHERE app_name = ?", (APP,))} if tables else set()
    known = migrations()
    if newer := sorted(done - {migration.id for migration in known}):
        what = f"the store was written by a newer Footfall (migration {newer[-1]})"
        yield Finding("problem", what, "install that version again, or restore a backup from before the upgrade")
    elif waiting := [migration.name for migration in known if migration.id not in done]:
        what = f"the store is older than this version: {', '.join(waiting)} {'has' if len(waiting) == 1 else 'have'} not run"
        yield Finding("warning", what, "the next `footfall serve`, or `footfall migrate`, backs up the store and runs them")
    else:
        yield Finding("ok", "the tables are up to date")


def _wal(path: Path) -> Iterator[Finding]:
    wal = path.with_name(f"{path.name}-wal")
    length = wal.stat().st_size if wal.exists() else 0
    if length > LARGE_WAL:
        fix = "a reader is always active, such as a copy of the file or an open `sqlite3`: end it, or restart the server"
        yield Finding("warning", f"{wal} has grown to {size(length)}", fix)


def _contents(connection: sqlite3.Connection) -> Iterator[Finding]:
    try:
        (projects,) = connection.execute("SELECT count(*) FROM project WHERE archived_at IS NULL").fetchone()
        keys = dict(connection.execute("SELECT project_id = ?, count(*) FROM api_key WHERE revoked_at IS NULL GROUP BY 1", (ADMINS,)))
        (newest,) = connection.execute("SELECT max(id) FROM event").fetchone()
    except sqlite3.OperationalError:
        return  # tables of another version, already reported
    ours, admins = keys.get(0, 0), keys.get(1, 0)
    yield Finding("ok", f"{_count(projects, 'project')}, {_count(ours, 'key')}, {_count(admins, 'admin')}; {_last(newest)}")
    if not admins:
        yield Finding("ok", "there is no admin yet", "the next `footfall serve` creates an admin token and prints it once")
    if newest is not None and received_at(newest) > epoch_ms() + 5 * MINUTE:
        what = f"the newest event arrived in the future ({_moment(newest)}): the clock is wrong, or was"
        yield Finding("warning", what, "set the clock; events filed in the future stay there until that day")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _last(newest: int | None) -> str:
    return "no events yet" if newest is None else f"the last event arrived on {_moment(newest)}"


def _moment(event: int) -> str:
    return datetime.fromtimestamp(received_at(event) / 1000, UTC).strftime("%Y-%m-%d at %H:%M UTC")
