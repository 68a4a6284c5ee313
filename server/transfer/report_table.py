"""Answers of funnels, retention and paths as tables for the terminal, with their notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from server.analytics.measures import share
from server.clock import utc_day, utc_minute
from server.questions.cohorts import InstallCount, Retention, RetentionAnswer, RetentionGroup
from server.questions.figure_text import percent
from server.questions.funnel import Funnel, FunnelAnswer, FunnelStep
from server.questions.paths import Direction, PathGroup, Paths, PathsAnswer
from server.questions.question import Audience
from server.terminal import as_text, out, plain_table
from server.transfer.answer_rows import NO_VALUE, OTHER
from server.transfer.report_rows import Covered, Group, key_columns

MAX_COLUMNS = 13  # steps of retention that a wide terminal shows
_BEFORE, _SHARE = 30, 9  # characters: of the group and its installs, and of a share such as `100.0 %`
_TOTAL = "(all)"


def funnel_table(report: Funnel, answer: FunnelAnswer) -> Table:
    """Lay out a funnel: a line for each step; with a split, a line for each group with its steps side by side."""

    people = report.audience is Audience.PEOPLE

    def count(step: FunnelStep) -> int:
        return step.people if people else step.all

    if not report.by:
        found = _table(["step"], ["installs", "of first", "of previous"])
        for place, step in enumerate(answer.total):
            first, previous = answer.total[0], answer.total[max(0, place - 1)]
            found.add_row(as_text(step.name), f"{count(step):,}", *(percent(share(count(step), count(each))) for each in (first, previous)))
        return found
    found = _table(key_columns(report.by), [head for step in report.steps for head in (step.name, "share")])
    for keys, steps in [
        ([_TOTAL, *[""] * (len(report.by) - 1)], answer.total),
        *((_cells(row, len(report.by)), row.steps) for row in answer.rows),
    ]:
        found.add_row(*keys, *(cell for step in steps for cell in (f"{count(step):,}", percent(share(count(step), count(steps[0]))))))
    return found


def retention_table(report: Retention, answer: RetentionAnswer) -> Table:
    """Lay out retention: a line for each cohort; with a split, a line for each group, over its cohorts."""
    people = report.audience is Audience.PEOPLE
    columns = range(_columns(answer))
    heads = key_columns(report.by) if report.by else [report.over.value]
    found = _table(heads, ["installs", *(f"+{after}" for after in columns)])

    def size(count: InstallCount) -> int:
        return count.people if people else count.all

    def line(keys: list[str], group: RetentionGroup) -> None:
        rates = group.rates_people if people else group.rates_all
        cells = [percent(rates[after]) if after < len(rates) else "" for after in columns]
        found.add_row(*keys, f"{sum(size(cohort.size) for cohort in group.cohorts):,}", *cells)

    if report.by:
        line([_TOTAL, *[""] * (len(report.by) - 1)], answer.total)
        for group in answer.rows:
            line(_cells(group, len(report.by)), group)
        return found
    for cohort in answer.total.cohorts:
        active = cohort.active_people if people else cohort.active_all
        cells = [percent(share(active[after], size(cohort.size))) if after < len(active) else "" for after in columns]
        found.add_row(utc_day(cohort.start), f"{size(cohort.size):,}", *cells)
    line([_TOTAL], answer.total)
    return found


def paths_table(report: Paths, answer: PathsAnswer) -> Table:
    """Lay out paths: a line for each group and path."""
    people = report.audience is Audience.PEOPLE
    found = _table([*key_columns(report.by), "path"], ["events", "share", "installs"])

    def lines(keys: list[str], group: PathGroup) -> None:
        whole = group.counts.events_people if people else group.counts.events_all
        for path in group.paths:
            events, installs = (
                (path.counts.events_people, path.counts.installs_people) if people else (path.counts.events_all, path.counts.installs_all)
            )
            if events or not report.by:
                found.add_row(
                    *keys, _path(report, path.names, path.is_other), f"{events:,}", percent(share(events, whole)), f"{installs:,}"
                )

    for group in answer.rows if report.by else [answer.total]:
        lines(_cells(group, len(report.by)), group)
    return found


def notes(answer: Covered) -> Iterator[str]:
    """Sentences about an answer that its reader must know."""
    if not answer.complete:
        since = "" if answer.since is None else f" before {utc_minute(answer.since)} UTC"
        yield f"Incomplete: events{since} were deleted by retention."
    for warning in answer.warnings:
        yield warning.message


def retention_notes(report: Retention, answer: RetentionAnswer) -> Iterator[str]:
    yield from notes(answer)
    if not answer.complete and answer.since is not None and answer.starts and answer.starts[0] < answer.since:
        yield f"The {report.over.value} that begins at {utc_minute(answer.starts[0])} UTC counts only from {utc_minute(answer.since)} UTC."
    if answer.partial_step is not None:
        start = answer.starts[answer.partial_step]
        yield f"The {report.over.value} that begins at {utc_minute(start)} UTC has not ended; the line of all cohorts leaves it out."
    if len(answer.starts) > _columns(answer):
        columns = _columns(answer)
        yield f"The table ends after {columns} {report.over.value}{'' if columns == 1 else 's'}; exported files have all of them."


def _columns(answer: RetentionAnswer) -> int:
    """Return the number of steps that fit into the terminal without cutting a figure."""
    return max(1, min(MAX_COLUMNS, len(answer.starts), (out.width - _BEFORE) // _SHARE))


def _path(report: Paths, names: list[str], is_other: bool) -> str:
    if is_other:
        return OTHER
    if not names:
        return "(nothing follows)" if report.direction is Direction.AFTER else "(nothing precedes)"
    return " → ".join(map(as_text, names))


def _table(left: Iterable[str], right: Iterable[str]) -> Table:
    found = plain_table(*map(as_text, left))
    for head in right:
        found.add_column(as_text(head), justify="right", no_wrap=True)
    return found


def _cells(group: Group, columns: int) -> list[str]:
    return [OTHER] * columns if group.is_other else [NO_VALUE if key is None else as_text(key) for key in group.keys]
