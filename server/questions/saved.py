"""Saved questions: their templates, checked when they are saved and when they are read, and the links that share them."""

from __future__ import annotations

import msgspec

from server.fields import BY_NAME, PROPERTY_PREFIX
from server.questions.ask import size
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import FieldProblem, ProjectError, saved_questions, shares
from server.storage.projects.saved_questions import SavedQuestion

_decode = msgspec.json.Decoder(Template).decode


async def save(store: Store, project: int, name: str, template: Template, now: int) -> SavedQuestion:
    """Save a question. Raises BadQuery for an invalid one, FieldProblem for an invalid name."""
    size(template.at(project, now))
    return await saved_questions.save(store, project, name, msgspec.json.encode(template).decode(), now)


async def find(store: Store, project: int, name: str) -> Template:
    """Return the template of a saved question. Raises FieldProblem if there is none with this name."""
    return template_of(await saved_questions.find_saved(store, project, name))


def template_of(saved: SavedQuestion) -> Template:
    """Return the template of a saved question. Raises ProjectError if this version cannot read it."""
    try:
        return _decode(saved.question)
    except msgspec.ValidationError as error:
        raise ProjectError("this version of Footfall cannot read the saved question; save it again") from error


def share_problem(template: Template) -> str | None:
    """Return a sentence that says why the answer of a question must not be shown without a login; None if it may."""
    for by in template.by:
        if by.field.startswith(PROPERTY_PREFIX) or BY_NAME[by.field].is_private:
            return f"It splits by `{by.field}`, whose values are private."
    return None


async def share(store: Store, project: int, name: str, days: int, now: int) -> tuple[shares.Share, str]:
    """Create a link to a saved question, and return it with its path. Raises FieldProblem, also for a question that must not be shared."""
    problem = share_problem(await find(store, project, name))
    if problem is not None:
        raise FieldProblem("name", f"is a question that cannot be shared: {problem}")
    created, secret = await shares.create(store, project, name, days, now)
    return created, f"{shares.PATH}/{secret}"
