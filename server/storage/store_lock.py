"""Who has the store open. Everything that opens it shares one lock; what puts another store in its place must have the lock alone.

The lock is the kernel's, on a file beside the store: it goes with the process that held it, however that ended. SQLite's own locks do not
do, because they are on the file that is to be replaced: whoever waits for one goes on with the old file.
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

_NAME = "store.lock"
_LOOK_EVERY = 0.05  # seconds
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class StoreBusy(Exception):
    """Somebody else has the store open, or is putting another in its place."""


class StoreLock:
    """A hold on the store of a data folder until `release`, which may be called twice."""

    def __init__(self, folder: Path, *, exclusive: bool = False) -> None:
        self._file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise StoreBusy from None
        except OSError as error:
            # Some filesystems have no locks. They are no place for SQLite either, which `footfall doctor` says.
            if error.errno not in _UNSUPPORTED:
                os.close(self._file)
                raise

    def release(self) -> None:
        """Let go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Have the store to oneself, so that it can be replaced. Raises StoreBusy."""
    hold = StoreLock(folder, exclusive=True)
    try:
        yield
    finally:
        hold.release()


@contextlib.contextmanager
def migration_lock(folder: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Wait until no other process has its turn on the data folder. Raises Stopped once `stopped()`."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while not _lock(held):
            if stopped():
                raise Stopped
            time.sleep(_LOOK_EVERY)
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
