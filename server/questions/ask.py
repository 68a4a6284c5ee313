"""Runs a question and assembles its answer."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

import msgspec

from server.clock import epoch_ms
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions import intervals, sampled_periods, suggestions
from server.questions.answer import Answer, Figures, QuestionWarning, Row
from server.questions.counting import OTHER, SUMS, Cell, Keys, percents
from server.questions.facts import kept_since, versions_of
from server.questions.found import Found
from server.questions.periods import Period, starts
from server.questions.question import COUNTS, OF_INSTALLS, Compare, Measure, Question, Segment
from server.questions.reader import Reader
from server.questions.small_groups import Folded, SmallGroups, hide_parts, order_by_shown
from server.storage.engine import Store

MAX_FIGURES = 100_000  # figures in one answer

# The only outcome whose events a measure counts.
_OUTCOMES = {Measure.SUCCESSES: "success", Measure.FAILURES: "failure"}
_EMPTY_COUNTS = {measure: 0 if measure is not Measure.FAILURE_RATE else None for measure in COUNTS}


async def ask(store: Store, question: Question, *, history: History | None = None, now: int | None = None, least: int = 0) -> Answer:
    """Answer a question. Raises BadQuery for an invalid one, TooBroad if it takes too long.

    `history` makes questions over many events fast. `now` is epoch milliseconds (default: the clock). With `least`, the answer has no figure
    of fewer installs, none of people only, and counts stored events only: see `small_groups`.
    """
    now = epoch_ms() if now is None else now
    if size(question) > MAX_FIGURES:
        raise BadQuery(
            FieldError("first", f"gives more than {MAX_FIGURES} figures: ask for fewer groups, measures or segments, or longer steps")
        )
    before = compared_period(question, now)
    periods = [question.period] if before is None else [question.period, before]
    since = await kept_since(store, question.project)
    reader = Reader(store, question, await versions_of(store, question), history, events_only=least > 0)
    await reader.plan(periods, since)
    groups, has_others = await reader.groups() if question.by else (None, False)
    segments = question.segments or (Segment("", ()),)
    places = [0] if groups is None else [*range(len(groups)), *([OTHER] if has_others else [])]
    folded = [Folded(frozenset(), frozenset(places)) for _ in periods]
    hidden: list[dict[Measure, set[Cell]]] = [{} for _ in periods]
    if least:
        small = SmallGroups(reader, groups, [segment.where for segment in segments], least)
        folded = [await small.find(period) for period in periods]
        places = places if groups is None else _left(places, folded)
        hidden = [await small.parts(period, each, question.measures) for period, each in zip(periods, folded, strict=True)]
    rows: list[Row] = []
    for segment in segments:
        found = [await reader.figures(period, segment.where, groups, each.cells) for period, each in zip(periods, folded, strict=True)]
        found = [msgspec.structs.replace(each, hidden=cells) for each, cells in zip(found, hidden, strict=True)]
        rows += _rows(question, segment.name or None, found, groups, places)
    if least:
        hide_parts(rows, least)
        if any(each.get(question.measures[0]) for each in hidden):
            order_by_shown(rows)
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
        complete=_is_complete(question.period, reader.since),
        complete_before=None if before is None else _is_complete(before, reader.since),
        period_before=before,
        source=reader.used,
        warnings=[] if least else [*reader.warnings, *await _warnings(store, question, rows, history)],
    )


async def _warnings(store: Store, question: Question, rows: list[Row], history: History | None) -> list[QuestionWarning]:
    """Warn about conditions that match nothing, and about installs that may be missing from a sample."""
    found = await suggestions.warnings(store, question, _segments_without_events(question, rows), history)
    found += await suggestions.split_warnings(store, question, [row.keys for row in rows if not row.is_other], history)
    kinds = ["installs"] if any(measure in OF_INSTALLS for measure in question.measures) else []
    kinds += ["durations"] if percents(question.measures)[0] else []
    return [*found, *await sampled_periods.warnings(store, question.project, question.period, *kinds)]


def _is_complete(period: Period, since: int) -> bool:
    """Return True if the answer counts all events of a period, that is if `since` does not cut it."""
    return period.start >= since


def _left(places: list[int], folded: list[Folded]) -> list[int]:
    """The places that have figures, including `(other)` if cells of groups were folded into it."""
    shown = frozenset[int]().union(*(each.shown for each in folded))
    has_others = OTHER in places or any(place != OTHER for each in folded for place, _ in each.cells)
    kept = [place for place in places if place in shown]
    return [*kept, OTHER] if has_others else kept


def _rows(question: Question, segment: str | None, found: list[Found], groups: list[Keys] | None, places: list[int]) -> list[Row]:
    rows = []
    for place in places:
        keys = [] if groups is None or place == OTHER else list(groups[place][: len(question.by)])
        figures = [figures_at(measure, place, found, is_exact=_is_ruled_out(question, keys, measure)) for measure in question.measures]
        rows.append(Row(segment=segment, keys=keys, is_other=place == OTHER, figures=figures))
    return rows


def _is_ruled_out(question: Question, keys: list[str | None], measure: Measure) -> bool:
    """Return True for a row of an outcome that the measure does not count: its figure is 0, even if events are sampled."""
    counted = _OUTCOMES.get(measure)
    return counted is not None and any(by.field == "outcome" and key != counted for by, key in zip(question.by, keys, strict=False))


def figures_at(measure: Measure, place: int, found: list[Found], *, is_exact: bool = False) -> Figures:
    """Return the figures of one group in the period, and in the compared period if it was read. `is_exact`: they have no intervals, even if events are sampled."""
    lists = [
        [
            None
            if gone or (place, step) in each.folded or (place, step) in each.hidden.get(measure, ())
            else _value(each.cells.get((place, step), {}), measure, audience)
            for step, gone in enumerate(each.gone)
        ]
        for each in found
        for audience in ("all", "people")
    ]
    figures = Figures(measure, *lists)
    if found[0].weights and not is_exact:
        for audience in ("all", "people"):
            _add_intervals(figures, measure, place, found[0], audience)
    return figures


def _add_intervals(figures: Figures, measure: Measure, place: int, found: Found, audience: str) -> None:
    """Add the bounds of figures of an audience, if some of them are estimates."""
    values = getattr(figures, audience)
    bounds = [None if value is None else _interval(found, (place, step), measure, audience) for step, value in enumerate(values)]
    if any(bounds):
        setattr(figures, f"{audience}_low", [None if each is None else each[0] for each in bounds])
        setattr(figures, f"{audience}_high", [None if each is None else each[1] for each in bounds])


def _value(cell: Mapping[str, float | None], measure: Measure, audience: str) -> float | None:
    if measure is Measure.FAILURE_RATE:
        failures = cell.get(f"failures_{audience}") or 0
        ended = failures + (cell.get(f"successes_{audience}") or 0)
        return failures / ended if ended else None
    return cell.get(f"{measure.value}_{audience}", _EMPTY_COUNTS.get(measure))


def _interval(found: Found, place: Cell, measure: Measure, audience: str) -> intervals.Interval | None:
    cell, spreads = found.cells.get(place, {}), found.spreads.get(place, {})
    if measure in SUMS:
        name = f"{measure.value}_{audience}"
        count = cell.get(name) or 0
        return intervals.of_count(count, spreads.get(name) or 0) if count else intervals.of_none(found.weights[place[1]])
    if measure is Measure.FAILURE_RATE:
        failed, succeeded = f"failures_{audience}", f"successes_{audience}"
        parts = [each.get(name) or 0 for each in (cell, spreads) for name in (failed, succeeded)]
        return intervals.of_rate(*parts)
    return None


def _interleaved(rows: list[Row], segments: int) -> list[Row]:
    """Order rows by group, then by segment. The input is ordered by segment."""
    if segments < 2:
        return rows
    order: dict[tuple[bool, tuple[str | None, ...]], list[Row]] = {}
    for row in rows:
        order.setdefault((row.is_other, tuple(row.keys)), []).append(row)
    return [row for same in order.values() for row in same]


def _segments_without_events(question: Question, rows: list[Row]) -> tuple[Segment, ...]:
    """The segments whose figures are all zero or unknown. A question without segments is one without a name."""
    segments = question.segments or (Segment("", ()),)
    return tuple(each for each in segments if _is_empty([row for row in rows if (row.segment or "") == each.name]))


def _is_empty(rows: list[Row]) -> bool:
    return not any(value for row in rows for figures in row.figures for value in figures.all)


def size(question: Question) -> int:
    """Return the largest number of figures in the answer. Raises BadQuery for too many steps."""
    try:
        periods = [question.period] if question.compare_to is None else [question.period, question.compare_to]
        steps = max(len(starts(period, question.over)) for period in periods) if question.over else 1
    except BadQuery as error:
        raise BadQuery(*(FieldError("over", each.message) for each in error.errors)) from None
    groups = question.first + 1 if question.by else 1
    return steps * groups * len(question.measures) * max(1, len(question.segments)) * (4 if question.is_compared else 2)


def compared_period(question: Question, now: int) -> Period | None:
    """Return the period to compare with, or None. A period that has not ended is compared with the same part of the earlier one."""
    if question.compare is None:
        return question.compare_to
    period = question.period
    length = 365 * DAY
    if question.compare is Compare.PREVIOUS:
        length = period.start - (2 * period.start - period.end if question.start_before is None else question.start_before)
    start, end = period.start - length, min(period.end, max(period.start + 1, now)) - length
    if question.compare is Compare.PREVIOUS:
        end = min(end, period.start)  # the 31st, compared with a month of 30 days
    if start < 0:
        raise BadQuery(FieldError("compare", "begins before 1970"))
    return Period(start, end, exact=True)
