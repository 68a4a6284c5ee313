"""Queries of DuckDB over the files of segments, which may have columns of different properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from server.history.database import files
from server.history.manifest import Segment
from server.history.property_columns import select


def select_segments(folder: Path, segments: Iterable[Segment], properties: Sequence[str]) -> Iterator[str]:
    """Yield queries of the events of segments with the columns of properties, which together have all events.

    Files in which the same properties have columns share a query: DuckDB keeps a set of groups for each part of a UNION until the end, so one part
    per file would take many times the memory.
    """
    alike: dict[frozenset[str], list[Path]] = {}
    for segment in segments:
        if segment.file:
            alike.setdefault(frozenset(segment.properties) & frozenset(properties), []).append(folder / segment.file)
    for stored, paths in alike.items():
        yield select(files(paths), properties, stored)
