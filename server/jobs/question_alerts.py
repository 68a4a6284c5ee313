"""Alerts on saved questions: a threshold of the first figure (of a funnel: its conversion), its change against the compared period, or its absence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from server.analytics.measures import share
from server.history import History
from server.questions import saved
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.figure_text import beside_threshold, percent_threshold, threshold_text
from server.questions.funnel import Funnel, FunnelAnswer, funnel
from server.questions.question import Audience, Measure, Question
from server.questions.report_templates import decode
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import ProjectError
from server.storage.upkeep.alert_rules import Kind, Rule

UNWATCHED = "alerts can watch a question or a funnel, not retention or paths"
KINDS = frozenset({Kind.QUESTION_ABOVE, Kind.QUESTION_BELOW, Kind.QUESTION_CHANGE, Kind.QUESTION_EMPTY})
_OF_FIGURES = (Kind.QUESTION_ABOVE, Kind.QUESTION_BELOW)  # the threshold is in the unit of the figure
_CONVERSION = "conversion"  # of a funnel, which has no measure
_NAMES = {
    Measure.EVENTS: "number of events",
    Measure.SUCCESSES: "number of successes",
    Measure.FAILURES: "number of failures",
    Measure.INSTALLS: "number of installs",
    Measure.NEW_INSTALLS: "number of new installs",
    Measure.MEAN: "mean duration",
    Measure.PER_INSTALL_P50: "median of events per install",
    Measure.PER_INSTALL_P90: "p90 of events per install",
    Measure.PER_INSTALL_MEAN: "mean of events per install",
}


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
        measure: Measure | None = question.measures[0]
        value, before = first_figure(answer, question.audience)
        complete = answer.complete and answer.complete_before is not False
    elif isinstance(question, Funnel):
        reached = await funnel(store, question, history=history)
        measure, value, before, complete = None, conversion(reached, question.audience), None, reached.complete
    else:
        raise ProjectError(UNWATCHED)
    finding = _sentence(rule, measure, value, before)
    if finding is None:
        return None
    name = _CONVERSION if measure is None else measure.value
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


def threshold_of(rule: Rule) -> str | None:
    """Return the threshold of a rule with its unit; None for the kinds without one, and if this version cannot read the rule's question."""
    if rule.kind in (Kind.NEW_ERROR, Kind.NEW_VERSION, Kind.QUESTION_EMPTY):
        return None
    if rule.kind not in _OF_FIGURES:
        return percent_threshold(rule.threshold)
    try:
        template = decode(rule.template or "")
    except msgspec.DecodeError:
        return None
    return threshold_text(template.measures[0] if isinstance(template, Template) else None, rule.threshold)


def _sentence(rule: Rule, measure: Measure | None, value: float | None, before: float | None) -> str | None:
    """Return what a rule found; None if it does not fire. `measure` is None for the conversion of a funnel."""
    name = _CONVERSION if measure is None else _NAMES.get(measure, measure.value.replace("_", " "))
    if rule.kind is Kind.QUESTION_EMPTY:
        absent = "has no value, because there are no events to compute it from" if value is None else f"is {threshold_text(measure, 0)}"
        return None if value else f"{name} {absent}"
    if value is None:
        return None
    if rule.kind in _OF_FIGURES:
        is_above = rule.kind is Kind.QUESTION_ABOVE
        if not (value >= rule.threshold if is_above else value <= rule.threshold):
            return None
        figure, bound = beside_threshold(measure, value, rule.threshold), threshold_text(measure, rule.threshold)
        return f"{name} is {figure}, which is at or {'above' if is_above else 'below'} {bound}"
    change = 100 * (value - before) / before if before else None
    if before is None or change is None or abs(change) < rule.threshold:
        return None
    was, became = (beside_threshold(measure, each, 0) for each in (before, value))
    return f"{name} changed by {change:+,.1f} %, from {was} to {became}; the threshold is {percent_threshold(rule.threshold)}"
