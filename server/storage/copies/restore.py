"""Replaces the store with a backup, while no process uses it. The old files are moved aside, never deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from server.settings import Settings
from server.storage.engine import prepare_data_dir
from server.storage.migrations import StoreError
from server.storage.sqlite import backups
from server.storage.sqlite.backups import Backup, BackupError, BackupOptions
from server.storage.store_lock import LOCK_FILE, StoreBusy, exclusive_lock

_CHUNK = 4 << 20
_SHORTEST_SECRET = 16
_IN_USE = "the store is in use, by a server or another footfall command: stop it first"


@dataclass(slots=True)
class RestoreResult:
    """The result of a restore: the backup in place, the files moved aside, and whether its installs will be recognized."""

    backup: Backup
    aside: list[Path] = field(default_factory=list)
    recognition: str = ""
    warning: str | None = None


def restore(settings: Settings, file: Path, *, options: BackupOptions | None = None) -> RestoreResult:
    """Replace the store with a backup. Raises BackupError, in which case nothing was changed."""
    options = options or BackupOptions()
    if settings.sqlite_path.exists() and file.exists() and file.samefile(settings.sqlite_path):
        raise BackupError(f"{file} is the store itself")
    backups.check_quickly(file)
    with (
        backups.describe_errors(f"{file} cannot be restored"),
        _data_dir(settings.data_dir),
        backups.drafts() as draft,
        _alone(settings),
        _Swap() as swap,
    ):
        backups.delete_stale_drafts(settings.data_dir, older_than=0)  # the lock excludes running backups
        backups.check_room(settings.data_dir, file.stat().st_size)
        copy = draft(settings.sqlite_path)
        _copy(file, copy, options)
        restored = RestoreResult(backups.check(copy, options=options))
        secret = _secret_to_place(settings, file, restored)
        if secret is not None:
            secret_file = draft(settings.data_dir / "secret")
            secret_file.write_bytes(secret)
            backups.sync(secret_file)
            swap.place(secret_file, settings.data_dir / "secret")
        swap.place(copy, settings.sqlite_path)
        backups.sync(settings.data_dir)
        shutil.rmtree(settings.history_dir, ignore_errors=True)  # it is derived from the store that was replaced
    restored.aside = swap.aside
    return restored


@contextlib.contextmanager
def _data_dir(folder: Path) -> Iterator[None]:
    """Create the data folder if it is missing, and remove it again if the restore fails."""
    is_new = not folder.exists()
    try:
        prepare_data_dir(folder)
    except StoreError as error:
        raise BackupError(str(error)) from error
    try:
        yield
    except BaseException:
        if is_new:
            (folder / LOCK_FILE).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    try:
        with exclusive_lock(settings.data_dir):
            _check_unused(settings.sqlite_path)
            yield
    except StoreBusy:
        raise BackupError(_IN_USE) from None


def _check_unused(path: Path) -> None:
    """Detect other programs that have the file open; our own hold a lock. Also recovers the WAL after a crash."""
    if not path.exists() or not backups.is_database(path):
        return  # SQLite would clean up beside a file that is not a database; it is moved aside unchanged
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as store:
        try:
            store.execute("PRAGMA locking_mode = EXCLUSIVE")
            store.execute("BEGIN EXCLUSIVE")
            store.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise BackupError(_IN_USE) from None
        except sqlite3.DatabaseError:
            pass  # damaged, which may be the reason for the restore


def _copy(source: Path, target: Path, options: BackupOptions) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
            done += len(chunk)
            options.progress("copying", done, size)
        writing.flush()
        os.fsync(writing.fileno())


def _secret_to_place(settings: Settings, file: Path, restored: RestoreResult) -> bytes | None:
    """Return the secret of the backup if it must be put into the data folder; otherwise note the reason in `restored`."""
    beside, present = backups.secret_path(file), settings.data_dir / "secret"
    theirs = beside.read_bytes().strip() if beside.exists() else None
    ours = present.read_bytes().strip() if present.exists() else None
    if theirs is not None and len(theirs) < _SHORTEST_SECRET:
        raise BackupError(f"{beside} contains no usable secret")
    if settings.secret:
        restored.recognition = "the secret comes from FOOTFALL_SECRET"
        if theirs is not None and theirs != settings.secret.encode():
            restored.warning = (
                f"FOOTFALL_SECRET differs from the secret in {beside}: no install of the backup is recognized until they are the same"
            )
        return None
    if theirs is None:
        restored.recognition = "the secret was not changed" if ours else "there is no secret"
        restored.warning = f"there is no {beside.name} beside the backup: " + (
            "its installs are recognized only if it was created with the current secret"
            if ours
            else "a new secret will be created, and none of its installs will be recognized; put the old secret into " + str(present)
        )
        return None
    if theirs == ours:
        restored.recognition = "the secret is the same"
        return None
    restored.recognition = "the secret was restored, so that installs are recognized"
    return theirs


class _Swap:
    """A context that replaces files and moves the old ones aside. If an error occurs before all are in place, it restores everything."""

    def __init__(self) -> None:
        self._stamp = f"before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self._done: list[tuple[Path, Path | None]] = []

    @property
    def aside(self) -> list[Path]:
        return [aside for _, aside in self._done if aside is not None]

    def __enter__(self) -> _Swap:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            return
        for place, aside in reversed(self._done):
            if aside is not None:
                aside.replace(place)
                aside.unlink(missing_ok=True)  # rename() does nothing if both names are links to the same file
            else:
                place.unlink(missing_ok=True)

    def place(self, new: Path, place: Path) -> None:
        """Replace a file atomically: at each moment, either the old or the new one is in place."""
        aside = self._free_name(place)
        # A WAL that a crash left and SQLite could not recover must not be applied to the new file.
        for suffix in ("-wal", "-shm"):
            leftover = place.with_name(place.name + suffix)
            if leftover.exists():
                leftover.rename(aside.with_name(aside.name + suffix))
        if not place.exists():
            self._done.append((place, None))
        else:
            try:
                os.link(place, aside)
            except OSError:  # a file system without hard links
                shutil.copy2(place, aside)
            self._done.append((place, aside))
        new.replace(place)

    def _free_name(self, place: Path) -> Path:
        names = (place.with_name(f"{place.name}.{self._stamp}{suffix}") for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
        return next(name for name in names if not name.exists())
