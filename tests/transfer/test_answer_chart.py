"""The chart of a shared answer: parts that lead to incomplete steps are dashed, as on the dashboard."""

from __future__ import annotations

import re

import pytest

from server.event import DAY
from server.questions.answer import Answer, Figures, Row
from server.questions.periods import Period, Step, starts
from server.questions.question import Measure, Question
from server.transfer.answer_chart import chart
from server.transfer.ask_table import lines

MONDAY = 20_780 * DAY


def drawn(period: Period, partial_step: int | None = None) -> tuple[list[str], list[bool]]:
    """The classes and numbers of segments of the line's paths, and whether each line of the table is incomplete."""
    question = Question(project=1, period=period, over=Step.WEEK)
    steps = starts(period, Step.WEEK)
    figures = Figures(Measure.EVENTS, [5.0] * len(steps), [5.0] * len(steps))
    answer = Answer(steps, None, partial_step, [Row(segment=None, keys=[], is_other=False, figures=[figures])], None, True, "rollups", [])
    paths = re.findall(r'<path class="(c1[^"]*)" d="([^"]*)"', chart(question, answer))
    return [f"{name}: {path.count('L')}" for name, path in paths], [line.is_partial for line in lines(question, answer)]


@pytest.mark.parametrize(
    ("start", "end", "partial_step", "paths", "partial"),
    [
        (0, 28, None, ["c1: 3"], [False, False, False, False]),
        (2, 28, None, ["c1: 2", "c1 partial: 1"], [True, False, False, False]),
        (0, 25, None, ["c1: 2", "c1 partial: 1"], [False, False, False, True]),
        (2, 25, 3, ["c1: 1", "c1 partial: 2"], [True, False, False, True]),
        (0, 28, 1, ["c1: 1", "c1 partial: 2"], [False, True, False, False]),
        (2, 10, None, ["c1: 0", "c1 partial: 1"], [True, True]),
    ],
)
def test_parts_that_lead_to_incomplete_steps_are_dashed(
    start: int, end: int, partial_step: int | None, paths: list[str], partial: list[bool]
) -> None:
    period = Period(MONDAY + start * DAY, MONDAY + end * DAY)
    assert drawn(period, partial_step) == (paths, partial)
