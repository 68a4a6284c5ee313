"""Exact durations, while they are few. Stored histograms are accurate to 1.6 % only."""

from __future__ import annotations

from typing import NamedTuple

from server.analytics.filters import Filter
from server.analytics.sources import raw_events
from server.event import DAY
from server.problems import TooBroad
from server.questions.answer_cache import LARGE
from server.questions.facts import WEIGHT
from server.questions.sql import listed, read, sql
from server.storage.engine import Store

FEW = 1_000


class Timed(NamedTuple):
    """A duration in microseconds, and the day of its event."""

    day: int
    duration_us: int


async def durations(store: Store, filter_: Filter, timed: int) -> list[Timed] | None:
    """All durations that match a filter, ascending, if they are few; None if the histogram must be used. `timed` is their number."""
    return (await durations_of(store, filter_, {0: timed})).get(0)


async def durations_of(store: Store, filter_: Filter, timed: dict[int, int], by: str = "") -> dict[int, list[Timed]]:
    """Durations of the groups (by `name_id` or `target_id`) that have few, ascending. `timed` is the number of durations of each group.

    Groups are missing if retention has deleted some of their events, and all of them in a large store, where a search for a few events takes long. The
    duration of a sampled event is repeated by its weight.
    """
    few = {value: count for value, count in timed.items() if 0 < count <= FEW}
    if not few or store.size() > LARGE:
        return {}
    columns = f"event.occurred_at / {DAY} AS day, {f'event.{by}' if by else '0'} AS value, event.duration_us, {WEIGHT} AS weight"
    within = sql(f" AND event.{by} IN (", listed(few), ")") if by else ""
    most = f" LIMIT {sum(few.values()) + 1}"
    events = sql(f"SELECT {columns} FROM ", raw_events(store, filter_), " AND event.duration_us IS NOT NULL", within, most)
    found: dict[int, list[Timed]] = {}
    try:
        for row in await read(store, sql("SELECT * FROM (", events, ") AS few ORDER BY duration_us")):
            found.setdefault(row["value"], []).extend([Timed(row["day"], row["duration_us"])] * row["weight"])
    except TooBroad:
        return {}
    return {value: durations for value, durations in found.items() if len(durations) == few[value]}
