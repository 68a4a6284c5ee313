"""The table of a shared answer: its heads and lines. Text from clients is not escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.clock import utc_day
from server.questions.answer import Answer
from server.questions.figure_text import NOT_COUNTED, percent
from server.questions.funnel import Funnel
from server.questions.question import Question
from server.questions.shared_reports import SharedReport
from server.transfer.answer_rows import NO_VALUE, OTHER
from server.transfer.ask_table import Line, heads, lines
from server.transfer.report_rows import key_columns

MAX_COLUMNS = 26  # steps of retention


class Sheet(NamedTuple):
    """The heads of labels and of figures, and the lines."""

    labels: list[str]
    figures: list[str]
    lines: Iterator[Line]


def answer_sheet(question: Question, answer: Answer) -> Sheet:
    """Lay out the answer of a question."""
    return Sheet(*heads(question, answer), lines(question, answer))


def report_sheet(found: SharedReport) -> Sheet:
    """Lay out a funnel (a line for each step) or retention (a line for each cohort). A split has a line for each group instead."""
    report, rows = found.report, found.rows or []
    keys = key_columns(report.by)
    labels = [_labels(row.keys, len(keys), is_other=row.is_other) for row in rows]
    if isinstance(report, Funnel):
        names = [step.name for step in report.steps]
        if not report.by:
            (row,) = rows
            steps = zip(names, row.figures, strict=True)
            return Sheet(["step"], ["installs", "of first"], (Line([name, *_reached(row.figures, count)], False) for name, count in steps))
        cells = [[cell for count in row.figures for cell in _reached(row.figures, count)] for row in rows]
        return Sheet(keys, [head for name in names for head in (name, "share")], _lines(labels, cells))
    columns = min(MAX_COLUMNS, max((len(row.figures) for row in rows), default=0))
    shares = [[*map(percent, row.figures[:columns]), *[""] * (columns - len(row.figures))] for row in rows]
    installs = [[NOT_COUNTED if row.installs is None else f"{row.installs:,}", *each] for row, each in zip(rows, shares, strict=True)]
    labels = labels if report.by else [[utc_day(start)] for start in found.starts]
    return Sheet(keys or [report.over.value], ["installs", *(f"+{after}" for after in range(columns))], _lines(labels, installs))


def _lines(labels: list[list[str]], cells: list[list[str]]) -> Iterator[Line]:
    return (Line([*label, *figures], False) for label, figures in zip(labels, cells, strict=True))


def _labels(keys: list[str | None], columns: int, *, is_other: bool) -> list[str]:
    return [OTHER] * columns if is_other else [NO_VALUE if key is None else key for key in keys]


def _reached(counts: Sequence[float | None], count: float | None) -> list[str]:
    first = counts[0]
    return [NOT_COUNTED if count is None else f"{count:,.0f}", percent(count / first if first and count is not None else None)]
