"""The answers to shared funnels and retention, for everyone who has the link, without figures of few installs.

Groups of fewer than `least` installs count in `(other)`, as in `small_groups`. A figure is left out if it counts fewer, or if its difference from the figure
before it does, since subtraction would reveal these installs. The figures are those of the report's audience. A split has no figures of all groups
together. A funnel ends with the last full hour, retention with the last step that has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from server.event import HOUR
from server.history import History
from server.questions.cohorts import Cohort, Retention, RetentionGroup, retention
from server.questions.counting import Keys
from server.questions.funnel import Funnel, FunnelStep, funnel
from server.questions.periods import Period, starts
from server.questions.question import Audience
from server.questions.report_templates import FunnelTemplate, RetentionTemplate
from server.storage.engine import Store


class SharedRow(NamedTuple):
    """A group, a step or a cohort: its installs, and the figures of its steps; None for those of few installs.

    Of a funnel, these are the installs that reached each step; of retention, the shares of installs that returned.
    """

    keys: list[str | None]
    is_other: bool
    installs: int | None
    figures: Sequence[float | None]


class SharedReport(NamedTuple):
    """A report up to the time at which its answer ends. `rows` is None while its period has no part that has ended.

    `starts` are those of the cohorts of retention without a split, one for each row.
    """

    report: Funnel | Retention
    rows: list[SharedRow] | None
    starts: list[int]
    complete: bool


class _Group(Protocol):
    keys: list[str | None]
    is_other: bool


G = TypeVar("G", bound=_Group)


async def shared_funnel(
    store: Store, project: int, template: FunnelTemplate, *, least: int, history: History | None, now: int
) -> SharedReport:
    """Answer a funnel without figures of fewer than `least` installs. Raises BadQuery and TooBroad."""
    report = template.at(project, now)
    end = min(report.period.end, now // HOUR * HOUR)
    if end <= report.period.start:
        return SharedReport(report, None, [], complete=True)
    report = msgspec.structs.replace(report, period=Period(report.period.start, end))
    people = report.audience is Audience.PEOPLE

    def counts(steps: list[FunnelStep]) -> list[int]:
        return [step.people if people else step.all for step in steps]

    answer = await funnel(store, report, history=history)
    if not report.by:
        row = SharedRow([], False, None, without_small(counts(answer.total), least))
        return SharedReport(report, [row], [], answer.complete)

    async def answered(listed: list[Keys]) -> list[Any]:
        return (await funnel(store, report, history=history, listed=listed)).rows

    rows = await _folded(answer.rows, lambda row: counts(row.steps)[0], least, answered)
    shown = [SharedRow(row.keys, row.is_other, None, without_small(counts(row.steps), least)) for row in rows]
    return SharedReport(report, shown, [], answer.complete)


async def shared_retention(
    store: Store, project: int, template: RetentionTemplate, *, least: int, history: History | None, now: int
) -> SharedReport:
    """Answer a question about retention without figures of fewer than `least` installs. Raises BadQuery and TooBroad."""
    report = template.at(project, now)
    steps = [*starts(report.period, report.over), report.span.end]
    ended = [end for end in steps[1:] if end <= now]
    if not ended:
        return SharedReport(report, None, [], complete=True)
    report = msgspec.structs.replace(report, period=Period(steps[0], ended[-1]))
    people = report.audience is Audience.PEOPLE

    def size(cohort: Cohort) -> int:
        return cohort.size.people if people else cohort.size.all

    def active(cohort: Cohort) -> list[int]:
        return cohort.active_people if people else cohort.active_all

    def installs(group: RetentionGroup) -> int:
        return sum(map(size, group.cohorts))

    def rates(cohorts: list[Cohort]) -> list[float | None]:
        """The share of installs that returned after each number of steps, of the cohorts that have that step."""
        found: list[float | None] = []
        shown = sum(map(size, cohorts))
        for after in range(len(cohorts)):
            counted = cohorts[: len(cohorts) - after]
            returned, whole = sum(active(each)[after] for each in counted), sum(map(size, counted))
            # A share can reveal its whole, and so the installs of the latest cohorts.
            small = any(0 < each < least for each in (returned, whole - returned, shown - whole))
            found.append(None if small or not whole else returned / whole)
            shown = shown if found[-1] is None else whole
        return found

    answer = await retention(store, report, history=history, now=now)
    if not report.by:
        cohorts = [each for each in answer.total.cohorts if size(each)]
        rows = [SharedRow([], False, size(each), _shares(size(each), active(each), least)) for each in cohorts]
        rows = [row if (row.installs or 0) >= least else row._replace(installs=None, figures=[None] * len(row.figures)) for row in rows]
        return SharedReport(report, rows, [each.start for each in cohorts], answer.complete)

    async def answered(listed: list[Keys]) -> list[Any]:
        return (await retention(store, report, history=history, now=now, listed=listed)).rows

    groups = await _folded(answer.rows, installs, least, answered)
    shown = [
        SharedRow(group.keys, group.is_other, installs(group), rates(group.cohorts))
        if installs(group) >= least
        else SharedRow(group.keys, group.is_other, None, [])
        for group in groups
    ]
    return SharedReport(report, shown, [], answer.complete)


def without_small(counts: Iterable[int], least: int) -> list[float | None]:
    """Return decreasing counts, with None for each that is below `least`, or that differs from the last one shown by fewer installs."""
    shown: list[float | None] = []
    before: int | None = None
    for count in counts:
        if 0 < count < least or (before is not None and 0 < before - count < least):
            shown.append(None)
        else:
            shown.append(count)
            before = count
    return shown


def _shares(size: int, counts: list[int], least: int) -> list[float | None]:
    return [None if any(0 < each < least for each in (count, size - count)) else count / size for count in counts]


async def _folded(rows: list[G], size: Callable[[G], int], least: int, answered: Callable[[list[Keys]], Awaitable[list[G]]]) -> list[G]:
    """Count groups of too few installs in `(other)`, and the smallest other one if `(other)` is too small. `answered` lists some groups."""
    while True:
        rows = [row for row in rows if size(row)]  # groups without installs of the audience
        listed = sorted((row for row in rows if not row.is_other), key=size, reverse=True)
        large = [row for row in listed if size(row) >= least]
        is_small = any(row.is_other and size(row) < least for row in rows)
        if large == listed and not (is_small and listed):
            return rows
        if large == listed:
            large.pop()
        pairs = [[*row.keys, None] for row in large]
        rows = await answered([(pair[0], pair[1]) for pair in pairs])
