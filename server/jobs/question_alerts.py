"""Alerts on saved questions: a threshold of the first figure (of a funnel: its conversion), its change against the compared period, or its absence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.analytics.measures import share
from server.history import History
from server.questions import saved
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.funnel import Funnel, FunnelAnswer, funnel
from server.questions.question import Audience, Question
from server.storage.engine import Store
from server.storage.projects import ProjectError
from server.storage.upkeep.alert_rules import Kind, Rule

UNWATCHED = "alerts can watch a question or a funnel, not retention or paths"
KINDS = frozenset({Kind.QUESTION_ABOVE, Kind.QUESTION_BELOW, Kind.QUESTION_CHANGE, Kind.QUESTION_EMPTY})


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a rule: a sentence for readers, and the numbers behind it."""

    message: str
    observed: dict[str, Any]


async def find(store: Store, rule: Rule, now: int, history: History | None) -> Finding | None:
    """Evaluate a rule on a saved question. Raises Problem or ProjectError if the question cannot be answered."""
    assert rule.question is not None
    template = await saved.find(store, rule.project, rule.question)
    question = template.at(rule.project, now)
    if isinstance(question, Question):
        answer = await ask(store, question, history=history, now=now)
        name, (value, before) = question.measures[0].value, first_figure(answer, question.audience)
        complete = answer.complete and answer.complete_before is not False
    elif isinstance(question, Funnel):
        reached = await funnel(store, question, history=history)
        name, value, before, complete = "conversion", conversion(reached, question.audience), None, reached.complete
    else:
        raise ProjectError(UNWATCHED)
    finding = _sentence(rule, name.replace("_", " "), value, before)
    if finding is None:
        return None
    observed = {"question": rule.question, "measure": name, "value": value, "before": before, "complete": complete}
    return Finding(f"{rule.slug}: {rule.question}: {finding}", observed)


def conversion(answer: FunnelAnswer, audience: Audience) -> float | None:
    """Return the share of the installs of the first step that reached the last one, from 0 to 1; None if there are none."""
    first, last = ((step.people if audience is Audience.PEOPLE else step.all) for step in (answer.total[0], answer.total[-1]))
    return share(last, first)


def first_figure(answer: Answer, audience: Audience) -> tuple[float | None, float | None]:
    """Return the first figure of the first row for an audience, and that of the compared period. With steps: of the last step that has ended."""
    if not answer.rows:
        return None, None
    figures = answer.rows[0].figures[0]
    step = (len(figures.all) if answer.partial_step is None else answer.partial_step) - 1
    values, before = (figures.people, figures.people_before) if audience is Audience.PEOPLE else (figures.all, figures.all_before)
    return _at(values, step if answer.starts else 0), _at(before or [], step if answer.starts else 0)


def _at(values: list[float | None], step: int) -> float | None:
    return values[step] if 0 <= step < len(values) else None


def _sentence(rule: Rule, name: str, value: float | None, before: float | None) -> str | None:
    if rule.kind is Kind.QUESTION_EMPTY:
        return None if value else f"{name} is {'missing' if value is None else '0'}"
    if value is None:
        return None
    if rule.kind is Kind.QUESTION_ABOVE:
        return f"{name} is {value:g}, at or above {rule.threshold:g}" if value >= rule.threshold else None
    if rule.kind is Kind.QUESTION_BELOW:
        return f"{name} is {value:g}, at or below {rule.threshold:g}" if value <= rule.threshold else None
    change = 100 * (value - before) / before if before else None
    if change is None or abs(change) < rule.threshold:
        return None
    return f"{name} changed by {change:+.1f} % to {value:g}, which is at or above {rule.threshold:g} %"
