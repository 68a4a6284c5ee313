"""Answers without a login: figures of fewer than `least` installs are folded, and so are figures whose difference would reveal fewer.

A caller without a login may combine answers, so a figure is shown only under two conditions. The events behind it come from no install or from at
least `least` installs. And if any of its conditions is left out, no install or at least `least` installs are added. If too few installs are not
people's, a question about all installs is answered for people only.

Periods are limited to `WINDOWS`: arbitrary periods would reveal single days by subtraction. Two leaks remain: a caller who knows all other installs
of a figure also knows the last one, and windows move by one day each day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec

from server.analytics import breakdown as breakdowns
from server.analytics import installs as adoption
from server.analytics import overview as overviews
from server.analytics import sequences, timings
from server.analytics.active import complete_since
from server.analytics.breakdown import Breakdown, By, Row
from server.analytics.filters import Filter, to_question
from server.analytics.installs import ActiveUsers, Adoption, NewAndReturning, VersionAdoption
from server.analytics.measures import Installs, by_step, total
from server.analytics.overview import Figures, Overview, Series
from server.analytics.timings import Medians
from server.clock import epoch_ms
from server.event import CONTEXT_FIELDS, DAY, FieldError
from server.history import History
from server.problems import BadQuery, TooBroad
from server.questions.answer_cache import reused
from server.questions.cohorts import Cohort, InstallCount
from server.questions.figures import figures
from server.questions.periods import Step
from server.questions.question import Audience, Condition, Measure, Op
from server.questions.question import By as Split
from server.questions.reader import Reader
from server.storage.engine import Store

T = TypeVar("T")

WINDOWS = (1, 7, 30, 90, 365)  # days
MOST_CONDITIONS = 3
# Fields of which callers without a login may name one value.
_FIELDS = {"environment", "name", "outcome", *CONTEXT_FIELDS}
_MOST_ROWS = 1_000_000


def check(filter_: Filter) -> None:
    """Raise BadQuery if a filter has more conditions than can be checked."""
    if len(filter_.where) > MOST_CONDITIONS:
        raise BadQuery(FieldError("filter", f"must have at most {MOST_CONDITIONS} conditions without a login"))
    for condition in filter_.where:
        if condition.field not in _FIELDS:
            raise BadQuery(FieldError("filter", f"must be about {', '.join(sorted(_FIELDS))} without a login"))
        if condition.op is not Op.IS or len(condition.values) != 1:
            raise BadQuery(FieldError("filter", f"must name one value of `{condition.field}` without a login"))


def _wider(filter_: Filter) -> Iterator[Filter]:
    """The filter without each subset of its conditions."""
    for size in range(len(filter_.where)):
        for subset in itertools.combinations(filter_.where, size):
            yield msgspec.structs.replace(filter_, where=subset)


class _Steps(NamedTuple):
    """The filter to answer; for each step whether it may be shown, and whether it must be restricted to people."""

    selected: Filter
    shown: list[bool]
    people_only: list[bool]

    def merged(self, own: list[T], of_people: list[T], empty: T) -> list[T]:
        """A list over time, with `empty` in the steps that may not be shown."""
        picked = zip(own, of_people, self.people_only, self.shown, strict=True)
        return [(theirs if only else each) if may else empty for each, theirs, only, may in picked]


class Folding:
    """Questions without a login, with at least `least` installs behind every figure."""

    def __init__(self, store: Store, least: int, history: History | None = None) -> None:
        self._store = store
        self._least = least
        self._history = history

    def _few(self, count: int) -> bool:
        return 0 < count < self._least

    def _pair(self, count: Installs) -> Installs:
        """A count in which neither people nor the others are few."""
        if self._few(count.all):
            return Installs()
        if self._few(count.people):
            return Installs(count.all, 0)
        return Installs(count.people, count.people) if self._few(count.all - count.people) else count

    def _pairs(self, everyone: list[int], people: list[int]) -> tuple[list[int], list[int]]:
        folded = [self._pair(Installs(*pair)) for pair in zip(everyone, people, strict=True)]
        return [pair.all for pair in folded], [pair.people for pair in folded]

    def _is_apart(self, count: Installs, wider: list[Installs]) -> bool:
        """Return True if there are enough installs, both here and in the rest of the wider selection."""
        return not self._few(count.all) and not any(self._few(other.all - count.all) for other in wider)

    async def _shown(self, filter_: Filter) -> Filter | None:
        """The filter to answer instead of this one; None if nothing of it may be shown."""
        check(filter_)
        (count,), *wider = [await _active(self._store, each) for each in (filter_, *_wider(filter_))]
        if not self._is_apart(count, [other for (other,) in wider]):
            return None
        mixed = filter_.audience is Audience.EVERYTHING and not filter_.of("environment")
        if mixed and self._few(count.all - count.people) and count.people:
            return filter_.people()
        return None if filter_.audience is Audience.PEOPLE and self._few(count.people) else filter_

    async def _steps(self, filter_: Filter, step: Step) -> _Steps:
        selection = await self._shown(filter_)
        selected = selection or filter_
        counts, *wider = [await _active(self._store, each, step) for each in (selected, *_wider(selected))]
        apart = [self._is_apart(count, [other[place] for other in wider]) for place, count in enumerate(counts)]
        mixed = selected.audience is Audience.EVERYTHING and not selected.of("environment")
        people_only = [mixed and count.people > 0 and self._few(count.all - count.people) for count in counts]
        return _Steps(selected, [selection is not None and each for each in apart], people_only)

    async def overview(self, filter_: Filter) -> Overview:
        """Like `overview.overview`. Figures that may not be shown are empty.

        The comparison uses the whole preceding period; a day that has not ended has none. A part that grows with the clock would show each event of
        the preceding day as it is added.
        """
        before = filter_.period.before
        figures, since = await self._figures(filter_), await complete_since(self._store, filter_)
        if before is None or (before.end - before.start <= DAY and filter_.period.end > epoch_ms()):
            return overviews.compared(figures, overviews.NOTHING, None, since)
        return overviews.compared(figures, await self._figures(filter_.during(before)), before.end, since)

    async def _figures(self, filter_: Filter) -> Figures:
        shown = await self._shown(filter_)
        if shown is None:
            return overviews.NOTHING
        figures = await overviews.figures_of(self._store, shown)
        figures.active, figures.new, figures.known = self._pair(figures.active), self._pair(figures.new), self._pair(figures.known)
        return figures

    async def series(self, filter_: Filter, step: Step) -> Series:
        """Like `overview.series`. Steps that may not be shown are empty."""
        steps = await self._steps(filter_, step)
        found = await overviews.series(self._store, steps.selected, step)
        people = await overviews.series(self._store, filter_.people(), step) if any(steps.people_only) else found
        names = ("events", "successes", "failures", *(("active_all", "active_people") if found.active_all is not None else ()))
        parts = {name: steps.merged(getattr(found, name), getattr(people, name), 0) for name in names}
        if found.active_all is not None:
            parts["active_all"], parts["active_people"] = self._pairs(parts["active_all"], parts["active_people"])
        return msgspec.structs.replace(found, **parts)

    async def medians(self, filter_: Filter, step: Step) -> Medians:
        """Like `timings.medians`. Steps that may not be shown are empty."""
        steps = await self._steps(filter_, step)
        found = await timings.medians(self._store, steps.selected, step)
        people = await timings.medians(self._store, filter_.people(), step) if any(steps.people_only) else found
        return Medians(found.starts, steps.merged(found.medians, people.medians, None), exact=found.exact and people.exact)

    async def breakdown(self, filter_: Filter, by: By, limit: int, offset: int = 0) -> Breakdown:
        """Like `breakdown.breakdown`. Values that may not be shown are among the others, which have at least `least` installs, too."""
        selection = await self._shown(filter_)
        if selection is None:
            return Breakdown([], 0, 0, None)
        whole = await breakdowns.breakdown(self._store, selection, by, limit=_MOST_ROWS, history=self._history)
        try:
            counts = await _installs_by(self._store, selection, by)
            wider = [await _installs_by(self._store, other, by) for other in _wider(selection)]
        except TooBroad:  # what cannot be counted in time is not shown
            counts, wider = dict.fromkeys((row.value for row in whole.rows), Installs(1, 1)), []
        shown: list[Row] = []
        hidden: list[Row] = []
        for row in whole.rows:
            count = counts.get(row.value, Installs())
            others = [each.get(row.value, Installs()) for each in wider]
            (shown if self._is_apart(count, others) and not self._few_installs(row) else hidden).append(row)
        shown.sort(key=lambda row: counts.get(row.value, Installs()).all)
        while shown and hidden and await self._are_few(selection, by, shown, hidden):
            hidden.append(shown.pop(0))
        named = {row.value for row in shown}
        rows = [
            msgspec.structs.replace(row, installs=row.installs and self._pair(row.installs)) for row in whole.rows if row.value in named
        ]
        rest, page = [*hidden, *rows[:offset], *rows[offset + limit :]], rows[offset : offset + limit]
        together = total(row.installs for row in rest)
        return Breakdown(page, len(rest), sum(row.events for row in rest), together and self._pair(together), whole.since)

    def _few_installs(self, row: Row) -> bool:
        return row.installs is not None and self._few(row.installs.all)

    async def _are_few(self, filter_: Filter, by: By, shown: list[Row], hidden: list[Row]) -> bool:
        """Return True if the hidden values belong to few installs, distinct or added up."""
        together = await _installs_without(self._store, filter_, by, tuple(row.value for row in shown))
        return self._few(together.all) or self._few(sum(row.installs.all for row in hidden if row.installs))

    async def active_users(self, filter_: Filter) -> ActiveUsers:
        """Like `installs.active_users`, without small counts."""
        selection = await self._shown(filter_)
        selected, shown, _ = await self._steps(filter_, Step.DAY)
        found = await adoption.active_users(self._store, selected)
        parts: dict[str, list[int]] = {}
        for name in ("daily", "weekly", "monthly"):
            both = self._pairs(getattr(found, f"{name}_all"), getattr(found, f"{name}_people"))
            for end, values in zip(("all", "people"), both, strict=True):
                parts[f"{name}_{end}"] = [
                    value if selection and (may or name != "daily") else 0 for value, may in zip(values, shown, strict=True)
                ]
        return adoption.with_stickiness(found.starts, parts)

    async def new_and_returning(self, filter_: Filter, step: Step) -> NewAndReturning:
        """Like `installs.new_and_returning`. If the new or the returning installs of a step are few, they count among the others."""
        selected, shown, _ = await self._steps(filter_, step)
        found = await adoption.new_and_returning(self._store, selected, step)
        new = [Installs(*pair) for pair in zip(found.new_all, found.new_people, strict=True)]
        back = [Installs(*pair) for pair in zip(found.returning_all, found.returning_people, strict=True)]
        parts: list[tuple[int, int, int, int]] = []
        for fresh, known, may in zip(new, back, shown, strict=True):
            together = self._pair(Installs(fresh.all + known.all, fresh.people + known.people)) if may else Installs()
            new_all, back_all = self._parted(min(fresh.all, together.all), together.all)
            new_people, back_people = self._parted(min(fresh.people, together.people), together.people)
            parts.append((new_all, new_people, back_all, back_people))
        return NewAndReturning(found.starts, *([part[place] for part in parts] for place in range(4)))

    def _parted(self, part: int, whole: int) -> tuple[int, int]:
        """A part and the rest. If one of them is small, it counts in the other."""
        if self._few(part):
            return 0, whole
        return (whole, 0) if self._few(whole - part) else (part, whole - part)

    async def retention(self, filter_: Filter) -> list[Cohort]:
        """Like `sequences.retention`, without small counts."""
        selection = await self._shown(filter_)
        found = await sequences.retention(self._store, selection or filter_)
        return [self._cohort(cohort, selection is not None) for cohort in found]

    def _cohort(self, cohort: Cohort, may: bool) -> Cohort:
        size = self._pair(Installs(cohort.size.all, cohort.size.people)) if may else Installs()
        pairs = [Installs(*pair) if size.all else Installs() for pair in zip(cohort.active_all, cohort.active_people, strict=True)]
        folded = [self._pair(pair) for pair in pairs]
        return Cohort(
            cohort.start,
            InstallCount(size.all, size.people),
            [min(pair.all, size.all) for pair in folded],
            [min(pair.people, size.people) for pair in folded],
        )

    async def versions(self, filter_: Filter, step: Step, limit: int) -> VersionAdoption:
        """Like `installs.version_adoption`. Versions that may not be shown, and steps in which few installs ran one, are among the others."""
        selection = await self._shown(filter_)
        found = await adoption.version_adoption(self._store, selection or filter_, step, limit=limit)
        if selection is None:
            return VersionAdoption(found.starts, [])
        named = {row.value for row in (await self.breakdown(filter_, By.VERSION, _MOST_ROWS)).rows}
        rest_all, rest_people = [0] * len(found.starts), [0] * len(found.starts)
        shown: list[Adoption] = []
        for each in found.versions:
            own_all, own_people = self._pairs(each.all, each.people)
            if each.version is None or each.version not in named:
                own_all, own_people = [0] * len(own_all), [0] * len(own_people)
            else:
                shown.append(msgspec.structs.replace(each, all=own_all, people=own_people))
            for place in range(len(found.starts)):
                rest_all[place] += each.all[place] - own_all[place]
                rest_people[place] += each.people[place] - own_people[place]
        rest = Adoption(None, *self._pairs(rest_all, [min(pair) for pair in zip(rest_all, rest_people, strict=True)]))
        return VersionAdoption(found.starts, [*shown, *([rest] if any(rest.all) else [])])


@reused
async def _active(store: Store, filter_: Filter, step: Step | None = None) -> list[Installs]:
    """Active installs in each step, or in the whole period."""
    return by_step((await figures(store, to_question(filter_, Measure.INSTALLS, over=step)))[Measure.INSTALLS])


def _events(store: Store, filter_: Filter, *by: Split) -> Reader:
    """A reader of installs by their stored events: retention may have deleted others, which rollups still count."""
    return Reader(store, to_question(filter_, Measure.INSTALLS, by=by), filter_.known_versions, None, events_only=True)


@reused
async def _installs_by(store: Store, filter_: Filter, by: By) -> dict[str | None, Installs]:
    """Installs with an event of each value."""
    groups = await _events(store, filter_, Split(by.value)).every_group()
    return {value: Installs(counts["installs_all"], counts["installs_people"]) for (value, _), counts in groups.items()}


@reused
async def _installs_without(store: Store, filter_: Filter, by: By, values: tuple[str | None, ...]) -> Installs:
    """Installs with an event of any other value than these."""
    known = tuple(value for value in values if value is not None)
    others = [Condition(by.value, Op.IS_NOT, known)] if known else []
    others += [Condition(by.value, Op.EXISTS)] if None in values else []
    found = await _events(store, filter_).figures(filter_.period, tuple(others), None)
    counts = found.cells.get((0, 0), {})
    return Installs(int(counts.get("installs_all") or 0), int(counts.get("installs_people") or 0))
