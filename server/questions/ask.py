"""Runs a question and assembles its answer."""

from __future__ import annotations

import bisect
import time
from collections.abc import Mapping

from server.analytics.filters import Period, starts
from server.analytics.sources import Sql, read, sql
from server.event import DAY, FieldError
from server.problems import BadQuery
from server.questions import counting, suggestions
from server.questions.answer import Answer, Figures, Row
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts
from server.questions.question import COUNTS, Compare, Condition, Measure, Op, Parts, Question, Segment
from server.questions.sql_engines import ENGINES, SqlEngine
from server.storage.engine import Store
from server.storage.upkeep.recount import first_whole_day

MAX_FIGURES = 100_000  # figures in one answer

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
    facts = reader.facts(question.period, ())
    if size(question) > MAX_FIGURES:
        raise BadQuery(
            FieldError("first", f"gives more than {MAX_FIGURES} figures: ask for fewer groups, measures or segments, or longer steps")
        )
    groups, has_others = await reader.groups(facts) if question.by else (None, False)
    periods = [question.period] if before is None else [question.period, before]
    rows: list[Row] = []
    for segment in question.segments or (Segment("", ()),):
        found = [await reader.figures(reader.facts(period, segment.where), groups) for period in periods]
        rows += _rows(question, segment.name or None, found, groups, has_others)
    if groups is not None:
        rows.sort(key=lambda row: row.is_other)  # stable: the largest group first, and its segments side by side
        rows = _interleaved(rows, len(question.segments))
    steps = facts.starts if question.over else []
    return Answer(
        starts=steps,
        starts_before=reader.facts(before, ()).starts if before and question.over else None,
        partial_step=bisect.bisect_right(steps, now) - 1 if steps and steps[0] <= now < question.period.end else None,
        rows=rows,
        since=since,
        complete=since is None or min(question.period.start, before.start if before else question.period.start) >= since,
        source="events",
        warnings=await suggestions.warnings(store, question) if _is_empty(rows) else [],
    )


class _Reader:
    """Reads the parts of an answer from the store's events."""

    def __init__(self, store: Store, question: Question, known_versions: list[str]) -> None:
        self._store = store
        self._question = question
        self._versions = known_versions
        self._engine: SqlEngine = ENGINES[store.engine_type]
        self._counts = tuple(dict.fromkeys(part for each in question.measures if each in COUNTS for part in _PARTS_OF.get(each, (each,))))
        self._durations, self._per_install = counting.percents(question.measures)

    def facts(self, period: Period, where: tuple[Condition, ...]) -> Facts:
        question = self._question
        return Facts(
            project=question.project,
            period=period,
            where=(*question.where, *where),
            by=question.by,
            over=question.over,
            known_versions=self._versions,
        )

    async def groups(self, facts: Facts) -> tuple[list[Keys], bool]:
        """The largest groups, and whether there are others."""
        limit, measure = self._question.first, self._question.measures[0]
        query = counting.largest(self._engine, facts.sql(self._engine), measure, limit)
        found: list[Keys] = [(row["k1"], row["k2"]) for row in await read(self._store, query)]
        return found[:limit], len(found) > limit

    async def figures(self, facts: Facts, groups: list[Keys] | None) -> _Found:
        """The figures of each place and step."""
        found: _Cells = {}
        placed = counting.placed(self._engine, facts, groups, installs=Measure.NEW_INSTALLS in self._counts)
        if self._counts:
            for row in await read(self._store, counting.counts(placed, self._counts)):
                cell = found.setdefault((row["place"], row["step"]), {})
                cell |= {name: int(value or 0) for name, value in row.items() if name not in ("place", "step")}
        if self._durations:
            values = counting.durations(placed)
            await self._add(found, "all", values, self._durations, 1_000)
            await self._add(found, "people", counting.of_people(values), self._durations, 1_000)
        if self._per_install:
            await self._add(found, "all", counting.per_install(placed, people=False), self._per_install, 1)
            await self._add(found, "people", counting.per_install(placed, people=True), self._per_install, 1)
        return len(facts.starts), found

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


async def _versions(store: Store, question: Question) -> list[str]:
    """All versions that events have, if the question needs them."""
    conditions = [*question.where, *(condition for segment in question.segments for condition in segment.where)]
    if not any(condition.op is Op.SEMVER for condition in conditions) and not any(isinstance(by.version, Parts) for by in question.by):
        return []
    return [row["version"] for row in await read(store, sql("SELECT DISTINCT version FROM context WHERE version IS NOT NULL"))]
