"""The list of segments in the folder of a history, and the ids that they cover.

A segment is a Parquet file with all events whose ids are in a half-open range; one without events has no file. The manifest is replaced atomically,
after the files that it names are on disk. Files that it does not name are left over from an interruption, and are deleted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from server.event import DAY
from server.event_id import received_at
from server.history.event_columns import SIGNATURE
from server.storage.changed_days import ChangeState

NAME = "manifest.json"
LOCK = "lock"
NO_END = (1 << 63) - 1  # above every id
_CHUNK = 1 << 20


class Segment(msgspec.Struct, frozen=True):
    """The events with ids in [first, end).

    `seen` is the number of the store's last change at the time of reading; `file` may be empty. `properties` are those with columns of their own.
    """

    first: int
    end: int
    rows: int
    seen: int
    file: str = ""
    size: int = 0
    checksum: int = 0
    properties: tuple[str, ...] = ()


class Manifest(msgspec.Struct):
    """The segments of one store, in order and without overlap.

    Events with ids below `floor` were evicted, because the files had more than `bound` bytes, and are not read again until it is raised.
    """

    store: str = ""
    columns: str = SIGNATURE
    floor: int = 0
    bound: int = 0
    segments: list[Segment] = []

    @property
    def seen(self) -> int:
        """The lowest number at which a segment was read."""
        return min((segment.seen for segment in self.segments), default=0)

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)


class Gap(msgspec.Struct, frozen=True):
    """A half-open range of ids that no segment covers."""

    first: int
    end: int


def load(folder: Path) -> Manifest:
    """Read the manifest of a folder. It is empty if the file is missing, damaged or has other columns."""
    try:
        manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return Manifest()
    return manifest if manifest.columns == SIGNATURE else Manifest()


def save(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder, durably."""
    draft = folder / f"{NAME}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / NAME)
    sync(folder)


def sync(path: Path) -> None:
    """Wait until a file or the entries of a folder are on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def current(manifest: Manifest, store: str, state: ChangeState) -> list[Segment]:
    """Return the segments that agree with the store now: none if the store went back in time, as after a restored backup."""
    if manifest.store != store or any(segment.seen > state.number or segment.end > state.sealed for segment in manifest.segments):
        return []
    return [segment for segment in manifest.segments if not is_changed(segment, state.days)]


def is_changed(segment: Segment, days: dict[int, int]) -> bool:
    """Return True if one of the days of a segment has changed since it was read."""
    if not days:
        return False
    first, last = received_at(segment.first) // DAY, received_at(segment.end - 1) // DAY
    listed = days.items() if len(days) < last - first else ((day, days.get(day, 0)) for day in range(first, last + 1))
    return any(first <= day <= last and number > segment.seen for day, number in listed)


def bounded(manifest: Manifest, bound: int) -> Manifest:
    """Return a manifest without the oldest segments, so that the remaining ones have at most `bound` bytes."""
    kept, size = list(manifest.segments), manifest.size
    floor = manifest.floor if bound <= manifest.bound else 0
    while kept and size > bound:
        evicted = kept.pop(0)
        floor, size = evicted.end, size - evicted.size
    return msgspec.structs.replace(manifest, segments=kept, floor=floor, bound=bound)


def gaps(segments: Iterable[Segment], first: int, end: int) -> Iterator[Gap]:
    """Yield the ranges between two ids that no segment covers, in order."""
    for segment in segments:
        if segment.first >= end:
            break
        if segment.first > first:
            yield Gap(first, segment.first)
        first = max(first, segment.end)
    if first < end:
        yield Gap(first, end)


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file. Raises OSError."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


class Inspector:
    """Checks files against the manifest: the whole content once per process and change, then only size and times."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._intact: dict[str, tuple[int, int, int]] = {}

    def is_intact(self, segment: Segment) -> bool:
        """Return False for a segment whose file is missing or damaged. Reads the file at its first use: run it in a thread."""
        if not segment.file:
            return True
        path = self._folder / segment.file
        try:
            found = path.stat()
            stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
            if self._intact.get(segment.file) == stamp:
                return True
            if found.st_size != segment.size or checksum(path) != segment.checksum:
                return False
        except OSError:
            return False
        self._intact[segment.file] = stamp
        return True

    def forget(self) -> None:
        """Check the whole content of each file again."""
        self._intact.clear()
