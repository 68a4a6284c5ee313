"""Facts from rollups and from activity, for questions that these can answer. Both outlive raw events and are flat in their number.

Both classes give their rows the shape of events, so that conditions, splits and steps are written once, in `Facts`.
"""

from __future__ import annotations

from typing import ClassVar

from server.event import DAY
from server.fields import BY_NAME, Field, Kind, Place
from server.questions.facts import Facts
from server.questions.periods import Step
from server.questions.question import Op
from server.questions.sql import Sql, bound, read, sql
from server.storage.engine import Store
from server.storage.rollups import DIMENSIONS, OTHER

_DIMENSIONS = frozenset(dimension.name for dimension in DIMENSIONS)
_SUMS = "events, successes, failures"
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
    """Sums of events by day, name, environment, and at most one dimension of the context."""

    columns: ClassVar[tuple[str, ...]] = ("people", "events", "successes", "failures")

    @property
    def dimension(self) -> str | None:
        return next(iter(self.used & _DIMENSIONS), None)

    async def can_answer(self, store: Store) -> bool:
        """Return True if the rollups have the combination, and count no rare values of it together."""
        if not self.is_daily or self.used - _DIMENSIONS - {"name", "environment"} or len(self.used & _DIMENSIONS) > 1:
            return False
        if self.dimension is None:
            return True
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
        shared = f"name_id, environment, CAST(day AS bigint) * {DAY} AS occurred_at"
        if self.dimension is None:
            return Sql(f"(SELECT {shared}, {_SUMS} FROM rollup_day WHERE {self._days}) AS event")
        said = sql(f" FROM rollup_dimension WHERE {self._days} AND dimension = ", bound(self.dimension))
        parts: list[str | Sql] = [f"(SELECT {shared}, value AS {self.dimension}, {_SUMS}", said]
        if not any(condition.field == self.dimension and condition.op in _NEEDS_VALUE for condition in self.where):
            # Events without a value are all events less those with one.
            parts.append(f" UNION ALL SELECT {shared}, NULL, {_SUMS} FROM rollup_day WHERE {self._days}")
            parts += [f" UNION ALL SELECT {shared}, NULL, -events, -successes, -failures", said]
        return sql(*parts, ") AS event")


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


assert all(BY_NAME[name].kind in (Kind.TEXT, Kind.VERSION) for name in _DIMENSIONS)
