"""Folds groups of few installs into `(other)`, for answers that are shown without a login.

A cell (a group in a step) is shown if its events come from no install or from at least `least`. All other cells count in `(other)`, and so does the
smallest shown cell of a step if `(other)` would be too small. If that does not suffice, the step shows nothing. So even a step's total that is known
from elsewhere reveals no figure of fewer installs by subtraction. With segments, the same holds for each combination of them: the events that are in
one segment and not in another come from no install or from enough, and so do the installs that are in one only.

A figure of a part of a cell's events (failures, successes, a rate, durations) is left out if that part comes from too few installs, or if the rest does
and would follow by subtraction. Then the groups are ordered by the figures that are left.

Two leaks remain: a figure that changes from one view of the page to the next, and links that overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from server.questions import counting
from server.questions.answer import Row
from server.questions.counting import OTHER, Cell, Keys
from server.questions.facts import Facts
from server.questions.periods import Period
from server.questions.question import DURATIONS, Condition, Measure, Op
from server.questions.reader import Reader
from server.questions.sql import Sql
from server.questions.sql_engines import SqlEngine


class _Sizes(NamedTuple):
    """The installs of each cell, and the cells with a part that has too few installs."""

    installs: dict[Cell, int]
    small: set[Cell]


class Folded(NamedTuple):
    """The folded cells of a period.

    `cells` of groups count in `(other)`; those of `(other)`, and those of an answer without groups, are left out. `shown` are the places of
    the groups that have a cell that is not folded.
    """

    cells: frozenset[Cell]
    shown: frozenset[int]


class _Parts(NamedTuple):
    """Parts of the events that some measures count, each with its condition. `has_rest`: subtraction reveals the figures of the other events."""

    measures: set[Measure]
    conditions: list[Condition]
    has_rest: bool


class SmallGroups:
    """Finds the cells of a question to fold. `wheres` are the conditions of its segments, one empty set without segments."""

    def __init__(self, reader: Reader, groups: list[Keys] | None, wheres: Sequence[tuple[Condition, ...]], least: int) -> None:
        self._reader = reader
        self._groups = groups
        self._wheres = wheres
        self._least = least

    async def find(self, period: Period) -> Folded:
        """The cells of a period to fold, and the places of the groups that are left."""
        folded: set[Cell] = set()
        sizes = await self._sizes(period, folded)
        if self._groups is None:
            return Folded(frozenset(sizes.small), frozenset({0}))
        folded = {cell for cell in sizes.small if cell[0] != OTHER}
        for whole in (False, True):
            sizes = await self._sizes(period, folded)
            steps = [step for place, step in sizes.small if place == OTHER]
            if not steps:
                break
            for each in steps:
                shown = sorted((number, cell) for cell, number in sizes.installs.items() if number and cell[0] != OTHER and cell[1] == each)
                folded.update(cell for _, cell in (shown if whole else shown[:1]))
        else:
            sizes = await self._sizes(period, folded)
        return Folded(frozenset(folded | sizes.small), frozenset(place for place, _ in sizes.installs if place != OTHER))

    async def parts(self, period: Period, folded: Folded, measures: Sequence[Measure]) -> dict[Measure, set[Cell]]:
        """The cells in which a measure counts a part of the events that comes from too few installs."""
        found: dict[Measure, set[Cell]] = {}
        facts = self._reader.facts(Facts, period, ())
        for part in _parts_of(measures):

            def query(given: Facts, engine: SqlEngine, part: _Parts = part) -> Sql:
                wheres = [*self._wheres, *((each,) for each in part.conditions)]
                tagged = [msgspec.structs.replace(given, where=(*given.where, *where)) for where in wheres]
                rows = [counting.placed(engine, each, self._groups, installs=False, folded=folded.cells) for each in tagged]
                return counting.owners(rows, by_install=False)

            small = set()
            for row in await self._reader.read(facts, query):
                inside, segments = divmod(int(row["mask"]), 1 << len(self._wheres))
                if segments and (inside or part.has_rest) and 0 < int(row["installs"]) < self._least:
                    small.add((int(row["place"]), int(row["step"])))
            found |= dict.fromkeys(part.measures, small)
        return found

    async def _sizes(self, period: Period, folded: set[Cell]) -> _Sizes:
        facts = self._reader.facts(Facts, period, ())
        found = _Sizes({}, set())
        # With one segment, its installs are those of its events.
        for by_install in (False, True)[: min(2, len(self._wheres))]:

            def query(given: Facts, engine: SqlEngine, by_install: bool = by_install) -> Sql:
                tagged = [msgspec.structs.replace(given, where=(*given.where, *where)) for where in self._wheres]
                rows = [counting.placed(engine, each, self._groups, installs=False, folded=folded) for each in tagged]
                return counting.owners(rows, by_install=by_install)

            for row in await self._reader.read(facts, query):
                cell, number = (int(row["place"]), int(row["step"])), int(row["installs"])
                found.installs[cell] = max(found.installs.get(cell, 0), number)
                if 0 < number < self._least:
                    found.small.add(cell)
        return found


def _parts_of(measures: Sequence[Measure]) -> list[_Parts]:
    """The parts of the events that measures count."""
    found = []
    outcomes = {Measure.SUCCESSES, Measure.FAILURES, Measure.FAILURE_RATE} & set(measures)
    if outcomes:
        words = {Measure.SUCCESSES: ("success",), Measure.FAILURES: ("failure",)}
        listed = words.get(next(iter(outcomes)), ("success", "failure")) if len(outcomes) == 1 else ("success", "failure")
        has_rest = Measure.EVENTS in measures and outcomes != {Measure.FAILURE_RATE}
        found.append(_Parts(outcomes, [Condition("outcome", values=(word,)) for word in listed], has_rest))
    if durations := DURATIONS.keys() & set(measures):
        found.append(_Parts(durations, [Condition("duration_ms", Op.EXISTS)], has_rest=False))
    return found


def hide_parts(rows: list[Row], least: int) -> None:
    """Remove the figures of people from rows, because the rest would follow by subtraction, and numbers of new installs that are too small."""
    for row in rows:
        by_measure = {figures.measure: figures for figures in row.figures}
        for figures in row.figures:
            figures.people = [None] * len(figures.all)
            figures.people_low = figures.people_high = None
            figures.people_before = None if figures.all_before is None else [None] * len(figures.all_before)
        fresh, active = by_measure.get(Measure.NEW_INSTALLS), by_measure.get(Measure.INSTALLS)
        if fresh is not None:
            fresh.all = _enough(fresh.all, active.all if active else None, least)
            if fresh.all_before is not None:
                fresh.all_before = _enough(fresh.all_before, active.all_before if active else None, least)


def order_by_shown(rows: list[Row]) -> None:
    """Order the groups by what rows show of the measure that ranks them. Their order by all events would tell between which figures a hidden one lies."""
    shown: dict[tuple[str | None, ...], float] = {}
    for row in rows:
        keys = tuple(row.keys)
        shown[keys] = shown.get(keys, 0) + sum(each or 0 for each in row.figures[0].all)
    rows.sort(key=lambda row: (-shown[tuple(row.keys)], [(key is None, key or "") for key in row.keys]))


def _enough(fresh: list[float | None], active: list[float | None] | None, least: int) -> list[float | None]:
    """The numbers of new installs, without those that are too small or that leave too few other installs, if these are shown."""
    found: list[float | None] = []
    for number, all_ in zip(fresh, active or fresh, strict=True):
        rest = (all_ or 0) - (number or 0)
        found.append(None if 0 < (number or 0) < least or 0 < rest < least else number)
    return found
