"""Saved questions: their templates, checked when they are saved and when they are read, and the links that share them."""

from __future__ import annotations

import msgspec

from server.fields import BY_NAME
from server.questions.ask import size
from server.questions.cohorts import Retention
from server.questions.paths import Paths
from server.questions.question import Question
from server.questions.report_templates import AnyTemplate, PathsTemplate, decode
from server.questions.shared_answer import OVERLAP, has_overlap
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import FieldProblem, ProjectError, saved_questions, shares
from server.storage.projects.saved_questions import SavedQuestion
from server.storage.upkeep.alert_rules import Kind

UNREADABLE = "this version of Footfall cannot read the saved question; save it again"


async def save(store: Store, project: int, name: str, template: AnyTemplate, now: int) -> SavedQuestion:
    """Save a question or report. Raises BadQuery for an invalid one, FieldProblem for an invalid name."""
    question = template.at(project, now)
    if isinstance(question, Question):
        size(question)
    kinds = await saved_questions.watched_by(store, project, name)
    if kinds and isinstance(question, Retention | Paths):
        raise FieldProblem("name", "is the question of an alert, which cannot watch retention or paths")
    if Kind.QUESTION_CHANGE.value in kinds and not (isinstance(question, Question) and question.is_compared):
        raise FieldProblem("name", "is the question of an alert on its change, so it must be compared with another period")
    return await saved_questions.save(store, project, name, msgspec.json.encode(template).decode(), now)


async def find(store: Store, project: int, name: str) -> AnyTemplate:
    """Return the template of a saved question or report. Raises FieldProblem if there is none with this name."""
    return template_of(await saved_questions.find_saved(store, project, name))


def template_of(saved: SavedQuestion) -> AnyTemplate:
    """Return the template of a saved question or report. Raises ProjectError if this version cannot read it."""
    try:
        return decode(saved.question)
    except msgspec.DecodeError as error:
        raise ProjectError(UNREADABLE) from error


def readable_template(saved: SavedQuestion) -> AnyTemplate | None:
    """Return the template of a saved question or report; None if this version cannot read it, so that a list can show the others."""
    try:
        return template_of(saved)
    except ProjectError:
        return None


def share_problem(template: AnyTemplate) -> str | None:
    """Return the reason why the answer to a question must not be shown without a login, as a sentence; None if it may be shown."""
    if isinstance(template, PathsTemplate):
        return "It shows sequences of events, which can identify an install."
    for by in template.by:
        field = BY_NAME.get(by.field)  # None for a property, and for a field that an older version accepted
        if field is None or field.is_private:
            return f"It splits by `{by.field}`, whose values are private."
    return None


async def share(store: Store, project: int, name: str, days: int, now: int) -> tuple[shares.Share, str]:
    """Create a link to a saved question, and return it with its path. Raises FieldProblem, for example if it must not be shared."""
    template = await find(store, project, name)
    problem = share_problem(template)
    if problem is None and isinstance(template, Template) and has_overlap(template.at(project, now), now):
        problem = f"Its compared period {OVERLAP}."
    if problem is not None:
        raise FieldProblem("name", f"is a question that cannot be shared: {problem}")
    created, secret = await shares.create(store, project, name, days, now)
    return created, f"{shares.PATH}/{secret}"
