"""The folder of a history: one writer at a time, a manifest without stale segments, and no file that it does not name."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from server.history import manifest
from server.history.database import SPILL
from server.history.manifest import Inspector, Manifest, Segment
from server.storage.changed_days import ChangeState

_POLL_INTERVAL = 0.05  # seconds


class Folder:
    """The files of one history. Processes that share a data folder share it, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inspector = Inspector(path)
        self._writing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write alone, after waiting for other tasks and processes."""
        async with self._writing:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / manifest.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while not _try_lock(lock):
                    await asyncio.sleep(_POLL_INTERVAL)
                yield
            finally:
                os.close(lock)

    def intact(self, segments: list[Segment]) -> list[Segment]:
        """Return the segments whose files are there and undamaged. Run it in a thread."""
        return [segment for segment in segments if self.inspector.is_intact(segment)]

    def prune(self, found: Manifest, store: str, state: ChangeState) -> Manifest:
        """Delete what is stale, damaged or left over, and return the manifest of the rest. Run it in a thread, while `writing`."""
        kept = [msgspec.structs.replace(each, seen=state.number) for each in self.intact(manifest.current(found, store, state))]
        pruned = Manifest(store, segments=kept)
        if pruned != found:
            manifest.save(self.path, pruned)
        named = {manifest.NAME, manifest.LOCK, *(segment.file for segment in kept)}
        for path in self._others(named):
            path.unlink(missing_ok=True)
        return pruned

    def _others(self, named: set[str]) -> Iterator[Path]:
        for path in self.path.iterdir():
            if path.name not in named and path.name != SPILL:
                yield path


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
