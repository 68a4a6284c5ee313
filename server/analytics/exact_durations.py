"""Exact durations, while they are few. Stored histograms are accurate to 1.6 % only."""

from __future__ import annotations

from typing import NamedTuple

from server.analytics.filters import Filter
from server.analytics.sources import raw_events
from server.problems import TooBroad
from server.questions.answer_cache import LARGE
from server.questions.sql import Sql, listed, read, sql
from server.storage.engine import Store

FEW = 1_000


class Timed(NamedTuple):
    """A duration in microseconds, the day of its event, and its group."""

    day: int
    value: int | None
    duration_us: int


async def durations(store: Store, filter_: Filter, timed: int) -> list[Timed] | None:
    """All durations that match a filter, ascending, if they are few; None if the histogram must be used.

    The histogram must be used if retention has deleted some events, and in a large store, where a search for a few events takes long. The duration of
    a sampled event is repeated by its weight.
    """
    if not 0 < timed <= FEW or store.size() > LARGE:
        return None
    query = sql(
        "SELECT day, NULL AS value, own_duration_us AS duration_us, timed FROM (",
        raw_events(store, filter_),
        f") AS raw WHERE timed > 0 LIMIT {timed + 1}",
    )
    found = await _read(store, sql("SELECT * FROM (", query, ") AS few ORDER BY duration_us"))
    return found if found is not None and len(found) == timed else None


async def durations_of(store: Store, filter_: Filter, by: str, timed: dict[int, int]) -> dict[int, list[int]]:
    """Durations of the groups (by `name_id` or `target_id`) that have few, ascending. `timed` is the number of durations of each group."""
    few = {number: count for number, count in timed.items() if 0 < count <= FEW}
    if not few or store.size() > LARGE:
        return {}
    within = sql(f" AND {by} IN (", listed(few), ")")
    query = sql(
        f"SELECT day, {by} AS value, own_duration_us AS duration_us, timed FROM (",
        raw_events(store, filter_),
        ") AS raw WHERE timed > 0",
        within,
    )
    found = await _read(store, sql(query, " ORDER BY duration_us"))
    grouped: dict[int, list[int]] = {}
    for each in found or ():
        grouped.setdefault(int(each.value or 0), []).append(each.duration_us)
    return {number: values for number, values in grouped.items() if len(values) == few.get(number)}


async def _read(store: Store, query: Sql) -> list[Timed] | None:
    try:
        rows = await read(store, query)
    except TooBroad:
        return None
    return [Timed(row["day"], row["value"], int(row["duration_us"])) for row in rows for _ in range(row["timed"])]
