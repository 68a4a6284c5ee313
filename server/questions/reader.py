"""Reads the figures of a question, each from the cheapest source that has it: rollups, activity, the history, the store's events."""

from __future__ import annotations

import bisect
import math
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar, cast

import msgspec

from server.clock import utc_day
from server.event import DAY
from server.history import History, OutOfMemory
from server.problems import TooBroad
from server.questions import counting, install_masks, installs_by_property, joint_reads, joint_tables, sampled_periods
from server.questions.answer import QuestionWarning
from server.questions.arrivals import NO_ARRIVALS, Arrivals, new_installs
from server.questions.counting import SUMS, Cell, Keys, Percents
from server.questions.facts import Facts
from server.questions.found import Cells, Found
from server.questions.history_facts import HistoryFacts, HistoryQuery, read_history
from server.questions.joint_reads import Announced, Joint, Query
from server.questions.joint_tables import Counted
from server.questions.periods import Period
from server.questions.places import Places, largest
from server.questions.question import COUNTS, Condition, Measure, Question
from server.questions.rollup_facts import ActiveSums, ActivityFacts, ArrivalSums, RollupFacts, sums_by_day
from server.questions.sql import Sql, bound, read, sql
from server.questions.sql_engines import SqlEngine, sql_of
from server.storage.engine import Store

F = TypeVar("F", bound=Facts)

HISTORY_FROM = 50_000  # events of a period from which the history is faster than the store
PART = 1_000_000  # events of which one query over the history counts installs by step
MARKED_PART = 5_000_000  # if marks tell which installs count
MOST_SUMS = 100_000  # sums by list and step that one query holds in memory, at 100 bytes each
_PARTS_OF = {Measure.FAILURE_RATE: (Measure.SUCCESSES, Measure.FAILURES)}


class Reader:
    """Reads the parts of an answer.

    `plan` decides once for all parts: each measure uses the cheapest source, or, if retention has deleted events that some measure needs, all
    measures use the remaining events. The figures of one answer then count the same events. `since` is the time from which on events count, or 0.
    With `events_only`, neither rollups nor activity are read. Without `people`, percentiles and means are read for all events only. Without
    `intervals`, estimates have none. `announced`: the reads of the question that other questions wait for.
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
        intervals: bool = True,
        announced: Announced | None = None,
    ) -> None:
        self._store = store
        self._question = question
        self._versions = known_versions
        self._history = history
        self._events_only = events_only
        self._announced = announced
        self._audiences = (False, True) if people else (False,)
        self._engine = sql_of(store)
        self._counts = tuple(dict.fromkeys(part for each in question.measures if each in COUNTS for part in _PARTS_OF.get(each, (each,))))
        self._durations, self._per_install = counting.percents(question.measures)
        self._has_intervals = intervals and any(measure in SUMS for measure in self._counts)
        self._sources: set[str] = set()
        self._events: dict[Period, int] = {}  # the number of each period
        self._sampled: dict[Period, bool] = {}
        self._ranked: dict[Period, Cells] = {}  # counted with the groups
        self._lists: int | None = None  # different lists of the property that makes the groups, if counted
        self._has_sums: dict[RollupFacts, bool] = {}
        self.warnings: list[QuestionWarning] = []
        self.since = 0

    async def plan(self, periods: list[Period], since: int | None) -> None:
        """Determine whether the answer needs events that were deleted."""
        if since is not None and min(period.start for period in periods) < since and await self.needs_events(periods):
            self.since = since

    async def needs_events(self, periods: list[Period]) -> bool:
        """Return True if some measure must be read from events, because no other source has the question's combination of fields."""
        wheres = [segment.where for segment in self._question.segments] or [()]
        sources = [await self.source(measure, period, where) for measure in self._counts for period in periods for where in wheres]
        return bool(self._durations or self._per_install or any(type(facts) is Facts for facts in sources))

    @property
    def used(self) -> str:
        """The most expensive source that was used."""
        return max(self._sources, key=("rollups", "history", "events").index, default="rollups")

    async def groups(self) -> tuple[list[Keys], bool]:
        """The largest groups of the question, and whether there are others."""
        limit, measure, audience = self._question.first, self._question.measures[0], self._question.audience
        ranked = measure if measure in counting.SIZES else Measure.EVENTS
        facts = await self.source(ranked, self._question.period, ())
        rows = await self._ranked_counts(facts, ranked)
        if rows is None:
            if isinstance(facts, RollupFacts):  # ranks do not depend on steps, and sums of all days have fewer rows
                facts = msgspec.structs.replace(facts, over=None)
            query = partial(largest, ranked, audience, limit)
            rows = await self._read_arrivals(facts, query, installs=ranked is Measure.NEW_INSTALLS)
            self._lists = max((row["lists"] for row in rows if "lists" in row), default=None)
            found: list[Keys] = [(row["k1"], row["k2"]) for row in rows]
            return found[:limit], len(found) > limit
        keys = {row.pop("place"): (row.pop("k1"), row.pop("k2")) for row in rows}
        cells = zip(keys, rows, strict=True)
        self._ranked[facts.period] = {(place, 0): {name: int(value or 0) for name, value in row.items()} for place, row in cells}
        listed = [keys[place] for place in sorted(keys) if place != counting.OTHER]
        return listed, len(listed) < len(keys)

    async def _ranked_counts(self, facts: Facts, ranked: Measure) -> list[dict[str, Any]] | None:
        """The largest groups with all figures of the question, from one read; None if these need reads of their own."""
        limit, counts, audience = self._question.first, self._counts, self._question.audience
        if self._question.over is not None or self._durations or self._per_install:
            return None
        if counts == (Measure.INSTALLS,):
            return await self.read_history(
                facts, lambda given, engine: installs_by_property.ranked_installs(given, engine, audience, limit)
            )
        if facts.repeats or not set(counts) <= set(SUMS):
            return None
        return await self.read(facts, lambda given, engine: counting.ranked(engine, given.sql(engine), ranked, audience, counts, limit))

    async def every_group(self) -> dict[Keys, dict[str, int]]:
        """All groups of the question's period that have events, with their counts."""
        found: dict[Keys, dict[str, int]] = {}
        nothing = {f"{measure.value}_{audience}": 0 for measure in self._counts for audience in ("all", "people")}
        for facts, measures in (await self._plan_counts(self._question.period, ())).items():
            installs = Measure.NEW_INSTALLS in measures

            def query(given: Facts, engine: SqlEngine, measures: list[Measure] = measures, installs: bool = installs) -> Sql:
                return counting.counts(engine, given.sql(engine, installs=installs), measures, by="k1, k2")

            for row in await self._read_arrivals(facts, query, installs=installs):
                counts = {name: int(value or 0) for name, value in row.items() if name not in ("k1", "k2")}
                if any(counts.values()):
                    found.setdefault((row["k1"], row["k2"]), nothing.copy()).update(counts)
        return found

    async def figures(
        self, period: Period, where: tuple[Condition, ...], groups: list[Keys] | None, folded: frozenset[Cell] = frozenset()
    ) -> Found:
        """The figures of each place and step."""
        events = self.facts(Facts, period, where)
        places = Places(groups, folded, self._lists is not None and self._lists * len(events.starts) <= MOST_SUMS)
        is_ranked = not where and not folded and period in self._ranked
        cells: Cells = self._ranked[period] if is_ranked else {}
        planned = {} if is_ranked else await self._plan_counts(period, where)
        reads = [partial(self._add_counts, cells, *each, places) for each in await self._split(planned, places)]
        reads += [partial(self._add, cells, events, places, percents) for percents in (self._durations, self._per_install) if percents]
        if self._announced is None:
            for run in reads:
                await run()
        else:
            await self._announced.run_all(reads)
        ends = [*events.starts[1:], period.end]
        spreads = await self._spreads(period, where, places)
        weights = await self._weights(period, events.starts or [period.start])
        return Found(cells, [end <= self.since for end in ends], folded, spreads, weights)

    async def is_sampled(self, period: Period) -> bool:
        """Return whether a period has sampled events of the project."""
        if period not in self._sampled:
            self._sampled[period] = await sampled_periods.is_sampled(self._store, self._question.project, period)
        return self._sampled[period]

    async def _weights(self, period: Period, starts: list[int]) -> list[float]:
        """The mean weight of each step; none without sampled events or counts of events."""
        if not self._has_intervals or not await self.is_sampled(period):
            return []
        return await sampled_periods.mean_weights(self._store, self._question.project, period, starts)

    async def _spreads(self, period: Period, where: tuple[Condition, ...], places: Places) -> Cells:
        """The spreads of the counts of a period; none if there are no sampled events."""
        cells: Cells = {}
        if not self._has_intervals or not await self.is_sampled(period):
            return cells
        for facts, measures in (await self._plan_counts(period, where)).items():
            if counted := [measure for measure in measures if measure in SUMS]:
                await self._add_counts(cells, msgspec.structs.replace(facts, is_spread=True), counted, places)
        return cells

    async def _plan_counts(self, period: Period, where: tuple[Condition, ...]) -> dict[Facts, list[Measure]]:
        """The measures that are counts, by the facts that they are read from."""
        plan: dict[Facts, list[Measure]] = {}
        for measure in self._counts:
            plan.setdefault(await self.source(measure, period, where), []).append(measure)
        return plan

    async def _split(self, planned: dict[Facts, list[Measure]], places: Places) -> list[tuple[Facts, list[Measure]]]:
        """Split the measures of announced reads by the joint table that they need, if there are too many events for a copy."""
        found, history = list[tuple[Facts, list[Measure]]](), self._history
        for facts, measures in planned.items():
            is_joint = self._announced is not None and places.groups is None and await self.is_columnar(facts)
            is_large = is_joint and history is not None and self._events[facts.period] > history.most_copied
            found += [(facts, each) for each in (joint_tables.split(measures) if is_large else [measures])]
        return found

    async def _add_counts(self, cells: Cells, facts: Facts, measures: list[Measure], places: Places) -> None:
        installs = Measure.NEW_INSTALLS in measures
        if isinstance(facts, RollupFacts) and places.groups is None and facts.is_daily:
            await self._add_sums(cells, facts, measures)
            return

        def query(given: Facts, engine: SqlEngine) -> Sql:
            return places.counts(given, engine, measures)

        in_parts = Measure.INSTALLS in measures and not installs
        joint = Joint(joint_tables.counted(facts, measures))
        if in_parts:
            rows = await self.read_steps(facts, query, joint=joint, is_marked=measures == [Measure.INSTALLS])
        else:
            rows = await self._read_arrivals(facts, query, installs=installs, joint=joint)
        for row in rows:
            cell = cells.setdefault((row["place"], row["step"]), {})
            cell |= {name: int(value or 0) for name, value in row.items() if name not in ("place", "step")}

    async def _add_sums(self, cells: Cells, facts: RollupFacts, measures: list[Measure]) -> None:
        """Add the sums of a question without groups, from sums by day that all figures of a page share."""
        self._sources.add(facts.source)
        starts, names = facts.starts, [f"{measure.value}_{audience}" for measure in measures for audience in ("all", "people")]
        for row in await sums_by_day(self._store, msgspec.structs.replace(facts, over=None)):
            step = bisect.bisect_right(starts, facts.period.start + row["step"] * DAY) - 1
            cell = cells.setdefault((0, step), {})
            cell |= {name: int(cell.get(name) or 0) + int(row[name] or 0) for name in names}

    async def _read_arrivals(self, facts: Facts, query: Query, *, installs: bool, joint: Joint | None = None) -> list[dict[str, Any]]:
        """Run a query, which counts new installs if `installs` is set. The history lacks the times of their first events: these are listed from the store.

        If there are too many, the query reads the store instead of the history.
        """
        is_listed = installs and await self.is_columnar(facts)
        arrivals = await new_installs(self._store, facts.project, facts.period) if is_listed else NO_ARRIVALS
        return await self.read(facts, query, stored_only=arrivals is None, arrivals=arrivals or NO_ARRIVALS, joint=joint)

    async def _add(self, cells: Cells, facts: Facts, places: Places, percents: Percents) -> None:
        """Add percentiles and means: of durations, or of events per install."""
        timed = percents is self._durations
        weighted = timed and await self.is_sampled(facts.period)
        unit, joint = 1_000 if timed else 1, Joint(Counted.DURATIONS if timed else None)
        # The history has both audiences at once, but percentiles of too many values take more memory than it may use.
        is_small = await self.is_columnar(facts) and (not timed or facts.over is not None or self._events[facts.period] <= 2 * PART)
        for audiences in [self._audiences] if is_small else [(each,) for each in self._audiences]:
            for row in await self._distributions(facts, places, percents, audiences, joint, weighted=weighted):
                cell = cells.setdefault((row["place"], row["step"]), {})
                for measure, percent in percents.items():
                    value = int(row["total"]) / int(row["number"]) if percent is None else int(row[measure.value])
                    cell[f"{measure.value}_{'people' if row['audience'] else 'all'}"] = value / unit

    async def _distributions(
        self, facts: Facts, places: Places, percents: Percents, audiences: tuple[bool, ...], joint: Joint | None, *, weighted: bool
    ) -> list[dict[str, Any]]:
        """The rows of `counting.distributions`. The form for weighted values holds few values in memory, but takes two to four times as long."""
        timed = percents is self._durations

        def query(given: Facts, engine: SqlEngine) -> Sql:
            return counting.distributions(engine, places.placed(given, engine), percents, audiences, timed=timed, weighted=weighted)

        try:
            return await self.read_steps(facts, query, joint=joint)
        except OutOfMemory:
            if weighted:
                raise
            parts = [await self._distributions(facts, places, percents, (each,), None, weighted=True) for each in audiences]
            return [row for part in parts for row in part]

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
            if sums not in self._has_sums:
                self._has_sums[sums] = await sums.can_answer(self._store)
            if self._has_sums[sums]:
                return sums
        if not self.since and not self._events_only and measure in (Measure.INSTALLS, Measure.NEW_INSTALLS):
            active = self.facts(ActiveSums if measure is Measure.INSTALLS else ArrivalSums, period, where)
            if active.can_answer():
                return active
            activity = self.facts(ActivityFacts, period, where)
            if activity.can_answer():
                return activity
        return self.facts(Facts, period, where)

    async def read_steps(self, facts: Facts, query: Query, *, is_marked: bool = False, joint: Joint | None = None) -> list[dict[str, Any]]:
        """Run a query whose rows have a step. Over the history, read the parts of the period one by one, to save memory. `is_marked`: the query
        groups few events if marks tell which installs count. `joint`: see `read`.
        """
        parts = await self._parts(facts, is_marked=is_marked)
        if len(parts) == 1:
            return await self.read(facts, query, joint=joint)
        if (shared := await self._read_jointly(HistoryFacts.of(facts), query, joint)) is not None:
            return shared
        return [{**row, "step": row["step"] + offset} for offset, part in parts for row in await self.read(part, query)]

    async def _parts(self, facts: Facts, *, is_marked: bool) -> list[tuple[int, Facts]]:
        """Split facts at steps, so that a part has about `PART` events. Return each part with the index of its first step."""
        if facts.over is None or self._events_only or not await self.is_columnar(facts):
            return [(0, facts)]
        period, starts = facts.period, facts.starts
        most = (
            MARKED_PART if is_marked and (HistoryFacts.of(facts).is_daily or install_masks.has_masks(facts, [Measure.INSTALLS])) else PART
        )
        size = math.ceil(len(starts) * most / max(most, self._events[period]))
        firsts = range(0, len(starts), size)
        bounds = [period.start, *(starts[first] for first in firsts[1:]), period.end]
        parts = (Period(start, end, exact=period.exact) for start, end in pairwise(bounds))
        return [(first, msgspec.structs.replace(facts, period=part)) for first, part in zip(firsts, parts, strict=True)]

    async def read(
        self, facts: Facts, query: Query, *, stored_only: bool = False, arrivals: Arrivals = NO_ARRIVALS, joint: Joint | None = None
    ) -> list[dict[str, Any]]:
        """Run a query over facts: of raw events, over the history if that is faster and ready. `joint`: see `Joint`."""
        if not stored_only and (rows := await self.read_history(facts, query, arrivals=arrivals, joint=joint)) is not None:
            return rows
        self._sources.add(facts.source)
        try:
            return await read(self._store, query(facts, self._engine))
        except TooBroad as error:
            if self._history is None or (done := await self._history.progress()) is None:
                raise
            message = f"The history of events is being built ({done:.0%} done), and reading them from the store takes too long:"
            raise TooBroad(f"{message} ask again in a few minutes, or about a shorter period.") from error

    async def read_history(
        self, facts: Facts, query: HistoryQuery, *, arrivals: Arrivals = NO_ARRIVALS, joint: Joint | None = None
    ) -> list[dict[str, Any]] | None:
        """Run a query over the history, or return None if the store is faster or the history is not ready. `joint`: see `Joint`.

        A query of several statements cannot be joint.
        """
        if self._history is None or not await self.is_columnar(facts):
            return None
        given = HistoryFacts.of(facts, arrivals)
        if (rows := await self._read_jointly(given, cast(Query, query), joint)) is not None:
            return rows
        if (rows := await read_history(self._history, given, query)) is None:
            self._explain(facts.period)
        else:
            self._sources.add("history")
        return rows

    async def _read_jointly(self, facts: HistoryFacts, query: Query, joint: Joint | None) -> list[dict[str, Any]] | None:
        """Run a query with those of other questions that select the same events; return None if it has to run alone."""
        events = await self.count_events(facts.period)
        if self._history is None or facts.by or joint is None or (joint.counted is None and events > self._history.most_copied):
            return None
        rows = await joint_reads.of(self._history).read(facts, query, joint, events)
        if rows is not None:
            self._sources.add("history")
        return rows

    def _explain(self, period: Period) -> None:
        """Warn if the history does not reach back to the start of a period."""
        since = None if self._history is None else self._history.report().since
        if since is not None and period.start < since and not self.warnings:
            begin = utc_day(since)
            message = f"The history begins on {begin}, because FOOTFALL_HISTORY_SIZE limits it. Raw events were read from the store, which is slower."
            self.warnings.append(QuestionWarning("period", message, []))

    async def is_columnar(self, facts: Facts) -> bool:
        """Return whether facts are read from the history if it is ready: raw events of a period with many events of the project."""
        return type(facts) is Facts and self._history is not None and await self.count_events(facts.period) >= HISTORY_FROM

    async def count_events(self, period: Period) -> int:
        """Count the project's events in a period, rounded to whole days."""
        if period not in self._events:
            start = f"SELECT SUM(events) AS events FROM rollup_day WHERE project_id = {self._question.project} AND day BETWEEN "
            query = sql(start, bound(period.first_day), " AND ", bound(period.last_day))
            self._events[period] = int((await read(self._store, query))[0]["events"] or 0)
        return self._events[period]
