"""Where answers are read from: a rollup where one has the combination, otherwise raw events.

Each function here makes the SQL of a table of facts for a filter, with the same columns whatever it is read from; questions group and add
them up. Rollups outlive raw events and cost little, so they come first. Raw events are bounded twice: by the period, which is a range of
their primary key, and by the time that a question may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.analytics.filters import Audience, Filter
from server.event import DAY, HOUR, MINUTE, PEOPLE, Outcome
from server.event_id import EPOCH, first_id
from server.questions.sql import Sql, bound, listed, sql
from server.storage.rollups import DIMENSIONS, PROPERTY_PREFIX
from server.storage.statements import duration_bucket

T = TypeVar("T")

# How far an event's own time may lie from that of its arrival: see `ingest.privacy.conversion`.
_LATE, _EARLY = 30 * DAY, 5 * MINUTE

_CONTEXT = tuple(dimension.name for dimension in DIMENSIONS)
_COUNTED_INSTALL = "CASE WHEN event.skewed IS NULL THEN event.install_id END"
_PEOPLE = ", ".join(str(int(environment)) for environment in PEOPLE)
SUMS = "SUM(events) AS events, SUM(successes) AS successes, SUM(failures) AS failures"
TIMED_SUMS = f"{SUMS}, SUM(timed) AS timed, SUM(duration_us) AS duration_us"


async def for_both(filter_: Filter, ask: Callable[[Filter], Awaitable[T]]) -> tuple[T, T]:
    """The answers for all that the filter lets through and for people of them, where one query cannot give both."""
    if filter_.audience is Audience.PEOPLE:
        answer = await ask(filter_)
        return answer, answer
    return await asyncio.gather(ask(filter_), ask(filter_.people()))


def distinct(condition: str = "", prefix: str = "") -> str:
    """Columns that count installs once each, all and people's: what `measures.installs` reads."""
    case = f"CASE WHEN {condition} THEN install_id END" if condition else "install_id"
    both = f"{condition} AND " if condition else ""
    people = f"CASE WHEN {both}environment IN ({_PEOPLE}) THEN install_id END"
    return f"COUNT(DISTINCT {case}) AS {prefix}everyone, COUNT(DISTINCT {people}) AS {prefix}people"


def unique(facts: Sql) -> Sql:
    """One row for each install among facts about installs: install_id, and people: 1 where it is one of the people's, else 0."""
    people = f"MAX(CASE WHEN environment IN ({_PEOPLE}) THEN 1 ELSE 0 END) AS people"
    return sql(f"SELECT install_id, {people} FROM (", facts, ") AS facts GROUP BY install_id")


def sums(filter_: Filter, *, by: str = "", timed: bool = False, hourly: bool = False) -> Sql:
    """Facts about events: day, hour (where asked for), name_id, environment, events, successes, failures; timed and duration_us (where
    asked for). A row may stand for many events: add them up.

    `by` adds a column `value`: a dimension of the context, or `target_id`.
    """
    asked = conditions(filter_)
    if not (timed and "outcome" in asked):
        asked.discard("outcome")  # counted in the measures
        daily = filter_.period.whole_days and not hourly
        if not by and not asked and not filter_.period.exact:
            return _rollup_day(filter_, timed) if daily else _rollup_hour(filter_, timed)
        if daily and not timed and len(wanted := asked | {by} - {""}) == 1 and (dimension := wanted.pop()) in _CONTEXT:
            return _rollup_dimension(filter_, dimension)
        if daily and by in ("", "target_id") and asked <= {"target"}:
            return _rollup_target(filter_, timed)
    return sql(
        f"SELECT day, hour, name_id, environment, {by or 'NULL'} AS value, events, successes, failures, timed, duration_us FROM (",
        raw_events(filter_),
        ") AS raw",
    )


def property_sums(filter_: Filter, name: str) -> Sql | None:
    """The same by a property that the project picks, `value` is its value; None where no rollup has the combination."""
    if conditions(filter_) - {"outcome"} or not filter_.period.whole_days:
        return None
    return _rollup_dimension(filter_, PROPERTY_PREFIX + name)


def activity(filter_: Filter) -> Sql:
    """Facts about installs: day, install_id, environment, version, latest. Many rows may stand for one install.

    `latest` orders the rows of one day and environment, where there are several, so that the last known version can be taken.
    """
    if conditions(filter_) or filter_.names or not filter_.period.whole_days:
        return sql(
            "SELECT day, install_id, environment, version, id AS latest FROM (",
            raw_events(filter_),
            ") AS raw WHERE install_id IS NOT NULL",
        )
    return sql("SELECT day, install_id, environment, version, 0 AS latest FROM activity WHERE ", within_days(filter_))


def durations(filter_: Filter, *, by: str = "") -> Sql:
    """Facts about durations: day, environment, value, bucket, events. `value` is by what is asked for: `name_id`, `target_id` or nothing."""
    asked = conditions(filter_)
    if by in ("", "name_id") and not asked and filter_.period.whole_days:
        table = "rollup_name_duration" if by or filter_.names else "rollup_day_duration"
        return sql(f"SELECT day, environment, {by or 'NULL'} AS value, bucket, events FROM {table} WHERE ", within_days(filter_))
    if filter_.period.whole_days and asked <= {"target"}:
        return sql(
            f"SELECT day, environment, {by or 'NULL'} AS value, bucket, events FROM rollup_target_duration WHERE ",
            within_days(filter_),
            _of_target(filter_),
        )
    return sql(
        f"SELECT day, environment, {by or 'NULL'} AS value, {duration_bucket('duration_us')} AS bucket, events FROM (",
        raw_events(filter_),
        ") AS raw WHERE timed = 1",
    )


def raw_events(filter_: Filter, value: Sql | None = None) -> Sql:
    """Raw events, a row each: id, occurred_at, day, hour, name_id, environment, install_id, target_id, outcome, the dimensions of the
    context, error_type, error_message, and the measures of `sums`. `value` is an expression over `event` for one more column.
    It ends in a condition, to which more may be added.

    `install_id` is NULL where the client's clock was not believed: late events count, their installs do not.
    """
    period = filter_.period
    # By the time of arrival, which is the primary key; events from before there were ids have the first ones.
    first, end = first_id(period.start - _EARLY), first_id(max(period.end + _LATE, EPOCH + DAY))
    return sql(
        f"""SELECT event.id, event.occurred_at, event.occurred_at / {DAY} AS day, event.occurred_at / {HOUR} AS hour, event.name_id,
            context.environment, {_COUNTED_INSTALL} AS install_id, event.target_id, event.outcome, {", ".join(f"context.{name}" for name in _CONTEXT)},
            event.error_type, event.error_message, 1 AS events, CASE WHEN event.outcome = 1 THEN 1 ELSE 0 END AS successes,
            CASE WHEN event.outcome = 2 THEN 1 ELSE 0 END AS failures, CASE WHEN event.duration_us IS NULL THEN 0 ELSE 1 END AS timed,
            COALESCE(event.duration_us, 0) AS duration_us, """,
        value or "NULL",
        # CROSS JOIN, so that SQLite begins with the events: asked for an environment, it would read the period's events once for each context.
        f""" AS value FROM event CROSS JOIN context WHERE context.id = event.context_id AND event.id >= {first} AND event.id < {end}
            AND event.occurred_at >= {period.start} AND event.occurred_at < {period.end} AND """,
        _common(filter_, "event.", "context."),
        *(sql(f" AND context.{name} = ", bound(getattr(filter_, name))) for name in _CONTEXT if getattr(filter_, name) is not None),
        _of_target(filter_, "event."),
        "" if filter_.outcome is None else f" AND event.outcome = {int(filter_.outcome)}",
        Sql("", raw=True),
    )


def conditions(filter_: Filter) -> set[str]:
    """The conditions beyond project, period, environments and names, which every rollup of events has."""
    asked = {name for name in _CONTEXT if getattr(filter_, name) is not None}
    if filter_.target is not None or filter_.target_type is not None:
        asked.add("target")
    if filter_.outcome is not None:
        asked.add("outcome")
    return asked


def _rollup_hour(filter_: Filter, timed: bool) -> Sql:
    columns = f"hour / 24 AS day, hour, name_id, environment, NULL AS value, {_measures(filter_, timed)}"
    return sql(f"SELECT {columns} FROM rollup_hour WHERE ", _within_hours(filter_))


def _rollup_day(filter_: Filter, timed: bool) -> Sql:
    columns = f"day, NULL AS hour, name_id, environment, NULL AS value, {_measures(filter_, timed)}"
    return sql(f"SELECT {columns} FROM rollup_day WHERE ", within_days(filter_))


def _rollup_dimension(filter_: Filter, dimension: str) -> Sql:
    only = getattr(filter_, dimension) if dimension in _CONTEXT else None
    return sql(
        f"SELECT day, name_id, environment, value, {_measures(filter_, False)} FROM rollup_dimension WHERE ",
        within_days(filter_),
        " AND dimension = ",
        bound(dimension),
        "" if only is None else sql(" AND value = ", bound(only)),
    )


def _rollup_target(filter_: Filter, timed: bool) -> Sql:
    columns = f"day, name_id, environment, target_id AS value, {_measures(filter_, timed)}"
    return sql(f"SELECT {columns} FROM rollup_target_day WHERE ", within_days(filter_), _of_target(filter_))


_BY_OUTCOME = {
    None: ("events", "successes", "failures"),
    Outcome.NONE: ("events - successes - failures", "0", "0"),
    Outcome.SUCCESS: ("successes", "successes", "0"),
    Outcome.FAILURE: ("failures", "0", "failures"),
}


def _measures(filter_: Filter, timed: bool) -> str:
    """The measures of a rollup's rows: where only one outcome counts, what of them has it."""
    events, successes, failures = _BY_OUTCOME[filter_.outcome]
    return f"{events} AS events, {successes} AS successes, {failures} AS failures" + (", timed, duration_us" if timed else "")


def _within_hours(filter_: Filter) -> Sql:
    period = filter_.period
    return sql(_common(filter_), f" AND hour >= {period.start // HOUR} AND hour < {period.end // HOUR}")


def within_days(filter_: Filter) -> Sql:
    return sql(_common(filter_), f" AND day BETWEEN {filter_.period.first_day} AND {filter_.period.last_day}")


def _common(filter_: Filter, table: str = "", context: str = "") -> Sql:
    """What every source can tell: project, environments, and, but for activity, names."""
    parts: list[str | Sql] = [f"{table}project_id = {filter_.project}"]
    if filter_.allowed is not None:
        parts.append(f" AND {context}environment IN ({', '.join(str(int(each)) for each in filter_.allowed) or 'NULL'})")
    if filter_.names:
        find = f" AND {table}name_id IN (SELECT id FROM event_name WHERE project_id = {filter_.project} AND text IN ("
        parts += [find, listed(filter_.names), "))"]
    return sql(*parts)


def _of_target(filter_: Filter, table: str = "") -> Sql:
    if filter_.target is None and filter_.target_type is None:
        return Sql("")
    parts: list[str | Sql] = [f" AND {table}target_id IN (SELECT id FROM target WHERE project_id = {filter_.project}"]
    if filter_.target is not None:
        parts += [" AND type = ", bound(filter_.target[0]), " AND external_id = ", bound(filter_.target[1])]
    if filter_.target_type is not None:
        parts += [" AND type = ", bound(filter_.target_type)]
    return sql(*parts, ")")
