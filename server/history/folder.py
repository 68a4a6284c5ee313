"""The folder of a history: one writer at a time, a manifest without stale segments, and no files that the manifest does not name.

Each process has a folder of its own for drafts, lines for DuckDB and data that exceeds its memory. Other processes delete it once the process has
ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from server.history import manifest
from server.history.manifest import Inspector, Manifest, Segment
from server.storage.changed_days import ChangeState

_POLL_INTERVAL = 0.05  # seconds
_WORK = "work-"
_ours: set[str] = set()  # the names of this process's folders for work


class Folder:
    """The files of one history. Processes that share a data folder share it, too."""

    def __init__(self, path: Path, most: int) -> None:
        """`most` is the maximum number of bytes of all segments."""
        self.path = path
        self._most = most
        self.inspector = Inspector(path)
        self.work = path / f"{_WORK}{os.getpid()}-{secrets.token_hex(4)}"
        self._writing = asyncio.Lock()
        _ours.add(self.work.name)

    def create(self) -> None:
        """Create the folders, readable by their owner only."""
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def remove(self) -> None:
        """Delete the folder with all segments."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Delete the temporary files of this process."""
        shutil.rmtree(self.work, ignore_errors=True)
        _ours.discard(self.work.name)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Hold the exclusive right to write, after waiting for other tasks and processes."""
        async with self._writing:
            self.create()
            lock = os.open(self.path / manifest.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while not _try_lock(lock):
                    await asyncio.sleep(_POLL_INTERVAL)
                yield
            finally:
                os.close(lock)

    def intact(self, segments: list[Segment]) -> list[Segment]:
        """Return the segments whose files exist and are undamaged. Run it in a thread."""
        return [segment for segment in segments if self.inspector.is_intact(segment)]

    def prune(self, found: Manifest, store: str, state: ChangeState) -> Manifest:
        """Delete segments that are stale, damaged or beyond the size limit, and leftover files. Return the manifest of the rest.

        Run it in a thread, while `writing`.
        """
        kept = [msgspec.structs.replace(each, seen=state.number) for each in self.intact(manifest.current(found, store, state))]
        same = found if found.store == store else Manifest(store)
        pruned = manifest.bounded(msgspec.structs.replace(same, segments=kept), self._most)
        if pruned != found:
            manifest.save(self.path, pruned)
        named = {manifest.NAME, manifest.LOCK, *(segment.file for segment in pruned.segments)}
        for path in self.path.iterdir():
            if path.name.startswith(_WORK):
                if not _is_running(path.name):
                    shutil.rmtree(path, ignore_errors=True)
            elif path.name not in named:
                path.unlink(missing_ok=True)
        return pruned


def _is_running(work: str) -> bool:
    """Return True if the process that uses a folder is still running."""
    process = int(work.removeprefix(_WORK).partition("-")[0])
    if process == os.getpid():
        return work in _ours  # a former process had the same number, as in a container
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
