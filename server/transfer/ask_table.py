"""An answer of the question model as a table of strings, with its notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.table import Table

from server.clock import utc_minute
from server.dialects.parsing.times import iso
from server.questions.answer import Answer
from server.questions.figure_text import NOT_COUNTED, figure
from server.questions.periods import Period, Step, cut_steps, step_end
from server.questions.question import DURATIONS, Audience, By, Measure, Question
from server.terminal import as_text, plain_table
from server.transfer.answer_rows import NO_VALUE, OTHER, estimated, flat

_INTERVAL = "95 % interval"


class Line(NamedTuple):
    """The cells of one step, group and segment. They may hold text from clients, which is not escaped.

    `is_partial`: the step has not ended, or the period cuts it.
    """

    cells: list[str]
    is_partial: bool


def table(question: Question, answer: Answer) -> Table:
    """Lay out an answer for the terminal."""
    labels, figures = heads(question, answer)
    found = plain_table(*map(as_text, labels))
    for head in figures:
        found.add_column(head, justify="right")
    for line in lines(question, answer):
        found.add_row(*map(as_text, line.cells), style="dim" if line.is_partial else None)
    return found


def heads(question: Question, answer: Answer) -> tuple[list[str], list[str]]:
    """Return the heads of an answer's columns: those of labels, and those of figures."""
    labels = [*([question.over.value] if question.over else []), *(["segment"] if question.segments else []), *map(label, question.by)]
    compared = ["before", "change"] if question.is_compared else []
    estimates = estimated(answer)
    return labels, [
        head for measure in question.measures for head in (title(measure), *([_INTERVAL] if measure in estimates else []), *compared)
    ]


def label(by: By) -> str:
    """Return the name of a field that a question splits by."""
    return f"{by.field}.{by.version.value}" if by.version else by.field


def lines(question: Question, answer: Answer) -> Iterator[Line]:
    """One line per step, group and segment, by time, with the interval, the compared figure and the change beside each figure."""
    audience = "people" if question.audience is Audience.PEOPLE else "all"
    keys = [label(by) for by in question.by]
    rows, estimates = flat(question, answer), estimated(answer)
    steps = len(rows) // max(1, len(answer.rows))
    partial = partial_steps(question, answer)
    # By time: the groups of a step stand together.
    for number in sorted(range(len(rows)), key=lambda number: number % steps):
        row, step = rows[number], number % steps
        cells = [day(row["start"] or row["start_before"], question.over)] if question.over else []
        cells += [row["segment"]] if question.segments else []
        cells += [OTHER if row["is_other"] else NO_VALUE if row[key] is None else row[key] for key in keys]
        for measure in question.measures:
            name = f"{measure.value}_{audience}"
            cells.append(figure(measure, row[name]))
            if measure in estimates:
                cells.append(_interval(measure, row[f"{name}_low"], row[f"{name}_high"]))
            if question.is_compared:
                cells += [figure(measure, row[f"{name}_before"]), _change(measure, row[f"{name}_before"], row[name])]
        yield Line(cells, step in partial)


def notes(question: Question, answer: Answer) -> Iterator[str]:
    """Sentences about the answer that its reader must know."""
    if answer.partial_step is not None and question.over is not None:
        yield f"The {question.over.value} that begins at {_time(answer.starts[answer.partial_step])} has not ended."
    if question.over is not None and answer.starts:
        yield from _cut_steps("", question.over, question.period, answer.starts, answer.partial_step)
    if question.over is not None and answer.period_before is not None:
        yield from _cut_steps("compared ", question.over, answer.period_before, answer.starts_before or [], None)
    if not answer.complete:
        since = "" if answer.since is None else f" before {_time(answer.since)}"
        yield f"Incomplete: events{since} were deleted by retention."
    if answer.complete_before is False:
        since = "" if answer.since is None else f" before {_time(answer.since)}"
        yield f"The compared period is incomplete: events{since} were deleted by retention."
    for warning in answer.warnings:
        yield warning.message


def partial_steps(question: Question, answer: Answer) -> set[int]:
    """Return the indexes of an answer's incomplete steps: the current one, and those that the period cuts."""
    cut = set[int]() if question.over is None else cut_steps(question.period, question.over, answer.starts)
    return cut if answer.partial_step is None else cut | {answer.partial_step}


def _cut_steps(which: str, over: Step, period: Period, starts: list[int], running: int | None) -> Iterator[str]:
    """Sentences about the first and the last step of a period, if the period cuts them. `running` is the current step, which has a sentence of its own."""
    for place in sorted(cut_steps(period, over, starts)):
        name = f"The {which}{over.value} that begins at {_time(starts[place])}"
        if starts[place] < period.start:
            yield f"{name} counts only from {_time(period.start)}, when the {which}period begins."
        if step_end(starts[place], over) > period.end and place != running:
            yield f"{name} counts only until {_time(period.end)}, when the {which}period ends."


def title(measure: Measure) -> str:
    """Return the name of a measure for readers."""
    words = measure.value.replace("_", " ")
    return f"{words} ms" if measure in DURATIONS else words


def _interval(measure: Measure, low: float | None, high: float | None) -> str:
    """The bounds of an estimate."""
    return "" if low is None or high is None else f"{figure(measure, low)} to {figure(measure, high)}"


def _change(measure: Measure, before: float | None, value: float | None) -> str:
    """The change in percent, of a rate in percentage points."""
    if before is None or value is None:
        return NOT_COUNTED
    if measure is Measure.FAILURE_RATE:
        return f"{(value - before) * 100:+.1f} pp"
    return f"{(value - before) / before * 100:+.1f} %" if before else NOT_COUNTED


def day(text: str, over: Step | None) -> str:
    """Return the label of a step that begins at a time in ISO 8601."""
    return f"{text[:10]} {text[11:16]}" if over is Step.HOUR else text[:7] if over is Step.MONTH else text[:10]


def time_label(at: int, over: Step | None) -> str:
    """Return the label of a step that begins at a time."""
    return day(iso(at), over)


def _time(at: int) -> str:
    return f"{utc_minute(at)} UTC"
