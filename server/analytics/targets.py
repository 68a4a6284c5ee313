"""Targets with their totals, counters for a site, and trending targets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from server.analytics.filters import Filter
from server.analytics.measures import rate
from server.analytics.sources import conditions, of_all_time, timed_sums
from server.event import FieldError
from server.problems import BadQuery
from server.questions.sql import Sql, bound, listed, read, sql
from server.storage.engine import Store
from server.storage.rollups import TIMED
from server.storage.upkeep.trending import WINDOWS

PRIVATE = "private"
PUBLIC = "public"


class TargetCounts(msgspec.Struct, frozen=True):
    """One target: its events in the period, and `total`, its events of all time with the names and environments of the filter. `total` is None under
    any other condition, for which no totals are kept.

    `mean_us` is the mean of the events with a duration, in microseconds; the rate is from 0 to 1. Both are None without such events.
    """

    type: str
    id: str
    visibility: str
    events: int
    total: int | None
    successes: int
    failures: int
    success_rate: float | None
    mean_us: float | None


class Counters(msgspec.Struct, frozen=True, rename="camel"):
    """The counters that a site shows beside a target, over all time."""

    views: int = 0
    copies: int = 0
    downloads: int = 0
    uses: int = 0
    exports: int = 0
    favorites_count: int = 0
    comments_count: int = 0
    votes_up: int = 0
    votes_down: int = 0


# The counter that an event of each name changes, and the amount.
COUNTED = {
    "view": ("views", 1), "copy": ("copies", 1), "download": ("downloads", 1), "template_use": ("uses", 1),
    "builder_export": ("exports", 1), "favorite": ("favorites_count", 1), "unfavorite": ("favorites_count", -1),
    "comment": ("comments_count", 1), "vote_up": ("votes_up", 1), "vote_down": ("votes_down", 1),
}  # fmt: skip


class Trend(msgspec.Struct, frozen=True, rename="camel"):
    """A trending target. Scores are comparable within one window only."""

    target_type: str
    target_id: str
    score: float
    events: int
    counters: Counters


class Trending(msgspec.Struct, frozen=True, rename="camel"):
    """The targets by score, highest first. `refreshed_at` is in epoch ms, None before the job has first computed them."""

    refreshed_at: int | None
    targets: list[Trend]


async def targets(store: Store, filter_: Filter, *, limit: int = 50, offset: int = 0) -> list[TargetCounts]:
    """The targets with events in the period, those with the most events first."""
    rows = await read(
        store,
        sql(
            "SELECT target.id AS number, target.type, target.external_id, target.visibility, facts.* FROM (",
            timed_sums(store, filter_, "target_id"),
            ") AS facts JOIN target ON target.id = facts.value",
            f" ORDER BY facts.events DESC, target.id LIMIT {int(limit)} OFFSET {int(offset)}",
        ),
    )
    has_totals = bool(rows) and conditions(filter_) <= {"target"}
    totals = await _totals(store, filter_, [row["number"] for row in rows]) if has_totals else {}
    return [_target(row, totals.get(row["number"], 0) if has_totals else None) for row in rows]


class TargetTotal(msgspec.Struct, frozen=True):
    """A target with its number of events of all time, of some names."""

    type: str
    id: str
    visibility: str
    events: int


async def target_totals(
    store: Store, project: int, *, names: tuple[str, ...] = (), type_: str | None = None, limit: int = 50, offset: int = 0
) -> list[TargetTotal]:
    """The targets by their events of all time, most first: of the given names, or of all names if none are given."""
    named: str | Sql = ""
    if names:
        named = sql(f" AND name_id IN (SELECT id FROM event_name WHERE project_id = {int(project)} AND text IN (", listed(names), "))")
    rows = await read(
        store,
        sql(
            "SELECT target.type, target.external_id AS id, target.visibility, SUM(totals.events) AS events",
            f" FROM rollup_target_total AS totals JOIN target ON target.id = totals.target_id WHERE totals.project_id = {int(project)}",
            named,
            "" if type_ is None else sql(" AND target.type = ", bound(type_)),
            " GROUP BY target.id, target.type, target.external_id, target.visibility",
            f" ORDER BY SUM(totals.events) DESC, target.id LIMIT {int(limit)} OFFSET {int(offset)}",
        ),
    )
    return [TargetTotal(row["type"], row["id"], row["visibility"], int(row["events"])) for row in rows]


async def counters(store: Store, project: int, type_: str, ids: list[str], *, listed_only: bool = False) -> dict[str, Counters]:
    """The counters of known targets that may be shown, by id: no private ones, and with `listed_only` only public ones."""
    if not ids:
        return {}
    query = sql(
        "SELECT target.external_id AS id, event_name.text AS name, totals.events FROM target LEFT JOIN rollup_target_total AS totals",
        " ON totals.project_id = target.project_id AND totals.target_id = target.id LEFT JOIN event_name ON event_name.id = totals.name_id",
        f" WHERE target.project_id = {project} AND target.type = ",
        bound(type_),
        " AND target.external_id IN (",
        listed(ids),
        f") AND {visible(listed_only)}",
    )
    moved: dict[str, Counter[str]] = {}
    for row in await read(store, query):
        counter, by = COUNTED.get(row["name"], ("", 0))
        moved.setdefault(row["id"], Counter())[counter] += by * int(row["events"] or 0)
    # A removed favorite may be older than the counters: a counter must not become negative.
    return {id_: Counters(**{name: max(0, count) for name, count in counts.items() if name}) for id_, counts in moved.items()}


async def trending(
    store: Store, project: int, *, type_: str | None = None, window_days: int = 7, limit: int = 20, listed_only: bool = False
) -> Trending:
    """Return the trending targets, as the job last computed them (`server.storage.upkeep.trending`). Raises BadQuery unless `window_days` is one of its windows."""
    if window_days not in (spans := [window.days for window in WINDOWS]):
        raise BadQuery(FieldError("days", f"must be one of {', '.join(map(str, spans))}"))
    refreshed = await store.rows(
        "SELECT MAX(refreshed_at) AS at FROM trending WHERE project_id = {} AND window_days = {}", project, window_days
    )
    query = sql(
        "SELECT target.type, target.external_id AS id, trending.score, trending.events FROM trending",
        " JOIN target ON target.id = trending.target_id",
        f" WHERE trending.project_id = {project} AND trending.window_days = {int(window_days)} AND {visible(listed_only)}",
        "" if type_ is None else sql(" AND target.type = ", bound(type_)),
        f" ORDER BY trending.score DESC, target.id LIMIT {int(limit)}",
    )
    rows = await read(store, query)
    shown: dict[str, dict[str, Counters]] = {}
    for each in {row["type"] for row in rows}:
        ids = [row["id"] for row in rows if row["type"] == each]
        shown[each] = await counters(store, project, each, ids, listed_only=listed_only)
    return Trending(
        refreshed[0]["at"],
        [
            Trend(row["type"], row["id"], round(float(row["score"]), 3), int(row["events"]), shown[row["type"]].get(row["id"], Counters()))
            for row in rows
        ],
    )


def visible(listed_only: bool) -> str:
    """A condition for targets that may be shown: no private ones, and with `listed_only` only public ones."""
    return f"target.visibility = '{PUBLIC}'" if listed_only else f"target.visibility <> '{PRIVATE}'"


async def _totals(store: Store, filter_: Filter, numbers: list[int]) -> dict[int, int]:
    query = sql(
        "SELECT event.target_id, SUM(event.events) AS events FROM rollup_target_total AS event WHERE ",
        of_all_time(store, filter_.but("target", "target_type")),
        f" AND event.target_id IN ({', '.join(str(int(number)) for number in numbers)}) GROUP BY event.target_id",
    )
    return {row["target_id"]: int(row["events"]) for row in await read(store, query)}


def _target(row: dict[str, Any], total: int | None) -> TargetCounts:
    events, successes, failures, timed, duration_us = (int(row[name]) for name in TIMED)
    return TargetCounts(
        type=row["type"],
        id=row["external_id"],
        visibility=row["visibility"],
        events=events,
        total=total,
        successes=successes,
        failures=failures,
        success_rate=rate(successes, failures),
        mean_us=duration_us / timed if timed else None,
    )
