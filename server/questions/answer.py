"""The answer to a question."""

from __future__ import annotations

import msgspec

from server.questions.periods import Period
from server.questions.question import Measure


class Figures(msgspec.Struct):
    """One measure of a row: a number for each step (a single one without steps), None if there is no data to compute it from.

    `all` counts all events, `people` those of people. `all_before` and `people_before` are those of the compared period, or None.
    If sampled events make some of the figures estimates, `all_low` and `all_high` are the bounds of their 95 % intervals, None for exact ones, and
    likewise for people.
    """

    measure: Measure
    all: list[float | None]
    people: list[float | None]
    all_before: list[float | None] | None = None
    people_before: list[float | None] | None = None
    all_low: list[float | None] | None = None
    all_high: list[float | None] | None = None
    people_low: list[float | None] | None = None
    people_high: list[float | None] | None = None


class Row(msgspec.Struct):
    """The figures of one segment and group. `keys` are the values of the group, None for events without one.

    `is_other`: the row counts all groups that are not listed.
    """

    segment: str | None
    keys: list[str | None]
    is_other: bool
    figures: list[Figures]


class QuestionWarning(msgspec.Struct, frozen=True):
    """A condition that no event of the period meets, with values that events have, or a reason for a slow answer; `message` is a sentence.

    `nearest_fields` are properties that events have instead of the one that the condition or split names.
    """

    field: str
    message: str
    nearest: list[str]
    nearest_fields: list[str] = []


class Answer(msgspec.Struct):
    """An answer to a `Question`.

    `starts`         the start of each step; empty if there are no steps. `starts_before`: of the compared period.
    `period_before`  the compared period, if there is one
    `partial_step`   the index of the step that has not ended yet, or None
    `since`          the time from which on all events are kept, or None if none were deleted
    `complete`       whether all events of the period are kept; `complete_before`: of the compared period, or None
    `source`         `events` (the store) or `history` (its columnar copy)
    """

    starts: list[int]
    starts_before: list[int] | None
    partial_step: int | None
    rows: list[Row]
    since: int | None
    complete: bool
    source: str
    warnings: list[QuestionWarning]
    complete_before: bool | None = None
    period_before: Period | None = None

    @property
    def from_before(self) -> int | None:
        """Return the start of the compared period."""
        return None if self.period_before is None else self.period_before.start

    @property
    def to_before(self) -> int | None:
        """Return the end of the compared period."""
        return None if self.period_before is None else self.period_before.end

    def length(self) -> int:
        """Return the number of figures, over all steps."""
        lists = (each for row in self.rows for figures in row.figures for each in msgspec.structs.astuple(figures)[1:])
        return sum(len(each) for each in lists if each is not None)
