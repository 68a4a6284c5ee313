"""Queries of DuckDB over the files of segments, which may have columns of different properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from server.history.database import files
from server.history.manifest import Segment
from server.history.property_columns import select


def select_segments(folder: Path, segments: Iterable[Segment], properties: Sequence[str]) -> Iterator[str]:
    """Yield queries of the events of segments with the columns of properties, which together have all events.

    Each file has a query of its own: DuckDB then knows the bounds of each column and drops conditions that all events meet.
    """
    for segment in segments:
        if segment.file:
            yield select(files([folder / segment.file]), properties, segment.properties)
