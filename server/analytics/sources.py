"""SQL for the facts of charts: from a rollup that has the combination, otherwise from raw events.

Each function returns a table of facts for a filter, with the same columns whatever its source; charts group and add them up. Raw events are
bounded twice: by the period, which is a range of their primary key, and by the time limit of a query. The conditions of a filter are those
of the question model, which compiles them; ranges of versions need `filters.resolved` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.analytics.filters import Filter
from server.event import DAY, HOUR, PEOPLE
from server.questions.facts import WEIGHT, Facts
from server.questions.question import Audience, Op
from server.questions.rollup_facts import RollupFacts, rows_of_dimension
from server.questions.sql import Sql, bound, sql
from server.questions.sql_engines import sql_of
from server.storage.engine import Store
from server.storage.rollups import DIMENSIONS, PROPERTY_PREFIX
from server.storage.statements import duration_bucket

T = TypeVar("T")

_CONTEXT = tuple(dimension.name for dimension in DIMENSIONS)
_COUNTED_INSTALL = "CASE WHEN event.skewed IS NULL THEN event.install_id END"
_PEOPLE = ", ".join(str(int(environment)) for environment in PEOPLE)
_TARGET = ("target", "target_type")
_OF_TARGET = (Op.IS, Op.EXISTS, Op.PREFIX, Op.CONTAINS)  # that events without a target do not meet
SUMS = "SUM(events) AS events, SUM(successes) AS successes, SUM(failures) AS failures"
TIMED_SUMS = f"{SUMS}, SUM(timed) AS timed, SUM(duration_us) AS duration_us"


async def for_both(filter_: Filter, ask: Callable[[Filter], Awaitable[T]]) -> tuple[T, T]:
    """The answers for all matching events and for those of people, if one query cannot give both."""
    if filter_.audience is Audience.PEOPLE:
        answer = await ask(filter_)
        return answer, answer
    return await asyncio.gather(ask(filter_), ask(filter_.people()))


def distinct(condition: str = "", prefix: str = "") -> str:
    """Columns that count distinct installs, all and people's, as `measures.installs` reads them."""
    case = f"CASE WHEN {condition} THEN install_id END" if condition else "install_id"
    both = f"{condition} AND " if condition else ""
    people = f"CASE WHEN {both}environment IN ({_PEOPLE}) THEN install_id END"
    return f"COUNT(DISTINCT {case}) AS {prefix}everyone, COUNT(DISTINCT {people}) AS {prefix}people"


def unique(facts: Sql) -> Sql:
    """One row for each install in facts about installs: install_id, and people (1 for an install of people, else 0)."""
    people = f"MAX(CASE WHEN environment IN ({_PEOPLE}) THEN 1 ELSE 0 END) AS people"
    return sql(f"SELECT install_id, {people} FROM (", facts, ") AS facts GROUP BY install_id")


def sums(store: Store, filter_: Filter, *, by: str = "", timed: bool = False) -> Sql:
    """Facts about events: name_id, environment, events, successes, failures; timed and duration_us (if `timed`). A row may stand for many events: add
    them up.

    `by` adds a column `value`: a dimension of the context, or `target_id`.
    """
    filter_fields = conditions(filter_)
    if not (timed and "outcome" in filter_fields):
        filter_fields.discard("outcome")  # counted in the measures
        daily = filter_.period.whole_days
        if not by and not filter_fields and not filter_.period.exact:
            return _rollup(store, filter_, timed)
        if daily and not timed and len(needed := filter_fields | {by} - {""}) == 1 and (dimension := needed.pop()) in _CONTEXT:
            return _rollup_dimension(store, filter_, dimension)
        if daily and by in ("", "target_id") and filter_fields <= {"target"}:
            return _rollup_target(store, filter_, timed)
    return sql(
        f"SELECT name_id, environment, {by or 'NULL'} AS value, events, successes, failures, timed, duration_us FROM (",
        raw_events(store, filter_),
        ") AS raw",
    )


def property_sums(store: Store, filter_: Filter, name: str) -> Sql:
    """Facts like those of `sums` by a property that the project counts, without conditions."""
    return _rollup_dimension(store, filter_, PROPERTY_PREFIX + name)


def has_activity(filter_: Filter) -> bool:
    """Return True if days of activity have the filter's combination."""
    return filter_.period.whole_days and all(condition.field == "environment" for condition in filter_.where)


def activity(store: Store, filter_: Filter) -> Sql:
    """Facts about installs: day, install_id, environment, version, latest. Many rows may stand for one install.

    `latest` orders the rows of one day and environment, if there are several, so that the last known version can be taken.
    """
    if not has_activity(filter_):
        return sql(
            "SELECT day, install_id, environment, version, id AS latest FROM (",
            raw_events(store, filter_),
            ") AS raw WHERE install_id IS NOT NULL",
        )
    columns = "event.day, event.install_id, event.environment, event.version, 0 AS latest"
    return sql(f"SELECT {columns} FROM activity AS event WHERE ", within_days(store, filter_))


def durations(store: Store, filter_: Filter, *, by: str = "") -> Sql:
    """Facts about durations: day, environment, value, bucket, events. `value` is that of `by`: `name_id`, `target_id` or nothing."""
    filter_fields = conditions(filter_)
    columns = f"event.day, event.environment, {f'event.{by}' if by else 'NULL'} AS value, event.bucket, event.events"
    if by in ("", "name_id") and not filter_fields and filter_.period.whole_days:
        table = "rollup_name_duration" if by or filter_.of("name") else "rollup_day_duration"
        return sql(f"SELECT {columns} FROM {table} AS event WHERE ", within_days(store, filter_))
    if filter_.period.whole_days and filter_fields <= {"target"}:
        return sql(f"SELECT {columns} FROM rollup_target_duration AS event WHERE ", within_days(store, filter_))
    return sql(
        f"SELECT day, environment, {by or 'NULL'} AS value, {duration_bucket('own_duration_us')} AS bucket, events FROM (",
        raw_events(store, filter_),
        ") AS raw WHERE timed > 0",
    )


def raw_events(store: Store, filter_: Filter, value: Sql | None = None) -> Sql:
    """Raw events, one per row: id, occurred_at, day, name_id, environment, install_id, target_id, outcome, the dimensions of the context,
    error_type, error_message, own_duration_us (of one event), and the weighted measures of `sums`. `value` is an expression over `event` for one more
    column. The SQL ends in a condition, to which more may be added.

    `install_id` is NULL if the client's clock was wrong: late events count, their installs do not.
    """
    facts = Facts(
        project=filter_.project,
        period=filter_.period,
        where=filter_.conditions,
        by=(),
        over=None,
        known_versions=filter_.known_versions,
    )
    return sql(
        f"""SELECT event.id, event.occurred_at, event.occurred_at / {DAY} AS day, event.name_id,
            context.environment, {_COUNTED_INSTALL} AS install_id, event.target_id, event.outcome, {", ".join(f"context.{name}" for name in _CONTEXT)},
            event.error_type, event.error_message, {WEIGHT} AS events, CASE WHEN event.outcome = 1 THEN {WEIGHT} ELSE 0 END AS successes,
            CASE WHEN event.outcome = 2 THEN {WEIGHT} ELSE 0 END AS failures, CASE WHEN event.duration_us IS NULL THEN 0 ELSE {WEIGHT} END AS timed,
            {WEIGHT} * COALESCE(event.duration_us, 0) AS duration_us, event.duration_us AS own_duration_us, """,
        value or "NULL",
        " AS value FROM ",
        facts.source_rows(sql_of(store)),
    )


def conditions(filter_: Filter) -> set[str]:
    """The conditions besides environments and names, which every rollup of events has: fields with one requested value, `target`, and `events` for
    all conditions that only raw events can answer.
    """
    filter_fields: set[str] = set()
    for condition in filter_.but("environment", "name").where:
        field = "target" if condition.field in _TARGET else condition.field
        if field == "target":
            simple = condition.op in _OF_TARGET
        else:
            simple = (field in _CONTEXT or field == "outcome") and field not in filter_fields
            simple = simple and condition.op is Op.IS and len(condition.values) == 1
        filter_fields.add(field if simple else "events")
    return filter_fields


def single(filter_: Filter, field: str) -> str | None:
    """The value of the condition on a field of `conditions`; None if there is none."""
    return next((condition.values[0] for condition in filter_.of(field)), None)


def _rollup(store: Store, filter_: Filter, timed: bool) -> Sql:
    columns = f"SELECT event.name_id, event.environment, NULL AS value, {_measures(filter_, timed)} FROM"
    if filter_.period.whole_days:
        return sql(f"{columns} rollup_day AS event WHERE ", within_days(store, filter_))
    hours = f" AND event.hour >= {filter_.period.start // HOUR} AND event.hour < {filter_.period.end // HOUR}"
    return sql(f"{columns} rollup_hour AS event WHERE ", of_all_time(store, filter_), hours)


def _rollup_dimension(store: Store, filter_: Filter, dimension: str) -> Sql:
    value = single(filter_, dimension)
    return sql(
        f"SELECT event.name_id, event.environment, event.value, {_measures(filter_, False)} FROM ",
        rows_of_dimension(filter_.project, filter_.period, dimension),
        " AND ",
        of_all_time(store, filter_),
        "" if value is None else sql(" AND event.value = ", bound(value)),
    )


def _rollup_target(store: Store, filter_: Filter, timed: bool) -> Sql:
    columns = f"event.name_id, event.environment, event.target_id AS value, {_measures(filter_, timed)}"
    return sql(f"SELECT {columns} FROM rollup_target_day AS event WHERE ", within_days(store, filter_))


_BY_OUTCOME = {
    None: ("events", "successes", "failures"),
    "none": ("events - successes - failures", "0", "0"),
    "success": ("successes", "successes", "0"),
    "failure": ("failures", "0", "failures"),
}


def _measures(filter_: Filter, timed: bool) -> str:
    """The measures of a rollup's rows; with a condition on the outcome, only of events with this outcome."""
    events, successes, failures = _BY_OUTCOME[single(filter_, "outcome")]
    return f"{events} AS events, {successes} AS successes, {failures} AS failures" + (", timed, duration_us" if timed else "")


def within_days(store: Store, filter_: Filter) -> Sql:
    """The conditions for a rollup by day with the alias `event`."""
    return sql(of_all_time(store, filter_), f" AND event.day BETWEEN {filter_.period.first_day} AND {filter_.period.last_day}")


def of_all_time(store: Store, filter_: Filter) -> Sql:
    """The conditions on project, environment, name and target for a rollup with the alias `event`."""
    allowed = filter_.allowed
    texts = filter_.of("name", *_TARGET)
    facts = RollupFacts(project=filter_.project, period=filter_.period, where=texts, by=(), over=None)
    return sql(
        f"event.project_id = {filter_.project}",
        "" if allowed is None else f" AND event.environment IN ({', '.join(str(int(each)) for each in allowed) or 'NULL'})",
        *(sql(" AND ", condition) for condition in facts.conditions(sql_of(store))),
    )
