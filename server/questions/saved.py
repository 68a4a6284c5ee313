"""Saved questions: their templates, checked when they are saved and when they are read."""

from __future__ import annotations

import msgspec

from server.questions.ask import size
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import ProjectError, saved_questions
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
