"""Conditions of a filter that no event of the period meets, with the nearest values that events have."""

from __future__ import annotations

import msgspec

from server.analytics import vocabulary
from server.analytics.filters import Filter
from server.questions.nearest import NEAREST, nearest
from server.questions.sql import bound, listed, read, sql
from server.storage.engine import Store
from server.storage.rollups import DIMENSIONS

_CANDIDATES = 500  # the most common values, which the nearest are among


class Absent(msgspec.Struct, frozen=True):
    """A condition that no event of the period meets. `field` is its name in `Filter`; `nearest` may be empty."""

    field: str
    nearest: list[str]


async def absent(store: Store, filter_: Filter) -> list[Absent]:
    """The conditions that no event of the period meets by themselves. Read from rollups."""
    found: list[Absent] = []
    first, last = filter_.period.first_day, filter_.period.last_day
    days = f"project_id = {filter_.project} AND day BETWEEN {first} AND {last}"
    for dimension in (dimension.name for dimension in DIMENSIONS):
        value = getattr(filter_, dimension)
        if value is None:
            continue
        query = sql(
            f"SELECT 1 AS there FROM rollup_dimension WHERE {days} AND dimension = ",
            bound(dimension),
            " AND value = ",
            bound(value),
            " LIMIT 1",
        )
        if not await read(store, query):
            known = await vocabulary.values(store, filter_.project, dimension, filter_.period, limit=_CANDIDATES)
            found.append(Absent(dimension, nearest(value, known)))
    if filter_.names:
        query = sql(
            f"SELECT DISTINCT text FROM (SELECT DISTINCT name_id FROM rollup_day WHERE {days} AND name_id IN"
            f" (SELECT id FROM event_name WHERE project_id = {filter_.project} AND text IN (",
            listed(filter_.names),
            "))) AS used JOIN event_name ON event_name.id = used.name_id",
        )
        used = {row["text"] for row in await read(store, query)}
        missing = [name for name in filter_.names if name not in used]
        known = await _names(store, days) if missing else []
        found += [Absent("names", nearest(name, known)) for name in missing[:NEAREST]]
    if filter_.environments and not set(filter_.environments) & set(await vocabulary.environments(store, filter_.project, filter_.period)):
        found.append(Absent("environments", []))
    if filter_.target is not None or filter_.target_type is not None:
        found += await _targets(store, filter_, days)
    return found


async def _names(store: Store, days: str) -> list[str]:
    query = sql(
        f"SELECT text FROM (SELECT name_id, SUM(events) AS events FROM rollup_day WHERE {days} GROUP BY name_id) AS used"
        f" JOIN event_name ON event_name.id = used.name_id ORDER BY events DESC, text LIMIT {_CANDIDATES}"
    )
    return [row["text"] for row in await read(store, query)]


async def _targets(store: Store, filter_: Filter, days: str) -> list[Absent]:
    """The target, or its type, where no event of the period is about one."""
    type_ = filter_.target_type if filter_.target is None else filter_.target[0]
    there = sql(
        "SELECT target.external_id AS id, SUM(events) AS events FROM rollup_target_day AS kept JOIN target ON target.id = kept.target_id",
        f" WHERE kept.{days} AND target.type = ",
        bound(type_),
    )
    if filter_.target is not None and await read(store, sql(there, " AND target.external_id = ", bound(filter_.target[1]), _FIRST)):
        return []
    rows = await read(store, sql(there, f" GROUP BY target.external_id ORDER BY 2 DESC, 1 LIMIT {_CANDIDATES}"))
    if rows:
        return [] if filter_.target is None else [Absent("target", nearest(filter_.target[1], [row["id"] for row in rows]))]
    return [Absent("target_type", nearest(type_ or "", await vocabulary.target_types(store, filter_.project)))]


_FIRST = " GROUP BY target.external_id LIMIT 1"
