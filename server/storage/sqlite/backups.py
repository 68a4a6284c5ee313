"""Backups of a store on SQLite: created while it is in use, and checked by opening them.

A backup is a self-contained file, and FILE.secret with the secret that keys the hashes. Without the secret, no install in the backup would be
recognized again. Only the owner can read either file. A failure leaves all existing files as they were.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from server.settings import Settings
from server.storage.migrations import APP, migrations
from server.storage.sqlite.connection_pool import connect
from server.storage.store_lock import StoreBusy, StoreLock

FOLDER = "backups"
KEPT = 7  # automatic backups
SPARE = 64 << 20  # bytes that a backup leaves free, so that the store can keep writing

_AUTOMATIC = re.compile(r"footfall-\d{8}T\d{6}Z-(auto|upgrade)\.sqlite3")
_HEADER = b"SQLite format 3\0"
_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}")
_STALE = 24 * 3600.0  # seconds; no backup takes this long
_PAGES = 1_000  # pages that are copied in one step, which takes some milliseconds
_STEPS = 100_000  # SQLite VM steps between two checks for a request to stop

Progress = Callable[[str, int, int], None]
"""A callback with the current step (`copying`, `checking`), the bytes done and the total bytes."""


class BackupError(Exception):
    """A backup cannot be created, used or restored, and nothing was changed. The message is one line with the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was opened and checked. `newest` is the id of its newest event; `secret` is the file with its secret."""

    path: Path
    size: int
    events: int
    newest: int | None
    secret: Path | None


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """Options of a backup: a callback for progress, `gentle` to use at most half of the disk's time, and a callback to stop."""

    progress: Progress = lambda what, done, total: None
    gentle: bool = False
    stopped: Callable[[], bool] = lambda: False


Kind = Literal["auto", "upgrade"]
"""Kinds of automatic backups: by the nightly job, and before migrations."""


def create(settings: Settings, to: Path | None = None, *, kind: Kind | None = None, options: BackupOptions | None = None) -> Backup:
    """Copy a consistent state of the store, and its secret, to a folder or a file. Raises BackupError."""
    options = options or BackupOptions()
    source = settings.sqlite_path
    if not source.exists():
        raise BackupError(f"there is no store at {source} to back up")
    target = _target(settings, to, kind)
    with describe_errors(f"the backup {target} cannot be created"), drafts() as draft:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hold = _share(settings)
        try:
            delete_stale_drafts(target.parent, older_than=_STALE)
            check_room(target.parent, source.stat().st_size)
            copy = draft(target)
            events = _copy_store(source, copy, options)
            made = check(copy, options=options)
            if made.events != events:
                raise BackupError(f"the backup {target} has {made.events} of {events} events; it was deleted")
            secret = _copy_secret(settings, draft(secret_path(target)))
            # The secret comes first, so that a backup is never without it.
            if secret is not None:
                secret.rename(secret_path(target))
            copy.rename(target)
            sync(target.parent)
        finally:
            hold.release()
    return Backup(target, made.size, made.events, made.newest, secret_path(target) if secret is not None else None)


def _target(settings: Settings, to: Path | None, kind: Kind | None) -> Path:
    folder = settings.data_dir / FOLDER if to is None else to
    if to is not None and not to.is_dir():
        if to.exists() or secret_path(to).exists():
            raise BackupError(f"{to} already exists; name another file, or a folder")
        return to
    at = datetime.now(UTC)
    while True:  # the second backup of one second gets the name of the next second
        target = folder / f"footfall-{at:%Y%m%dT%H%M%SZ}{f'-{kind}' if kind else ''}.sqlite3"
        if not target.exists():
            return target
        at += timedelta(seconds=1)


def secret_path(path: Path) -> Path:
    """Return the path of a backup's secret."""
    return path.with_name(f"{path.name}.secret")


def _share(settings: Settings) -> StoreLock:
    try:
        return StoreLock(settings.data_dir)
    except StoreBusy:
        raise BackupError("a backup is being restored; try again when this has finished") from None


def _copy_store(source: Path, target: Path, options: BackupOptions) -> int:
    """Copy a consistent state of the store page by page. Return its number of events."""
    began = time.monotonic()

    def copied(_: int, left: int, total: int) -> None:
        nonlocal began
        options.progress("copying", (total - left) * page, total * page)
        _stop(options)
        if options.gentle:
            time.sleep(min(0.5, time.monotonic() - began))
        began = time.monotonic()

    with contextlib.closing(connect(source, reader=True)) as store, contextlib.closing(sqlite3.connect(target)) as copy:
        # Without this transaction, the copy would restart whenever another connection commits.
        store.execute("BEGIN")
        (events,) = store.execute("SELECT count(*) FROM event").fetchone()
        (page,) = store.execute("PRAGMA page_size").fetchone()
        copy.execute("PRAGMA synchronous = OFF")  # synced once, at the end
        store.backup(copy, pages=_PAGES, progress=copied)
        copy.execute("PRAGMA journal_mode = DELETE")  # one self-contained file, without a WAL
    sync(target)
    return int(events)


def _copy_secret(settings: Settings, draft: Path) -> Path | None:
    """Copy the secret of the data folder. Return None if it comes from FOOTFALL_SECRET, which is never written to disk."""
    path = settings.data_dir / "secret"
    if settings.secret or not path.exists():
        return None
    draft.write_bytes(path.read_bytes())
    sync(draft)
    return draft


def check(path: Path, *, options: BackupOptions | None = None) -> Backup:
    """Open a backup and check that it is intact, is one of Footfall, and not of a newer version. Raises BackupError."""
    options = options or BackupOptions()
    with describe_errors(f"{path} cannot be read"):
        size = _check_file(path)
        with contextlib.closing(_open(path)) as backup:
            options.progress("checking", 0, size)
            backup.set_progress_handler(lambda: _should_stop(options), _STEPS)
            try:
                (found,) = backup.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.OperationalError:
                _stop(options)
                raise
            backup.set_progress_handler(None, 0)
            if found != "ok":
                raise BackupError(f"{path} is damaged: {' '.join(str(found).replace('*', '').split())}")
            _check_version(path, backup)
            events, newest = backup.execute("SELECT count(*), max(id) FROM event").fetchone()
            options.progress("checking", size, size)
    return Backup(path, size, events, newest, secret_path(path) if secret_path(path).exists() else None)


def check_quickly(path: Path) -> None:
    """Check that a file looks like a backup of this version, without reading it as a whole. Raises BackupError."""
    with describe_errors(f"{path} cannot be read"):
        _check_file(path)
        with contextlib.closing(_open(path)) as backup:
            _check_version(path, backup)


def _open(path: Path) -> sqlite3.Connection:
    # Immutable: SQLite writes nothing, so the backup may be on a read-only medium.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _should_stop(options: BackupOptions) -> bool:
    """Pause between two steps of a long check if it is gentle, and return True if it should stop."""
    if options.gentle:
        time.sleep(0.001)
    return options.stopped()


def _check_file(path: Path) -> int:
    if path.is_dir():
        raise BackupError(f"{path} is a folder: name the backup in it")
    if not path.is_file():
        raise BackupError(f"there is no file {path}")
    if not is_database(path):
        raise BackupError(f"{path} is not a backup: it is not a SQLite database")
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        remedy = f"`sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'` moves them in"
        raise BackupError(f"{path} was not closed properly: its last events are in {wal.name}; {remedy}")
    return path.stat().st_size


def is_database(path: Path) -> bool:
    """Return True if a file has the header of a SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def _check_version(path: Path, backup: sqlite3.Connection) -> None:
    tables = {row[0] for row in backup.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"migration", "event", "project"} <= tables:
        raise BackupError(f"{path} is not a backup of Footfall: it is a database of another application")
    done = {row[0] for row in backup.execute("SELECT name FROM migration WHERE app_name = ?", (APP,))}
    if newer := sorted(done - {migration.id for migration in migrations()}):
        raise BackupError(f"{path} was written by a newer Footfall (migration {newer[-1]}); restore it with that version")


def automatic_backups(settings: Settings) -> list[Path]:
    """Return the automatic backups, oldest first. Footfall never deletes other backups."""
    folder = settings.data_dir / FOLDER
    return sorted(path for path in folder.iterdir() if _AUTOMATIC.fullmatch(path.name)) if folder.is_dir() else []


def delete_oldest(settings: Settings, keep: int) -> int:
    """Delete all automatic backups except the newest `keep`. Return the number deleted."""
    old = automatic_backups(settings)[:-keep]
    for path in old:
        path.unlink()
        secret_path(path).unlink(missing_ok=True)
    return len(old)


def make_room(settings: Settings) -> None:
    """Delete the oldest automatic backups until there is room for another, but never the newest."""
    while len(automatic_backups(settings)) > 1:
        try:
            check_room(settings.data_dir, settings.sqlite_path.stat().st_size)
        except BackupError:
            delete_oldest(settings, len(automatic_backups(settings)) - 1)
        else:
            return


def check_room(folder: Path, size: int) -> None:
    """Raise BackupError if a disk has no room for `size` bytes and some spare."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        required, available = (f"{number / (1 << 20):,.0f} MiB" for number in (size + SPARE, free))
        raise BackupError(f"the disk of {folder} has no room: {required} are required, {available} are free")


def _stop(options: BackupOptions) -> None:
    if options.stopped():
        raise BackupError("the backup was stopped")


@contextlib.contextmanager
def describe_errors(what: str) -> Iterator[None]:
    """Convert errors of SQLite and the system to a BackupError of one line."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BackupError(f"{what}: {reason}") from error


@contextlib.contextmanager
def drafts() -> Iterator[Callable[[Path], Path]]:
    """Provide hidden temporary files beside their targets. Those that were not renamed to their target are deleted at the end."""
    made: list[Path] = []

    def draft(target: Path) -> Path:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        made.append(path)
        return path

    try:
        yield draft
    finally:
        for path in made:
            for leftover in (path, path.with_name(f"{path.name}-journal")):
                leftover.unlink(missing_ok=True)


def delete_stale_drafts(folder: Path, *, older_than: float) -> None:
    """Delete temporary files of processes that were killed during a backup or a restore. `older_than` is in seconds."""
    for path in folder.iterdir():
        name = path.name.removesuffix("-journal")
        if _DRAFT.fullmatch(name) and "sqlite3" in name and path.stat().st_mtime < time.time() - older_than:
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Sync a file or a folder to disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
