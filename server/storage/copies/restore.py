"""Puts a backup in the place of the store, while nobody uses it. What was there is moved aside, never deleted."""

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
from server.storage.store_lock import StoreBusy, exclusive_lock

_CHUNK = 4 << 20
_SHORTEST_SECRET = 16
_IN_USE = "the store is in use, by a server or another footfall command: stop it first"


@dataclass(slots=True)
class RestoreResult:
    """What was done: the backup as it is now in place, what was moved aside, and whether its installs will be recognised."""

    backup: Backup
    aside: list[Path] = field(default_factory=list)
    recognition: str = ""
    warning: str | None = None


def restore(settings: Settings, file: Path, *, options: BackupOptions | None = None) -> RestoreResult:
    """Put a backup in place. Raises BackupError, and then everything is as it was."""
    options = options or BackupOptions()
    try:
        prepare_data_dir(settings.data_dir)
    except StoreError as error:
        raise BackupError(str(error)) from error
    if settings.sqlite_path.exists() and file.exists() and file.samefile(settings.sqlite_path):
        raise BackupError(f"{file} is the store itself")
    backups.check_quickly(file)
    with backups.describe_errors(f"{file} cannot be restored"), backups.drafts() as draft, _alone(settings), _Swap() as swap:
        backups.delete_stale_drafts(settings.data_dir, older_than=0)  # alone here, nobody is making one
        backups.check_room(settings.data_dir, file.stat().st_size)
        copy = draft(settings.sqlite_path)
        _copy(file, copy, options)
        restored = RestoreResult(backups.check(copy, options=options))
        secret = _secret_to_place(settings, file, restored)
        if secret is not None:
            kept = draft(settings.data_dir / "secret")
            kept.write_bytes(secret)
            backups.sync(kept)
            swap.place(kept, settings.data_dir / "secret")
        swap.place(copy, settings.sqlite_path)
        backups.sync(settings.data_dir)
    restored.aside = swap.aside
    return restored


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    try:
        with exclusive_lock(settings.data_dir):
            _check_unused(settings.sqlite_path)
            yield
    except StoreBusy:
        raise BackupError(_IN_USE) from None


def _check_unused(path: Path) -> None:
    """Our own commands share a lock; this finds any other program that has the file open. It also takes in what a crash left in the WAL."""
    if not path.exists() or not backups.is_database(path):
        return  # SQLite would tidy up after what is no database; it is moved aside as it is
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as store:
        try:
            store.execute("PRAGMA locking_mode = EXCLUSIVE")
            store.execute("BEGIN EXCLUSIVE")
            store.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise BackupError(_IN_USE) from None
        except sqlite3.DatabaseError:
            pass  # damaged: this may be why a backup is wanted


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
    """The secret that belongs to the backup, where it is to be put into the data folder; else the reason is noted."""
    beside, present = backups.secret_path(file), settings.data_dir / "secret"
    theirs = beside.read_bytes().strip() if beside.exists() else None
    ours = present.read_bytes().strip() if present.exists() else None
    if theirs is not None and len(theirs) < _SHORTEST_SECRET:
        raise BackupError(f"{beside} holds no usable secret")
    if settings.secret:
        restored.recognition = "the secret comes from FOOTFALL_SECRET"
        if theirs is not None and theirs != settings.secret.encode():
            restored.warning = f"FOOTFALL_SECRET is not the secret in {beside}: no install of the backup is recognised until it is"
        return None
    if theirs is None:
        restored.recognition = "the secret was left as it is" if ours else "there is no secret"
        restored.warning = f"there is no {beside.name} beside the backup: " + (
            "its installs are recognised only if it was made under the present secret"
            if ours
            else "a new secret will be made, and none of its installs recognised again; put the old one into " + str(present)
        )
        return None
    if theirs == ours:
        restored.recognition = "the secret is the same"
        return None
    restored.recognition = "the secret was restored, so that installs are recognised"
    return theirs


class _Swap:
    """Puts files in their places, and what was there aside; if something goes wrong before all are there, everything goes back."""

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
                aside.unlink(missing_ok=True)  # two names of one file stay two where one is renamed to the other
            else:
                place.unlink(missing_ok=True)

    def place(self, new: Path, place: Path) -> None:
        """Put a file in its place: at each moment the old one is there, or the new."""
        aside = self._free_name(place)
        # What a crash left, and SQLite could not take in: it must not be taken for the new file's.
        for suffix in ("-wal", "-shm"):
            leftover = place.with_name(place.name + suffix)
            if leftover.exists():
                leftover.rename(aside.with_name(aside.name + suffix))
        if not place.exists():
            self._done.append((place, None))
        else:
            try:
                os.link(place, aside)
            except OSError:  # a filesystem without hard links
                shutil.copy2(place, aside)
            self._done.append((place, aside))
        new.replace(place)

    def _free_name(self, place: Path) -> Path:
        names = (place.with_name(f"{place.name}.{self._stamp}{suffix}") for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
        return next(name for name in names if not name.exists())
