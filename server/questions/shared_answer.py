"""The answer to a shared question, for everyone who has the link.

It ends with the last full hour; with a comparison, with the last full day. Otherwise, each view would reveal the events since the previous one, and
the compared period, which grows with the clock, would reveal its events one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from server.event import DAY, HOUR, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions.answer import Answer
from server.questions.ask import ask, compared_period
from server.questions.periods import Period, starts
from server.questions.question import PEOPLE_ONLY, Audience, Question
from server.questions.template import Template
from server.storage.engine import Store


class SharedAnswer(NamedTuple):
    """A question up to the time at which its answer ends. `answer` is None while its period has no full hour (or day)."""

    question: Question
    answer: Answer | None


def as_of(now: int, *, is_daily: bool) -> int:
    """Return the time at which the answer ends, unless its period ends earlier. Until the next one, the answer does not change."""
    unit = DAY if is_daily else HOUR
    return now // unit * unit


def of_people(template: Template) -> Template:
    """Return a template whose figures of all events are those of the given template's audience."""
    if template.audience is Audience.EVERYTHING:
        return template
    return msgspec.structs.replace(template, where=(*template.where, PEOPLE_ONLY), audience=Audience.EVERYTHING)


OVERLAP = "overlaps the question's own period, so that subtraction could reveal the events of a few installs"


def has_overlap(question: Question, now: int) -> bool:
    """Return whether the compared period of a question overlaps its own period."""
    before = compared_period(question, now)
    return before is not None and before.start < question.period.end and question.period.start < before.end


async def shared_answer(store: Store, project: int, template: Template, *, least: int, history: History | None, now: int) -> SharedAnswer:
    """Answer a question without figures of fewer than `least` installs. Raises BadQuery and TooBroad.

    A question about people becomes one about all events that people sent, because figures of both audiences would reveal their difference.
    """
    question = of_people(template).at(project, now)
    if has_overlap(question, now):
        raise BadQuery(FieldError("compareTo", OVERLAP))
    end = as_of(now, is_daily=template.is_compared)
    if end <= question.period.start:
        return SharedAnswer(question, None)
    if end >= question.period.end:
        return SharedAnswer(question, await ask(store, question, history=history, now=end, least=least))
    ended = msgspec.structs.replace(question, period=Period(question.period.start, end))
    answer = await ask(store, ended, history=history, now=end, least=least)
    if question.over is not None:
        steps = starts(question.period, question.over)
        after = next((start for start in steps if start >= end), question.period.end)
        last = len(answer.starts) - 1
        answer = msgspec.structs.replace(answer, partial_step=last if after > end else None)
    return SharedAnswer(ended, answer)
