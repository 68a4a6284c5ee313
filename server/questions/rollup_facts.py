"""Facts from rollups and from activity, for questions that these can answer. Both outlive raw events, and do not grow with their number.

Both classes give their rows the shape of events, so that conditions, splits and steps are written once, in `Facts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import msgspec

from server.event import DAY, ENVIRONMENTS, HOUR, PEOPLE
from server.fields import BY_NAME, Field, Kind, Place
from server.questions.answer_cache import reused_until_write
from server.questions.facts import Facts
from server.questions.periods import Period, Step
from server.questions.question import Condition, Measure, Op
from server.questions.sql import Sql, bound, read, sql, step_of
from server.questions.sql_engines import SqlEngine, sql_of
from server.storage.engine import Store
from server.storage.rollups import DIMENSIONS, EVERYONE, OTHER, PEOPLE_ONLY, SPREADS

_DIMENSIONS = frozenset(dimension.name for dimension in DIMENSIONS)
_TARGET = frozenset({"target", "target_type"})
_SHARED = frozenset({"name", "environment", "outcome"})  # fields that all sums have
_SUMS = ("events", "successes", "failures")
# Conditions that events without a value do not meet.
_NEEDS_VALUE = (Op.IS, Op.EXISTS, Op.PREFIX, Op.CONTAINS, Op.SEMVER)


class _DailyFacts(Facts, frozen=True, kw_only=True):
    """Facts by day. An event's time is the start of its day."""

    source: ClassVar[str] = "rollups"

    @property
    def used(self) -> set[str]:
        """The fields of conditions and splits."""
        return {condition.field for condition in self.where} | {by.field for by in self.by}

    @property
    def is_daily(self) -> bool:
        return self.period.whole_days and self.over is not Step.HOUR

    @property
    def _days(self) -> str:
        return f"project_id = {self.project} AND day BETWEEN {self.period.first_day} AND {self.period.last_day}"

    def column(self, field: Field) -> str:
        return f"event.{field.column}" if field.place is Place.CONTEXT else super().column(field)

    def _within(self) -> str:
        return "TRUE"


class RollupFacts(_DailyFacts, frozen=True, kw_only=True):
    """Sums of events by day or hour, name, environment, outcome, and at most one of: a dimension of the context, the target."""

    columns: ClassVar[tuple[str, ...]] = ("people", "events", "successes", "failures")

    @property
    def dimension(self) -> str | None:
        return next(iter(self.used & _DIMENSIONS), None)

    @property
    def has_target(self) -> bool:
        return bool(self.used & _TARGET)

    async def can_answer(self, store: Store) -> bool:
        """Return True if the rollups have the combination, with none of its rare values folded."""
        if self.used - _DIMENSIONS - _TARGET - _SHARED or len(self.used & _DIMENSIONS) + self.has_target > 1 or self.period.exact:
            return False
        if self.dimension is None:
            return self.is_daily or not self.has_target  # there are sums by hour, too
        if not self.is_daily:
            return False
        return not await _has_others(store, self.project, self.period, self.dimension)

    def _measures(self) -> str:
        return "event.events, event.successes, event.failures"

    def _relation(self, engine: SqlEngine) -> Sql:
        rows = self._rows(engine)
        if "outcome" in self.used:
            columns = "name_id, environment, occurred_at" + (f", {self._value}" if self._value else "")
            parts = ("events - successes - failures, 0, 0, 0", "successes, successes, 0, 1", "failures, 0, failures, 2")
            names = ("events", "successes", "failures", "outcome")
            listed = [", ".join(f"{each} AS {name}" for each, name in zip(part.split(", "), names, strict=True)) for part in parts]
            rows = sql("WITH sums AS (", rows, ") ", " UNION ALL ".join(f"SELECT {columns}, {each} FROM sums" for each in listed))
        return sql("(", rows, ") AS event")

    @property
    def _value(self) -> str | None:
        """The column of the value, which some events lack."""
        return "target_id" if self.has_target else self.dimension

    @property
    def _stored(self) -> Iterable[tuple[str, str]]:
        """The columns of the sums, each with the name of its measure."""
        return zip(SPREADS if self.is_spread else _SUMS, _SUMS, strict=True)

    @property
    def _sums(self) -> str:
        return ", ".join(f"{column} AS {name}" for column, name in self._stored)

    def _rows(self, engine: SqlEngine) -> Sql:
        """name_id, environment, occurred_at, the sums, and the value."""
        kind = "_spread" if self.is_spread else ""
        if self._value is None and not self.is_daily:
            hours = f"hour >= {self.period.start // HOUR} AND hour < {self.period.end // HOUR}"
            shared = f"name_id, environment, CAST(hour AS bigint) * {HOUR} AS occurred_at"
            return Sql(f"SELECT {shared}, {self._sums} FROM rollup_hour{kind} WHERE project_id = {self.project} AND {hours}")
        everything = f" FROM rollup_day{kind} AS event WHERE {self._days}"
        if self._value is None:
            return Sql(f"SELECT {self._listed()}, {self._sums}{everything}")
        if self.has_target:
            column, valued, nothing = "target_id", Sql(f" FROM rollup_target_day{kind} AS event WHERE {self._days}"), "CAST(NULL AS bigint)"
        else:
            column, nothing = "value", "NULL"
            valued = sql(" FROM ", rows_of_dimension(self.project, self.period, str(self.dimension), kind))
        if any(condition.field in _DIMENSIONS | _TARGET and condition.op in _NEEDS_VALUE for condition in self.where):
            return sql(f"SELECT {self._listed(column)}, {self._sums}", valued)
        # Events without a value are all events less those with one.
        rest = f"name_id, environment, occurred_at, {nothing}"
        return sql(
            "WITH valued AS (", self._summed(engine, valued, column), "), everything AS (", self._summed(engine, Sql(everything)), ")",
            f" SELECT * FROM valued UNION ALL SELECT {rest}, {', '.join(_SUMS)} FROM everything"
            f" UNION ALL SELECT {rest}, {', '.join(f'-{name}' for name in _SUMS)} FROM valued",
        )  # fmt: skip

    def _keys(self, column: str | None = None) -> dict[str, str]:
        """The columns of a row besides its sums, each with its expression: 0 if the question does not need the column."""
        day = "0" if self.over is None else f"CAST(day AS bigint) * {DAY}"
        keys = {"name_id": "name_id" if "name" in self.used else "0", "environment": "environment", "occurred_at": day}
        return keys | ({self._value: column} if self._value and column else {})

    def _listed(self, column: str | None = None) -> str:
        return ", ".join(f"{key} AS {name}" for name, key in self._keys(column).items())

    def _summed(self, engine: SqlEngine, source: Sql, column: str | None = None) -> Sql:
        """The sums of a rollup, grouped by the columns that the question needs: the rollup of a year has many times as many rows."""
        keys = self._keys(column)
        sums = ", ".join(f"SUM({each}) AS {name}" for each, name in self._stored)
        shared = tuple(condition for condition in self.where if condition.field in ("name", "environment"))
        conditions = msgspec.structs.replace(self, where=shared).conditions(engine)
        grouped = ", ".join(str(number) for number, key in enumerate(keys.values(), 1) if key != "0")
        return sql(f"SELECT {self._listed(column)}, {sums}", source, *(sql(" AND ", each) for each in conditions), f" GROUP BY {grouped}")


@reused_until_write
async def sums_by_day(store: Store, facts: RollupFacts) -> list[dict[str, Any]]:
    """The sums of facts without groups, by day, as `{measure}_all` and `{measure}_people`: figures of several steps are made of them."""
    engine, daily = sql_of(store), msgspec.structs.replace(facts, over=Step.DAY)
    columns = ", ".join(f"SUM({name}) AS {name}_all, SUM(people * {name}) AS {name}_people" for name in _SUMS)
    return await read(store, sql(f"SELECT step, {columns} FROM (", daily.sql(engine), ") AS facts GROUP BY step"))


class ActivityFacts(_DailyFacts, frozen=True, kw_only=True):
    """Active installs by day and environment, with the last version of each. A row counts as one event."""

    columns: ClassVar[tuple[str, ...]] = ("people", "install_id", "events")

    def can_answer(self) -> bool:
        """Return True if activity has the combination."""
        return self.is_daily and self.used <= {"environment"}

    def _measures(self) -> str:
        return "0 AS id, event.occurred_at, event.install_id, 1 AS events"

    def _relation(self, engine: SqlEngine) -> Sql:
        return Sql(
            f"(SELECT install_id, environment, version, CAST(day AS bigint) * {DAY} AS occurred_at FROM activity WHERE {self._days}) AS event"
        )


class Audiences(NamedTuple):
    """The audiences of rollups of installs that count all installs and those of people; `people` is None if no install can be a person's."""

    everyone: int
    people: int | None


def audiences(where: tuple[Condition, ...]) -> Audiences | None:
    """Return the audiences that meet some conditions, or None for conditions that the rollups cannot answer.

    The rollups count all installs, those of people, and those of each single environment.
    """
    if any(condition.field != "environment" for condition in where):
        return None
    allowed = {each for word, each in ENVIRONMENTS.items() if all((word in one.values) == (one.op is Op.IS) for one in where)}
    if len(allowed) == len(ENVIRONMENTS):
        return Audiences(EVERYONE, PEOPLE_ONLY)
    if allowed == set(PEOPLE):
        return Audiences(PEOPLE_ONLY, PEOPLE_ONLY)
    if len(allowed) == 1:
        (only,) = allowed
        return Audiences(int(only), int(only) if only in PEOPLE else None)
    return None


class ActiveSums(_DailyFacts, frozen=True, kw_only=True):
    """Sums of active installs by their previous active day: exact for any period and step, without reading installs."""

    table: ClassVar[str] = "rollup_active"
    measure: ClassVar[Measure] = Measure.INSTALLS

    def can_answer(self) -> bool:
        """Return True if the question has no split, and its only filter is an audience of the rollups."""
        return self.is_daily and not self.by and audiences(self.where) is not None

    def counts(self) -> Sql:
        """The figures of `counting.counts` for the measure."""
        counted = audiences(self.where) or Audiences(EVERYONE, PEOPLE_ONLY)
        sums = ", ".join(
            f"SUM(CASE WHEN audience = {'NULL' if each is None else each} THEN installs ELSE 0 END) AS {self.measure.value}_{name}"
            for name, each in zip(("all", "people"), counted, strict=True)
        )
        listed = ", ".join(str(each) for each in set(counted) - {None})
        step = "0" if self.over is None else step_of(self.over, self.starts)
        return Sql(
            f"SELECT 0 AS place, {step} AS step, {sums} FROM {self.table} WHERE project_id = {self.project} AND {self._counted(step)}"
            f" AND audience IN ({listed}){'' if self.over is None else ' GROUP BY 2'}"
        )

    def _counted(self, step: str) -> str:
        """The condition that a day is an install's first active one in a step: its previous active day is before the step, or before the period."""
        first, last = self.period.first_day, self.period.last_day
        came = "" if self.over is None else f" OR {step_of(self.over, self.starts, 'earlier')} < {step}"
        return f"day BETWEEN {first} AND {last} AND (earlier < {first}{came})"


class ArrivalSums(ActiveSums, frozen=True, kw_only=True):
    """Sums of installs by their first day: those that were first seen and active in the same step."""

    table: ClassVar[str] = "rollup_arrival"
    measure: ClassVar[Measure] = Measure.NEW_INSTALLS

    def _counted(self, step: str) -> str:
        first, last = self.period.first_day, self.period.last_day
        same = "" if self.over is None else f" AND {step_of(self.over, self.starts, 'first_day')} = {step}"
        return f"first_day BETWEEN {first} AND {last} AND day <= {last}{same}"


assert all(BY_NAME[name].kind in (Kind.TEXT, Kind.VERSION) for name in _DIMENSIONS)


def rows_of_dimension(project: int, period: Period, dimension: str, kind: str = "") -> Sql:
    """The relation and the conditions of a dimension's rows in the days of a period, with the alias `event`.

    The key of `rollup_dimension` begins with day and name. Looking up only the days and names that have events avoids reading the rows of other
    dimensions, which are up to twenty times as many.
    """
    days = f"project_id = {project} AND day BETWEEN {period.first_day} AND {period.last_day}"
    return sql(
        f"(SELECT DISTINCT day AS named_day, name_id AS named FROM rollup_day{kind} AS event WHERE {days}) AS names CROSS JOIN rollup_dimension{kind} AS event"
        f" WHERE event.project_id = {project} AND event.day = named_day AND event.name_id = named AND event.dimension = ",
        bound(dimension),
    )


@reused_until_write
async def _has_others(store: Store, project: int, period: Period, dimension: str) -> bool:
    """Return True if the rollups of some days count rare values of a dimension together."""
    rows = rows_of_dimension(project, period, dimension)
    return bool(await read(store, sql("SELECT 1 AS there FROM ", rows, " AND event.value = ", bound(OTHER), " LIMIT 1")))
