"""Runs a question and assembles its answer."""

from __future__ import annotations

import bisect
import time
from collections.abc import Mapping
from typing import TypeVar

from server.analytics.filters import Period, starts
from server.analytics.sources import Sql, read
from server.event import DAY, FieldError
from server.problems import BadQuery
from server.questions import counting, suggestions
from server.questions.answer import Answer, Figures, Row
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts, all_versions
from server.questions.question import COUNTS, Compare, Condition, Measure, Op, Parts, Question, Segment
from server.questions.rollup_facts import ActivityFacts, RollupFacts
from server.questions.sql_engines import ENGINES, SqlEngine
from server.storage.engine import Store
from server.storage.upkeep.recount import first_whole_day

MAX_FIGURES = 100_000  # figures in one answer

F = TypeVar("F", bound=Facts)
# The figures of one period: the number of steps, and for each place and step the figures as `{measure}_{audience}`.
_Cells = dict[tuple[int, int], dict[str, float | None]]
_Found = tuple[int, _Cells]
_PARTS_OF = {Measure.FAILURE_RATE: (Measure.SUCCESSES, Measure.FAILURES)}
_EMPTY_COUNTS = {measure: 0 if measure is not Measure.FAILURE_RATE else None for measure in COUNTS}


async def ask(store: Store, question: Question, *, now: int | None = None) -> Answer:
    """Answer a question. Raises BadQuery for an invalid one, TooBroad if it takes too long. `now` is epoch milliseconds (default: the clock)."""
    now = int(time.time() * 1000) if now is None else now
    before = _before(question, now)
    reader = _Reader(store, question, await _versions(store, question))
    since = await _since(store, question.project)
    if size(question) > MAX_FIGURES:
        raise BadQuery(
            FieldError("first", f"gives more than {MAX_FIGURES} figures: ask for fewer groups, measures or segments, or longer steps")
        )
    groups, has_others = await reader.groups() if question.by else (None, False)
    periods = [question.period] if before is None else [question.period, before]
    rows: list[Row] = []
    for segment in question.segments or (Segment("", ()),):
        found = [await reader.figures(period, segment.where, groups) for period in periods]
        rows += _rows(question, segment.name or None, found, groups, has_others)
    if groups is not None:
        rows.sort(key=lambda row: row.is_other)  # stable: the largest group first, and its segments side by side
        rows = _interleaved(rows, len(question.segments))
    steps = [starts(period, question.over) if question.over else [] for period in periods]
    return Answer(
        starts=steps[0],
        starts_before=steps[1] if before and question.over else None,
        partial_step=bisect.bisect_right(steps[0], now) - 1 if steps[0] and steps[0][0] <= now < question.period.end else None,
        rows=rows,
        since=since,
        complete=since is None or min(reader.raw_starts, default=since) >= since,
        source="rollups" if reader.sources == {"rollups"} else "events",
        warnings=await suggestions.warnings(store, question) if _is_empty(rows) else [],
    )


class _Reader:
    """Reads the parts of an answer, each from the cheapest source that has it. `sources` collects those used, `raw_starts` the start of
    each period that was read from raw events.
    """

    def __init__(self, store: Store, question: Question, known_versions: tuple[str, ...]) -> None:
        self._store = store
        self._question = question
        self._versions = known_versions
        self._engine: SqlEngine = ENGINES[store.engine_type]
        self._counts = tuple(dict.fromkeys(part for each in question.measures if each in COUNTS for part in _PARTS_OF.get(each, (each,))))
        self._durations, self._per_install = counting.percents(question.measures)
        self.sources: set[str] = set()
        self.raw_starts: list[int] = []

    def _facts(self, kind: type[F], period: Period, where: tuple[Condition, ...]) -> F:
        question = self._question
        return kind(
            project=question.project,
            period=period,
            where=(*question.where, *where),
            by=question.by,
            over=question.over,
            known_versions=self._versions,
        )

    async def _source(self, measure: Measure, period: Period, where: tuple[Condition, ...]) -> Facts:
        """The facts from which a measure is read."""
        if measure in (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES):
            sums = self._facts(RollupFacts, period, where)
            if await sums.can_answer(self._store):
                return sums
        if measure in (Measure.INSTALLS, Measure.NEW_INSTALLS):
            activity = self._facts(ActivityFacts, period, where)
            if activity.can_answer():
                return activity
        return self._facts(Facts, period, where)

    def _used(self, facts: Facts) -> Facts:
        self.sources.add(facts.source)
        if type(facts) is Facts:
            self.raw_starts.append(facts.period.start)
        return facts

    async def groups(self) -> tuple[list[Keys], bool]:
        """The largest groups, and whether there are others."""
        limit, measure = self._question.first, self._question.measures[0]
        ranked = measure if measure in counting.SIZES else Measure.EVENTS
        facts = self._used(await self._source(ranked, self._question.period, ()))
        query = counting.largest(self._engine, facts.sql(self._engine), ranked, limit)
        found: list[Keys] = [(row["k1"], row["k2"]) for row in await read(self._store, query)]
        return found[:limit], len(found) > limit

    async def figures(self, period: Period, where: tuple[Condition, ...], groups: list[Keys] | None) -> _Found:
        """The figures of each place and step."""
        found: _Cells = {}
        plan: dict[Facts, list[Measure]] = {}
        for measure in self._counts:
            plan.setdefault(await self._source(measure, period, where), []).append(measure)
        for facts, measures in plan.items():
            placed = counting.placed(self._engine, self._used(facts), groups, installs=Measure.NEW_INSTALLS in measures)
            for row in await read(self._store, counting.counts(placed, measures)):
                cell = found.setdefault((row["place"], row["step"]), {})
                cell |= {name: int(value or 0) for name, value in row.items() if name not in ("place", "step")}
        events = self._facts(Facts, period, where)
        if self._durations or self._per_install:
            placed = counting.placed(self._engine, self._used(events), groups, installs=False)
        if self._durations:
            values = counting.durations(placed)
            await self._add(found, "all", values, self._durations, 1_000)
            await self._add(found, "people", counting.of_people(values), self._durations, 1_000)
        if self._per_install:
            await self._add(found, "all", counting.per_install(placed, people=False), self._per_install, 1)
            await self._add(found, "people", counting.per_install(placed, people=True), self._per_install, 1)
        return len(events.starts), found

    async def _add(self, found: _Cells, audience: str, values: Sql, percents: Mapping[Measure, int | None], unit: int) -> None:
        for row in await read(self._store, counting.distribution(values, percents)):
            cell = found.setdefault((row["place"], row["step"]), {})
            for measure, percent in percents.items():
                value = int(row["total"]) / int(row["number"]) if percent is None else int(row[measure.value])
                cell[f"{measure.value}_{audience}"] = value / unit


def _rows(question: Question, segment: str | None, found: list[_Found], groups: list[Keys] | None, has_others: bool) -> list[Row]:
    places = [0] if groups is None else [*range(len(groups)), *([OTHER] if has_others else [])]
    return [
        Row(
            segment=segment,
            keys=[] if groups is None or place == OTHER else list(groups[place][: len(question.by)]),
            is_other=place == OTHER,
            figures=[_figures(measure, place, found) for measure in question.measures],
        )
        for place in places
    ]


def _figures(measure: Measure, place: int, found: list[_Found]) -> Figures:
    lists = [
        [_value(cells.get((place, step), {}), measure, audience) for step in range(steps)]
        for steps, cells in found
        for audience in ("all", "people")
    ]
    return Figures(measure, *lists)


def _value(cell: Mapping[str, float | None], measure: Measure, audience: str) -> float | None:
    if measure is Measure.FAILURE_RATE:
        failures = cell.get(f"failures_{audience}") or 0
        ended = failures + (cell.get(f"successes_{audience}") or 0)
        return failures / ended if ended else None
    return cell.get(f"{measure.value}_{audience}", _EMPTY_COUNTS.get(measure))


def _interleaved(rows: list[Row], segments: int) -> list[Row]:
    """Order rows by group, then by segment; they come segment by segment."""
    if segments < 2:
        return rows
    order: dict[tuple[bool, tuple[str | None, ...]], list[Row]] = {}
    for row in rows:
        order.setdefault((row.is_other, tuple(row.keys)), []).append(row)
    return [row for same in order.values() for row in same]


def _is_empty(rows: list[Row]) -> bool:
    return not any(value for row in rows for figures in row.figures for value in figures.all)


def size(question: Question) -> int:
    """Return the largest number of figures in the answer. Raises BadQuery for too many steps."""
    steps = len(starts(question.period, question.over)) if question.over else 1
    groups = question.first + 1 if question.by else 1
    return steps * groups * len(question.measures) * max(1, len(question.segments)) * (4 if question.compare else 2)


def _before(question: Question, now: int) -> Period | None:
    """The period to compare with. A period that has not ended is compared with the same part of the earlier one."""
    if question.compare is None:
        return None
    period = question.period
    length = period.end - period.start if question.compare is Compare.PREVIOUS else 365 * DAY
    start, end = period.start - length, min(period.end, max(period.start + 1, now)) - length
    if start < 0:
        raise BadQuery(FieldError("compare", "begins before 1970"))
    return Period(start, end, exact=True)


async def _since(store: Store, project: int) -> int | None:
    """The time from which on all events of a project are kept; None if retention has deleted none."""
    rows = await store.rows("SELECT max(value) AS since FROM note WHERE name IN ({}, {})", f"retained:{project}", f"deleting:{project}")
    found = int(rows[0]["since"] or 0)
    return first_whole_day(found) * DAY if found else None


async def _versions(store: Store, question: Question) -> tuple[str, ...]:
    """All versions that events have, if the question needs them."""
    conditions = [*question.where, *(condition for segment in question.segments for condition in segment.where)]
    if not any(condition.op is Op.SEMVER for condition in conditions) and not any(isinstance(by.version, Parts) for by in question.by):
        return ()
    return await all_versions(store)
