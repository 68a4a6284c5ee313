"""SQL for what charts count and the question model does not: from a rollup that has the combination, otherwise from raw events.

Raw events are bounded twice: by the period, which is a range of their primary key, and by the time limit of a query. The conditions of a filter are
those of the question model, which compiles them; ranges of versions need `filters.resolved` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from server.analytics.filters import Filter
from server.event import HOUR
from server.questions.facts import WEIGHT, Facts
from server.questions.figures import Counts
from server.questions.question import Audience, Op
from server.questions.rollup_facts import ActivityFacts, RollupFacts, rows_of_dimension
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import sql_of
from server.storage.engine import Store
from server.storage.rollups import OUTCOMES, TIMED
from server.storage.statements import duration_bucket

F = TypeVar("F", bound=Facts)
T = TypeVar("T")

_TARGET = ("target", "target_type")
_OF_TARGET = (Op.IS, Op.EXISTS, Op.PREFIX, Op.CONTAINS)  # that events without a target do not meet


async def for_both(filter_: Filter, ask: Callable[[Filter], Awaitable[T]]) -> tuple[T, T]:
    """The answers for all matching events and for those of people, if one query cannot give both."""
    if filter_.audience is Audience.PEOPLE:
        answer = await ask(filter_)
        return answer, answer
    return await asyncio.gather(ask(filter_), ask(filter_.people()))


def to_facts(kind: type[F], filter_: Filter) -> F:
    """The facts of the question model for a filter."""
    return kind(
        project=filter_.project,
        period=filter_.period,
        where=filter_.conditions,
        by=(),
        over=None,
        known_versions=filter_.known_versions,
    )


def activity_of(filter_: Filter) -> type[Facts]:
    """The facts that hold the active installs of a filter: days of activity if these have the combination, otherwise raw events."""
    return ActivityFacts if to_facts(ActivityFacts, filter_).can_answer() else Facts


def raw_events(store: Store, filter_: Filter) -> Sql:
    """The FROM and WHERE clauses of the matching events, with the tables `event` and `context`. More conditions may be added."""
    return to_facts(Facts, filter_).source_rows(sql_of(store))


async def sums_of_values(store: Store, filter_: Filter, dimension: str) -> dict[str, Counts]:
    """The events of each value of a dimension from its rollup, in which rare values may be `(other)`, as `figures.every_group` has them. Of the
    conditions, only those on environments and names count.
    """
    sums = ", ".join(f"SUM(event.{name}) AS {name}_all" for name in OUTCOMES)
    rows = rows_of_dimension(filter_.project, filter_.period, dimension)
    group = " GROUP BY event.value HAVING SUM(event.events) > 0"
    found = await read(store, sql(f"SELECT event.value, {sums} FROM ", rows, " AND ", of_all_time(store, filter_), group))
    return {row.pop("value"): {name: int(count) for name, count in row.items()} for row in found}


def timed_sums(store: Store, filter_: Filter, by: str = "") -> Sql:
    """The sums of `rollups.TIMED` by `value`: the `name_id` or `target_id` of events, or one row for all of them."""
    selected, group = (f"SELECT event.{by} AS value", f" GROUP BY event.{by}") if by else ("SELECT NULL AS value", "")
    filter_fields, period = conditions(filter_), filter_.period
    sums = ", ".join(f"SUM(event.{name}) AS {name}" for name in TIMED)
    if not filter_fields and by != "target_id" and not (period.whole_days or period.exact):
        hours = f" AND event.hour >= {period.start // HOUR} AND event.hour < {period.end // HOUR}"
        return sql(f"{selected}, {sums} FROM rollup_hour AS event WHERE ", of_all_time(store, filter_), hours, group)
    if filter_fields <= {"target"} and period.whole_days:
        table = "rollup_target_day" if filter_fields or by == "target_id" else "rollup_day"
        return sql(f"{selected}, {sums} FROM {table} AS event WHERE ", within_days(store, filter_), group)
    counts = ", ".join(f"SUM({to_facts(Facts, filter_).summed(name)}) AS {name}" for name in OUTCOMES)
    timed = f"SUM(CASE WHEN event.duration_us IS NULL THEN 0 ELSE {WEIGHT} END) AS timed"
    took = f"SUM({WEIGHT} * COALESCE(event.duration_us, 0)) AS duration_us"
    valued = f" AND event.{by} IS NOT NULL" if by else ""
    return sql(f"{selected}, {counts}, {timed}, {took} FROM ", raw_events(store, filter_), valued, group)


def durations(store: Store, filter_: Filter, by: str = "") -> Sql:
    """Events with a duration by `bucket` (`rollups.duration_bucket`) and, if `by` is given, `value`: the `name_id` or `target_id` of events."""
    selected, group = (f"SELECT event.{by} AS value, ", " GROUP BY 1, 2") if by else ("SELECT ", " GROUP BY 1")
    filter_fields = conditions(filter_)
    if filter_fields <= {"target"} and filter_.period.whole_days:
        of = "target" if filter_fields or by == "target_id" else "name" if by or filter_.of("name") else "day"
        counted = sql(f"event.bucket, SUM(event.events) AS events FROM rollup_{of}_duration AS event WHERE ", within_days(store, filter_))
    else:
        bucket = duration_bucket("event.duration_us")
        events = sql(raw_events(store, filter_), " AND event.duration_us IS NOT NULL")
        counted = sql(f"{bucket} AS bucket, SUM({WEIGHT}) AS events FROM ", events)
    return sql(selected, counted, group)


def conditions(filter_: Filter) -> set[str]:
    """The conditions besides environments and names, which every rollup of events has: `target`, `version` for a single one, and `events` for
    all that only raw events can answer.
    """
    found: set[str] = set()
    for each in filter_.but("environment", "name").where:
        is_of_target = each.field in _TARGET and each.op in _OF_TARGET
        is_version = each.field == "version" and each.op is Op.IS and len(each.values) == 1
        found.add("target" if is_of_target else "version" if is_version else "events")
    return found


def within_days(store: Store, filter_: Filter) -> Sql:
    """The conditions for a rollup by day with the alias `event`."""
    return sql(of_all_time(store, filter_), f" AND event.day BETWEEN {filter_.period.first_day} AND {filter_.period.last_day}")


def of_all_time(store: Store, filter_: Filter) -> Sql:
    """The conditions on project, environment, name and target for a rollup with the alias `event`."""
    where = tuple(each for each in filter_.conditions if each.field in ("environment", "name", *_TARGET))
    facts = msgspec.structs.replace(to_facts(RollupFacts, filter_), where=where)
    return sql(f"event.project_id = {filter_.project}", *(sql(" AND ", each) for each in facts.conditions(sql_of(store))))
