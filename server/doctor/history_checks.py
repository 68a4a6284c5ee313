"""Checks of the columnar history: its folder, its files, and DuckDB."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from server.clock import utc_day
from server.doctor.finding import Finding, size
from server.event_id import received_at
from server.history import manifest
from server.settings import Settings


def history(settings: Settings) -> Iterator[Finding]:
    """Check that every file of the history is there and undamaged."""
    if not settings.history:
        yield Finding("ok", "the history is off: questions with several filters read raw events, which takes seconds per million")
        return
    if importlib.util.find_spec("duckdb") is None:
        yield Finding("problem", "DuckDB is not installed", "install Footfall with its dependencies, or set FOOTFALL_HISTORY=off")
        return
    folder = settings.history_dir
    found = manifest.load(folder) if folder.is_dir() else manifest.Manifest()
    if not found.segments:
        yield Finding("ok", "there is no history yet", "a running server builds it in the background")
        return
    used = f"{size(found.size)} of at most {size(settings.history_size)}"
    named = [segment for segment in found.segments if segment.file]
    inspector = manifest.Inspector(folder)
    if damaged := [segment for segment in named if not inspector.is_intact(segment)]:
        what = (
            f"{len(damaged)} of {len(named)} files of the history in {folder} are missing or damaged; their events are read from the store"
        )
        yield Finding("warning", what, "`footfall job build_history` reads them again; check the disk")
    else:
        yield Finding("ok", f"the history has {found.rows:,} events in {len(named):,} file{'' if len(named) == 1 else 's'} ({used})")
    if found.floor:
        begin = utc_day(received_at(found.floor))
        yield Finding(
            "warning",
            f"the history begins on {begin}: questions about earlier events with several filters or properties read the store, slowly",
            "raise FOOTFALL_HISTORY_SIZE",
        )
