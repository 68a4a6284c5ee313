"""An answer of the question model as a table for the terminal, and the notes that belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table

from server.questions.answer import Answer
from server.questions.periods import Step
from server.questions.question import COUNTS, DURATIONS, Measure, Question
from server.terminal import as_text, plain_table
from server.transfer.answer_rows import OTHER, flat

_NONE = "-"
_COUNTED = frozenset(COUNTS) - {Measure.FAILURE_RATE}


def table(question: Question, answer: Answer, *, people: bool) -> Table:
    """Lay out an answer: one line per step, group and segment, with the compared figure and the change beside each figure."""
    audience = "people" if people else "all"
    keys = [f"{by.field}.{by.version.value}" if by.version else by.field for by in question.by]
    heads = [*([question.over.value] if question.over else []), *(["segment"] if question.segments else []), *keys]
    found = plain_table(*(as_text(head) for head in heads))
    for measure in question.measures:
        found.add_column(_title(measure), justify="right")
        if question.compare:
            found.add_column("before", justify="right")
            found.add_column("change", justify="right")
    rows = flat(question, answer)
    steps = len(rows) // max(1, len(answer.rows))
    # By time: the groups of a step stand together.
    for number in sorted(range(len(rows)), key=lambda number: number % steps):
        row, step = rows[number], number % steps
        cells = [_day(row["start"] or row["start_before"], question.over)] if question.over else []
        cells += [as_text(row["segment"])] if question.segments else []
        cells += [OTHER if row["is_other"] else _NONE if row[key] is None else as_text(row[key]) for key in keys]
        for measure in question.measures:
            name = f"{measure.value}_{audience}"
            cells.append(_figure(measure, row[name]))
            if question.compare:
                cells += [_figure(measure, row[f"{name}_before"]), _change(measure, row[f"{name}_before"], row[name])]
        found.add_row(*cells, style="dim" if step == answer.partial_step else None)
    return found


def notes(question: Question, answer: Answer) -> Iterator[str]:
    """Sentences about the answer that its reader must know."""
    if answer.partial_step is not None and question.over is not None:
        yield f"The {question.over.value} that begins at {_time(answer.starts[answer.partial_step])} has not ended."
    if not answer.complete:
        since = "" if answer.since is None else f" before {_time(answer.since)}"
        yield f"Incomplete: events{since} were deleted by retention."
    for warning in answer.warnings:
        yield warning.message


def _title(measure: Measure) -> str:
    words = measure.value.replace("_", " ")
    return f"{words} ms" if measure in DURATIONS else words


def _figure(measure: Measure, value: float | None) -> str:
    if value is None:
        return _NONE
    if measure is Measure.FAILURE_RATE:
        return f"{value * 100:.1f} %"
    return f"{value:,.0f}" if measure in _COUNTED or abs(value) >= 100 else f"{value:,.1f}"


def _change(measure: Measure, before: float | None, value: float | None) -> str:
    """The change in percent, of a rate in percentage points."""
    if before is None or value is None:
        return _NONE
    if measure is Measure.FAILURE_RATE:
        return f"{(value - before) * 100:+.1f} pp"
    return f"{(value - before) / before * 100:+.1f} %" if before else _NONE


def _day(text: str, over: Step | None) -> str:
    return f"{text[:10]} {text[11:16]}" if over is Step.HOUR else text[:7] if over is Step.MONTH else text[:10]


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
