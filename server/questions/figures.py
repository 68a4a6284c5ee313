"""Figures of a question as charts need them: one row, or every group with its counts. Without segments, comparison and warnings."""

from __future__ import annotations

import contextlib

from server.history import History
from server.questions import joint_reads
from server.questions.answer import Figures
from server.questions.ask import figures_at
from server.questions.counting import Keys
from server.questions.facts import kept_since, versions_of
from server.questions.joint_reads import Announced
from server.questions.question import Measure, Question
from server.questions.reader import Reader
from server.storage.engine import Store

# The counts of a group, as `{measure}_{audience}`.
Counts = dict[str, int]


async def figures(
    store: Store, question: Question, history: History | None = None, *, people: bool = True, intervals: bool = True
) -> dict[Measure, Figures]:
    """Return the figures of a question without groups. Raises BadQuery, and TooBroad if it takes too long.

    Without `people`, percentiles and means are read for all events only. Without `intervals`, estimates have none, which saves queries.
    """
    with contextlib.nullcontext() if history is None else joint_reads.of(history).expect(question) as announced:
        reader = await _reader(store, question, history, people=people, intervals=intervals, announced=announced)
        found = await reader.figures(question.period, (), None)
    return {measure: figures_at(measure, 0, [found]) for measure in question.measures}


async def every_group(store: Store, question: Question, history: History | None = None) -> tuple[dict[Keys, Counts], int | None]:
    """Return all groups of a question with their counts; its `first` does not apply. Raises BadQuery, TooBroad.

    The second part is the time from which on events count, or None if none that the question needs were deleted.
    """
    reader = await _reader(store, question, history)
    return await reader.every_group(), reader.since or None


async def _reader(
    store: Store,
    question: Question,
    history: History | None,
    *,
    people: bool = True,
    intervals: bool = True,
    announced: Announced | None = None,
) -> Reader:
    reader = Reader(store, question, await versions_of(store, question), history, people=people, intervals=intervals, announced=announced)
    if await reader.needs_events([question.period]):
        await reader.plan([question.period], await kept_since(store, question.project))
    return reader
