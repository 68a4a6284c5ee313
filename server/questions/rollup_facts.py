"""Facts from rollups and from activity, for questions that these can answer. Both outlive raw events and are flat in their number.

Both classes give their rows the shape of events, so that conditions, splits and steps are written once, in `Facts`.
"""

from __future__ import annotations

from typing import ClassVar

from server.event import DAY, HOUR
from server.fields import BY_NAME, Field, Kind, Place
from server.questions.facts import Facts
from server.questions.periods import Step
from server.questions.question import Op
from server.questions.sql import Sql, bound, read, sql, step_of
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
        """Return True if the rollups have the combination, and count no rare values of it together."""
        if self.used - _DIMENSIONS - _TARGET - _SHARED or len(self.used & _DIMENSIONS) + self.has_target > 1 or self.period.exact:
            return False
        if self.dimension is None:
            return self.is_daily or not self.has_target  # there are sums by hour, too
        if not self.is_daily:
            return False
        folded = sql(
            f"SELECT 1 AS there FROM rollup_dimension WHERE {self._days} AND dimension = ",
            bound(self.dimension),
            " AND value = ",
            bound(OTHER),
            " LIMIT 1",
        )
        return not await read(store, folded)

    def _measures(self) -> str:
        return "event.events, event.successes, event.failures"

    def _relation(self) -> Sql:
        rows = self._rows()
        if "outcome" in self.used:
            columns = "name_id, environment, occurred_at" + (f", {self._value}" if self._value else "")
            parts = ("events - successes - failures, 0, 0, 0", "successes, successes, 0, 1", "failures, 0, failures, 2")
            names = ("events", "successes", "failures", "outcome")
            listed = [", ".join(f"{each} AS {name}" for each, name in zip(part.split(", "), names, strict=True)) for part in parts]
            pieces = [piece for each in listed for piece in (" UNION ALL ", f"SELECT {columns}, {each} FROM (", rows, ") AS sums")]
            rows = sql(*pieces[1:])
        return sql("(", rows, ") AS event")

    @property
    def _value(self) -> str | None:
        """The column that not every event has a value of."""
        return "target_id" if self.has_target else self.dimension

    def _sums(self, sign: str = "") -> str:
        """The sums under their names, negated with the sign `-`."""
        return ", ".join(f"{sign}{column} AS {name}" for column, name in zip(SPREADS if self.is_spread else _SUMS, _SUMS, strict=True))

    def _rows(self) -> Sql:
        """name_id, environment, occurred_at, the sums, and the value."""
        kind = "_spread" if self.is_spread else ""
        if self._value is None and not self.is_daily:
            hours = f"hour >= {self.period.start // HOUR} AND hour < {self.period.end // HOUR}"
            shared = f"name_id, environment, CAST(hour AS bigint) * {HOUR} AS occurred_at"
            return Sql(f"SELECT {shared}, {self._sums()} FROM rollup_hour{kind} WHERE project_id = {self.project} AND {hours}")
        shared = f"name_id, environment, CAST(day AS bigint) * {DAY} AS occurred_at"
        everything = f"{self._sums()} FROM rollup_day{kind} WHERE {self._days}"
        if self._value is None:
            return Sql(f"SELECT {shared}, {everything}")
        if self.has_target:
            column, valued, nothing = "target_id", Sql(f" FROM rollup_target_day{kind} WHERE {self._days}"), "CAST(NULL AS bigint)"
        else:
            column, nothing = "value", "NULL"
            valued = sql(f" FROM rollup_dimension{kind} WHERE {self._days} AND dimension = ", bound(self.dimension))
        parts: list[str | Sql] = [f"SELECT {shared}, {column} AS {self._value}, {self._sums()}", valued]
        if not any(condition.field in _DIMENSIONS | _TARGET and condition.op in _NEEDS_VALUE for condition in self.where):
            # Events without a value are all events less those with one.
            parts.append(f" UNION ALL SELECT {shared}, {nothing}, {everything}")
            parts += [f" UNION ALL SELECT {shared}, {nothing}, {self._sums('-')}", valued]
        return sql(*parts)


class ActivityFacts(_DailyFacts, frozen=True, kw_only=True):
    """Active installs by day and environment. A row counts as one event."""

    columns: ClassVar[tuple[str, ...]] = ("people", "install_id", "events")

    def can_answer(self) -> bool:
        """Return True if activity has the combination."""
        return self.is_daily and self.used <= {"environment"}

    def _measures(self) -> str:
        return "event.install_id, 1 AS events"

    def _relation(self) -> Sql:
        return Sql(
            f"(SELECT install_id, environment, CAST(day AS bigint) * {DAY} AS occurred_at FROM activity WHERE {self._days}) AS event"
        )


class ActiveSums(_DailyFacts, frozen=True, kw_only=True):
    """Sums of active installs by the day before on which they were active: exact for any period and step, without looking at installs."""

    def can_answer(self) -> bool:
        """Return True if nothing is filtered or split."""
        return self.is_daily and not self.used

    def counts(self) -> Sql:
        """The figures of `counting.counts` for installs. The first of an install's days in a step has its earlier one before the step."""
        first, last = self.period.first_day, self.period.last_day
        step, came = "0", f"earlier < {first}"
        if self.over is not None:
            step = step_of(self.over, self.starts)
            came = f"({came} OR {step_of(self.over, self.starts, 'earlier')} < {step})"
        audiences = {"all": EVERYONE, "people": PEOPLE_ONLY}
        sums = ", ".join(
            f"SUM(CASE WHEN audience = {each} THEN installs ELSE 0 END) AS installs_{name}" for name, each in audiences.items()
        )
        return Sql(
            f"SELECT 0 AS place, {step} AS step, {sums} FROM rollup_active WHERE project_id = {self.project} AND day BETWEEN {first} AND {last}"
            f" AND {came} AND audience IN ({EVERYONE}, {PEOPLE_ONLY}) GROUP BY 1, 2"
        )


assert all(BY_NAME[name].kind in (Kind.TEXT, Kind.VERSION) for name in _DIMENSIONS)
