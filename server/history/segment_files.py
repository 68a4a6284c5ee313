"""Queries of DuckDB over the files of segments, which may have columns of different properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from server.history.database import files
from server.history.manifest import Segment
from server.history.property_columns import select


def select_segments(folder: Path, segments: Iterable[Segment], properties: Sequence[str]) -> Iterator[str]:
    """Yield queries of the events of segments with the columns of properties, which together have all events."""
    alike: dict[tuple[str, ...], list[Path]] = {}
    for segment in segments:
        if segment.file:
            stored = tuple(name for name in properties if name in segment.properties)
            alike.setdefault(stored, []).append(folder / segment.file)
    for stored, paths in alike.items():
        yield select(files(paths), properties, stored)
