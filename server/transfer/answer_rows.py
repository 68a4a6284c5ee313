"""Answers of the question model as flat rows, for files and for the terminal. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import msgspec

from server.dialects.parsing.times import iso
from server.questions.answer import Answer, Figures
from server.questions.question import Measure, Question
from server.transfer.questions import Row

OTHER = "(other)"
NO_VALUE = "(none)"  # of events without the field


def flat(question: Question, answer: Answer) -> list[Row]:
    """One row per segment, group and step.

    Columns: `start` with steps, `segment` with segments, the fields split by, then `{measure}_all` and `{measure}_people`, and with a
    comparison `start_before`, `{measure}_all_before` and `{measure}_people_before`. Measures that sampled events make estimates also have the
    bounds of their intervals, `{measure}_all_low`, `{measure}_all_high` and the same of people. A group without a value is null; `is_other` marks
    the row of all groups that are not listed.
    """
    return list(_flat(question, answer))


def as_json(question: Question, answer: Answer) -> bytes:
    """Encode an answer as one JSON document: its flat rows, and how complete they are."""
    document = {
        "rows": flat(question, answer),
        "partial_step": answer.partial_step,
        "since": None if answer.since is None else iso(answer.since),
        "complete": answer.complete,
        "complete_before": answer.complete_before,
        "source": answer.source,
        "warnings": answer.warnings,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _flat(question: Question, answer: Answer) -> Iterator[Row]:
    keys = [f"{by.field}.{by.version.value}" if by.version else by.field for by in question.by]
    starts = list(zip_longest(answer.starts, answer.starts_before or [])) if question.over else [(None, None)]
    estimates = estimated(answer)
    for row in answer.rows:
        for step, (start, start_before) in enumerate(starts):
            found: Row = {}
            if question.over:
                found["start"] = None if start is None else iso(start)
                if question.is_compared:
                    found["start_before"] = None if start_before is None else iso(start_before)
            if question.segments:
                found["segment"] = row.segment
            if keys:
                found |= dict.fromkeys(keys, OTHER) if row.is_other else dict(zip(keys, row.keys, strict=True))
                found["is_other"] = row.is_other
            for figures in row.figures:
                found |= _cells(figures, step, compared=question.is_compared, is_estimate=figures.measure in estimates)
            yield found


def estimated(answer: Answer) -> set[Measure]:
    """Return the measures of which some figures are estimates."""
    return {figures.measure for row in answer.rows for figures in row.figures if figures.all_low}


def _cells(figures: Figures, step: int, *, compared: bool, is_estimate: bool) -> Row:
    name = figures.measure.value
    lists = {f"{name}_all": figures.all, f"{name}_people": figures.people}
    if compared:
        lists |= {f"{name}_all_before": figures.all_before or [], f"{name}_people_before": figures.people_before or []}
    if is_estimate:
        lists |= {f"{name}_all_low": figures.all_low or [], f"{name}_all_high": figures.all_high or []}
        lists |= {f"{name}_people_low": figures.people_low or [], f"{name}_people_high": figures.people_high or []}
    return {column: values[step] if step < len(values) else None for column, values in lists.items()}
