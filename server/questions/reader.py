"""Reads the figures of a question, each from the cheapest source that has it: rollups, activity, the history, the store's events."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import msgspec

from server.clock import utc_day
from server.event import DAY
from server.history import History
from server.questions import counting, sampled_periods
from server.questions.answer import QuestionWarning
from server.questions.counting import Cell, Keys
from server.questions.facts import Facts, all_versions
from server.questions.history_facts import HistoryFacts, read_history
from server.questions.periods import Period
from server.questions.question import COUNTS, Condition, Measure, Op, Question
from server.questions.rollup_facts import ActiveSums, ActivityFacts, RollupFacts
from server.questions.sql import Sql, bound, read, sql
from server.questions.sql_engines import ENGINES, SqlEngine
from server.storage.engine import Store
from server.storage.upkeep.recount import first_whole_day

F = TypeVar("F", bound=Facts)

HISTORY_FROM = 50_000  # events of a period from which the history is faster than the store
MAX_ARRIVALS = 200_000  # new installs that one question lists for the history
PART = 1_000_000  # events of which one query over the history counts installs by step
SUMS = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES)
_PARTS_OF = {Measure.FAILURE_RATE: (Measure.SUCCESSES, Measure.FAILURES)}
Query = Callable[[Facts, SqlEngine], Sql]


class Placed(Protocol):
    """Makes the SQL of facts with the place of their group."""

    def __call__(self, facts: Facts, engine: SqlEngine, *, installs: bool = False) -> Sql: ...


# For each place and step the figures, as `{measure}_{audience}`.
Cells = dict[Cell, dict[str, float | None]]


class Found(msgspec.Struct, frozen=True):
    """The figures of one period. `gone` tells for each step whether retention has deleted all its events; `folded` cells count as others.

    `spreads` are the spreads of its counts, under the names of these; see `intervals`. It is empty if all of them are exact.
    """

    cells: Cells
    gone: list[bool]
    folded: frozenset[Cell] = frozenset()
    spreads: Cells = {}


class Reader:
    """Reads the parts of an answer.

    `plan` decides once for all parts: either each measure has the cheapest source, or, where retention has deleted events that some measure
    needs, all are read from the events that are left. Figures of one answer then count the same events. `since` is the time from which
    these count, or 0. With `events_only`, neither rollups nor activity are read. Without `people`, percentiles and means
    are read for all events only.
    """

    def __init__(
        self,
        store: Store,
        question: Question,
        known_versions: tuple[str, ...],
        history: History | None,
        *,
        events_only: bool = False,
        people: bool = True,
    ) -> None:
        self._store = store
        self._question = question
        self._versions = known_versions
        self._history = history
        self._events_only = events_only
        self._audiences = (False, True) if people else (False,)
        self._engine: SqlEngine = ENGINES[store.engine_type]
        self._counts = tuple(dict.fromkeys(part for each in question.measures if each in COUNTS for part in _PARTS_OF.get(each, (each,))))
        self._durations, self._per_install = counting.percents(question.measures)
        self._sources: set[str] = set()
        self._events: dict[Period, int] = {}  # the number of each period
        self._sampled: dict[Period, bool] = {}
        self.warnings: list[QuestionWarning] = []
        self.since = 0

    async def plan(self, periods: list[Period], since: int | None) -> None:
        """Find out whether the answer needs events that were deleted."""
        if since is None or min(period.start for period in periods) >= since:
            return
        wheres = [segment.where for segment in self._question.segments] or [()]
        sources = [await self.source(measure, period, where) for measure in self._counts for period in periods for where in wheres]
        if self._durations or self._per_install or any(type(facts) is Facts for facts in sources):
            self.since = since

    @property
    def used(self) -> str:
        """The most expensive source that was used."""
        return max(self._sources, key=("rollups", "history", "events").index, default="rollups")

    async def groups(self) -> tuple[list[Keys], bool]:
        """The largest groups of the question, and whether there are others."""
        limit, measure = self._question.first, self._question.measures[0]
        ranked = measure if measure in counting.SIZES else Measure.EVENTS
        facts = await self.source(ranked, self._question.period, ())
        rows = await self.read(facts, lambda given, engine: counting.largest(engine, given.sql(engine), ranked, limit))
        found: list[Keys] = [(row["k1"], row["k2"]) for row in rows]
        return found[:limit], len(found) > limit

    async def every_group(self) -> dict[Keys, dict[str, int]]:
        """All groups of the question's period that have events, with their counts."""
        found: dict[Keys, dict[str, int]] = {}
        for facts, measures in (await self._plan_counts(self._question.period, ())).items():
            installs = Measure.NEW_INSTALLS in measures

            def query(given: Facts, engine: SqlEngine, measures: list[Measure] = measures, installs: bool = installs) -> Sql:
                return counting.counts(engine, given.sql(engine, installs=installs), measures, by="k1, k2")

            arrivals = await self._arrivals(facts) if installs else ()
            for row in await self.read(facts, query, stored_only=arrivals is None, arrivals=arrivals or ()):
                counts = {name: int(value or 0) for name, value in row.items() if name not in ("k1", "k2")}
                if any(counts.values()):
                    found.setdefault((row["k1"], row["k2"]), {}).update(counts)
        return found

    async def figures(
        self, period: Period, where: tuple[Condition, ...], groups: list[Keys] | None, folded: frozenset[Cell] = frozenset()
    ) -> Found:
        """The figures of each place and step."""
        cells: Cells = {}
        for facts, measures in (await self._plan_counts(period, where)).items():
            await self._add_counts(cells, facts, measures, partial(_placed, groups, folded))
        events = self.facts(Facts, period, where)
        for percents in (self._durations, self._per_install):
            if percents:
                await self._add(cells, events, partial(_placed, groups, folded), percents)
        ends = [*events.starts[1:], period.end]
        spreads = await self._spreads(period, where, partial(_placed, groups, folded))
        return Found(cells, [end <= self.since for end in ends], folded, spreads)

    async def is_sampled(self, period: Period) -> bool:
        """Return whether a period has sampled events of the project."""
        if period not in self._sampled:
            self._sampled[period] = await sampled_periods.is_sampled(self._store, self._question.project, period)
        return self._sampled[period]

    async def _spreads(self, period: Period, where: tuple[Condition, ...], placed: Placed) -> Cells:
        """The spreads of the counts of a period; none without sampled events."""
        cells: Cells = {}
        if not any(measure in SUMS for measure in self._counts) or not await self.is_sampled(period):
            return cells
        for facts, measures in (await self._plan_counts(period, where)).items():
            if counted := [measure for measure in measures if measure in SUMS]:
                await self._add_counts(cells, msgspec.structs.replace(facts, is_spread=True), counted, placed)
        return cells

    async def _plan_counts(self, period: Period, where: tuple[Condition, ...]) -> dict[Facts, list[Measure]]:
        """The measures that are counts, by the facts that they are read from."""
        plan: dict[Facts, list[Measure]] = {}
        for measure in self._counts:
            plan.setdefault(await self.source(measure, period, where), []).append(measure)
        return plan

    async def _add_counts(self, cells: Cells, facts: Facts, measures: list[Measure], placed: Placed) -> None:
        installs = Measure.NEW_INSTALLS in measures

        def query(given: Facts, engine: SqlEngine) -> Sql:
            if isinstance(given, ActiveSums):
                return given.counts()
            return counting.counts(engine, placed(given, engine, installs=installs), measures)

        if Measure.INSTALLS in measures and not installs:
            rows = await self._read_steps(facts, query)
        else:
            arrivals = await self._arrivals(facts) if installs else ()
            rows = await self.read(facts, query, stored_only=arrivals is None, arrivals=arrivals or ())
        for row in rows:
            cell = cells.setdefault((row["place"], row["step"]), {})
            cell |= {name: int(value or 0) for name, value in row.items() if name not in ("place", "step")}

    async def _arrivals(self, facts: Facts) -> tuple[tuple[int, int], ...] | None:
        """The installs that are new in the period, with their first time, for the history, which does not hold them; None if they are too many."""
        if not await self.is_columnar(facts):
            return ()
        rows = await self._store.rows(
            "SELECT id, first_seen FROM install WHERE project_id = {} AND first_seen >= {} AND first_seen < {} LIMIT {}",
            *(facts.project, facts.period.start, facts.period.end, MAX_ARRIVALS + 1),
        )
        return None if len(rows) > MAX_ARRIVALS else tuple((row["id"], row["first_seen"]) for row in rows)

    async def _add(self, cells: Cells, facts: Facts, placed: Placed, percents: Mapping[Measure, int | None]) -> None:
        """Add percentiles and means: of durations, or of events per install."""
        timed = percents is self._durations
        weighted = timed and await self.is_sampled(facts.period)
        unit = 1_000 if timed else 1
        # The history has both audiences at once, but percentiles of too many values take more memory than it may use.
        is_small = await self.is_columnar(facts) and (not timed or facts.over is not None or self._events[facts.period] <= 2 * PART)
        for audiences in [self._audiences] if is_small else [(each,) for each in self._audiences]:

            def query(given: Facts, engine: SqlEngine, audiences: tuple[bool, ...] = audiences) -> Sql:
                return counting.distributions(engine, placed(given, engine), percents, audiences, timed=timed, weighted=weighted)

            for row in await self._read_steps(facts, query):
                cell = cells.setdefault((row["place"], row["step"]), {})
                for measure, percent in percents.items():
                    value = int(row["total"]) / int(row["number"]) if percent is None else int(row[measure.value])
                    cell[f"{measure.value}_{'people' if row['audience'] else 'all'}"] = value / unit

    def facts(self, kind: type[F], period: Period, where: tuple[Condition, ...]) -> F:
        question = self._question
        return kind(
            project=question.project,
            period=period,
            where=(*question.where, *where),
            by=question.by,
            over=question.over,
            known_versions=self._versions,
            since=self.since,
        )

    async def source(self, measure: Measure, period: Period, where: tuple[Condition, ...]) -> Facts:
        """The facts from which a measure is read."""
        if not self.since and not self._events_only and measure in SUMS:
            sums = self.facts(RollupFacts, period, where)
            if await sums.can_answer(self._store):
                return sums
        if not self.since and not self._events_only and measure in (Measure.INSTALLS, Measure.NEW_INSTALLS):
            active = self.facts(ActiveSums, period, where)
            if measure is Measure.INSTALLS and active.can_answer():
                return active
            activity = self.facts(ActivityFacts, period, where)
            if activity.can_answer():
                return activity
        return self.facts(Facts, period, where)

    async def _read_steps(self, facts: Facts, query: Query) -> list[dict[str, Any]]:
        """Run a query whose rows have a step: over the history one part of the period after the other, which takes less memory."""
        found = []
        for offset, part in await self._parts(facts):
            found += [{**row, "step": row["step"] + offset} for row in await self.read(part, query)]
        return found

    async def _parts(self, facts: Facts) -> list[tuple[int, Facts]]:
        """Split facts at steps, so that a part has about `PART` events. Each comes with the index of its first step."""
        if facts.over is None or self._events_only or not await self.is_columnar(facts):
            return [(0, facts)]
        period, starts = facts.period, facts.starts
        size = math.ceil(len(starts) * PART / max(PART, self._events[period]))
        firsts = range(0, len(starts), size)
        bounds = [period.start, *(starts[first] for first in firsts[1:]), period.end]
        parts = (Period(start, end, exact=period.exact) for start, end in pairwise(bounds))
        return [(first, msgspec.structs.replace(facts, period=part)) for first, part in zip(firsts, parts, strict=True)]

    async def read(
        self, facts: Facts, query: Query, *, stored_only: bool = False, arrivals: tuple[tuple[int, int], ...] = ()
    ) -> list[dict[str, Any]]:
        """Run a query over facts: of raw events, over the history if that is faster and ready."""
        if not stored_only and (rows := await self.read_history(facts, query, arrivals=arrivals)) is not None:
            return rows
        self._sources.add(facts.source)
        return await read(self._store, query(facts, self._engine))

    async def read_history(self, facts: Facts, query: Query, *, arrivals: tuple[tuple[int, int], ...] = ()) -> list[dict[str, Any]] | None:
        """Run a query over the history, or return None if the store is faster or the history is not ready."""
        if self._history is None or not await self.is_columnar(facts):
            return None
        rows = await read_history(self._history, HistoryFacts(**msgspec.structs.asdict(facts), arrivals=arrivals), query)
        if rows is None:
            self._explain(facts.period)
        else:
            self._sources.add("history")
        return rows

    def _explain(self, period: Period) -> None:
        """Warn if the history does not reach back to the start of a period."""
        since = None if self._history is None else self._history.report().since
        if since is not None and period.start < since and not self.warnings:
            begin = utc_day(since)
            message = (
                f"The history begins on {begin}, as FOOTFALL_HISTORY_SIZE bounds it. Raw events were read from the store, which is slower."
            )
            self.warnings.append(QuestionWarning("period", message, []))

    async def is_columnar(self, facts: Facts) -> bool:
        """Return whether facts are read from the history if it is ready: raw events of a period with many events of the project."""
        return type(facts) is Facts and self._history is not None and await self.count_events(facts.period) >= HISTORY_FROM

    async def count_events(self, period: Period) -> int:
        """Count the project's events in a period, rounded to whole days."""
        if period not in self._events:
            days = sql(" AND day BETWEEN ", bound(period.first_day), " AND ", bound(period.last_day))
            query = sql(f"SELECT SUM(events) AS events FROM rollup_day WHERE project_id = {self._question.project}", days)
            (row,) = await read(self._store, query)
            self._events[period] = int(row["events"] or 0)
        return self._events[period]


def _placed(groups: list[Keys] | None, folded: frozenset[Cell], facts: Facts, engine: SqlEngine, *, installs: bool = False) -> Sql:
    return counting.placed(engine, facts, groups, installs=installs, folded=folded)


async def kept_since(store: Store, project: int) -> int | None:
    """The time from which on all events of a project are kept; None if retention has deleted none."""
    rows = await store.rows("SELECT max(value) AS since FROM note WHERE name IN ({}, {})", f"retained:{project}", f"deleting:{project}")
    found = int(rows[0]["since"] or 0)
    return first_whole_day(found) * DAY if found else None


async def versions_of(store: Store, *questions: Question) -> tuple[str, ...]:
    """All versions that events have, if one of the questions needs them."""
    for question in questions:
        conditions = [*question.where, *(condition for segment in question.segments for condition in segment.where)]
        if any(condition.op is Op.SEMVER for condition in conditions) or any(by.version is not None for by in question.by):
            return await all_versions(store)
    return ()
