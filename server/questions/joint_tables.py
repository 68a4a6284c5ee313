"""Temporary tables that the joint reads of a long period share, because a copy of its events would exceed the memory.

Sums are kept by day, audience and outcome, durations without other columns, and installs as masks: see `install_masks`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import ClassVar

from server.event import DAY
from server.questions import install_masks
from server.questions.counting import SUMS
from server.questions.facts import WEIGHT, Facts
from server.questions.history_facts import HistoryFacts
from server.questions.periods import Step
from server.questions.question import Measure
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine


class Counted(enum.Enum):
    """The kind of data that a query without keys reads."""

    SUMS = "sums"
    INSTALLS = "installs"
    DURATIONS = "durations"


def counted(facts: Facts, measures: Sequence[Measure]) -> Counted | None:
    """Return the kind of data that measures of facts need, if it is a single kind."""
    if all(measure in SUMS for measure in measures):
        return None if facts.is_spread else Counted.SUMS
    return Counted.INSTALLS if install_masks.has_masks(facts, measures) else None


def split(measures: list[Measure]) -> list[list[Measure]]:
    """Split measures into sums and all others, which need other kinds of data."""
    sums = [measure for measure in measures if measure in SUMS]
    return [each for each in (sums, [measure for measure in measures if measure not in SUMS]) if each]


class DailyFacts(HistoryFacts, frozen=True, kw_only=True):
    """Facts without keys from the relation `name`, which has the day of an event in place of its time."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def _relation(self, engine: SqlEngine) -> Sql:
        return Sql(f"(SELECT *, {self.period.start} + CAST(day AS BIGINT) * {DAY} AS occurred_at FROM {self.name}) AS event")

    def _selection(self, engine: SqlEngine) -> Sql:
        return Sql("TRUE")


class SummedFacts(DailyFacts, frozen=True, kw_only=True):
    """Facts whose rows stand for all events of a day with the same audience and outcome."""

    name: ClassVar[str] = "summed"

    def _measures(self) -> str:
        return ", ".join(f"{self.summed(measure)} AS {measure}" for measure in ("events", "successes", "failures"))


class TimedFacts(DailyFacts, frozen=True, kw_only=True):
    """Facts of the events with a duration."""

    name: ClassVar[str] = "timed"

    def _measures(self) -> str:
        return f"event.duration_us, {WEIGHT} AS events"


def has_days(facts: HistoryFacts) -> bool:
    """Return whether all steps of facts consist of days."""
    return facts.over is not Step.HOUR and not facts.period.start % DAY


def create_summed(facts: HistoryFacts, engine: SqlEngine) -> Sql:
    """Create the relation of `SummedFacts`."""
    groups = sql(
        f"SELECT {_day(facts)}, environment, outcome, weight, COUNT(*) AS events FROM ", facts.source_rows(engine), " GROUP BY ALL"
    )
    weight = "events * COALESCE(weight, 1) AS weight"
    return sql(
        f"CREATE OR REPLACE TEMP TABLE {SummedFacts.name} AS SELECT day, environment, outcome, {weight} FROM (", groups, ") AS events"
    )


def create_timed(facts: HistoryFacts, engine: SqlEngine) -> Sql:
    """Create the relation of `TimedFacts`."""
    return sql(
        f"CREATE OR REPLACE TEMP TABLE {TimedFacts.name} AS SELECT {_day(facts)}, environment, weight, duration_us FROM ",
        facts.source_rows(engine),
        " AND duration_us IS NOT NULL",
    )


def create_seen(facts: HistoryFacts, engine: SqlEngine) -> Sql:
    """Create the relation of `install_masks.SeenFacts`."""
    return sql(f"CREATE OR REPLACE TEMP TABLE {install_masks.SEEN} AS ", install_masks.masks(facts, engine))


def _day(facts: HistoryFacts) -> str:
    return f"CAST((event.occurred_at - {facts.period.start}) // {DAY} AS USMALLINT) AS day"
