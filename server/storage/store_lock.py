"""Locks on the data folder. Processes that open the store share a lock; a process that replaces the store holds it exclusively.

These are kernel locks on a file beside the store, so they end with the process that holds them, even after a crash. SQLite's own locks do not
serve here: they are on the file that is replaced, so a process that waits for one would continue with the old file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from server.tasks import Stopped

LOCK_FILE = "store.lock"
_POLL_INTERVAL = 0.05  # seconds
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class StoreBusy(Exception):
    """Another process has the store open, or is replacing it."""


class StoreLock:
    """A lock on the store of a data folder, held until `release`."""

    def __init__(self, folder: Path, *, exclusive: bool = False) -> None:
        self._file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise StoreBusy from None
        except OSError as error:
            # Some file systems have no locks. SQLite does not work on them either, which `footfall doctor` reports.
            if error.errno not in _UNSUPPORTED:
                os.close(self._file)
                raise

    def release(self) -> None:
        """Release the lock. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Hold the store exclusively, so that it can be replaced. Raises StoreBusy."""
    hold = StoreLock(folder, exclusive=True)
    try:
        yield
    finally:
        hold.release()


@contextlib.contextmanager
def migration_lock(folder: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold the data folder for a migration, after waiting for other processes. Raises Stopped once `stopped()` is true."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while not _lock(held):
            if stopped():
                raise Stopped
            time.sleep(_POLL_INTERVAL)
        yield
    finally:
        os.close(held)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True
