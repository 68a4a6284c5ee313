"""Questions that admins saved, by project and name."""

from __future__ import annotations

from dataclasses import dataclass

from server.storage.engine import Store
from server.storage.projects.validation import FieldProblem, ProblemKind

NAME_LENGTH = 100
MAX_QUESTIONS = 100  # of a project

_COLUMNS = "SELECT id, project_id AS project, name, question, created_at, changed_at FROM saved_question"
_SAVE = """INSERT INTO saved_question (project_id, name, question, created_at, changed_at) VALUES ({}, {}, {}, {}, {})
    ON CONFLICT (project_id, name) DO UPDATE SET question = excluded.question, changed_at = excluded.changed_at"""

_WATCHED = """SELECT DISTINCT alert_rule.kind FROM alert_rule JOIN saved_question ON saved_question.id = alert_rule.question_id
    WHERE saved_question.project_id = {} AND saved_question.name = {}"""


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """A saved question. `question` is the JSON of a template: see `server.questions.report_templates`; times are epoch milliseconds."""

    id: int
    project: int
    name: str
    question: str
    created_at: int
    changed_at: int


async def list_saved(store: Store, project: int) -> list[SavedQuestion]:
    """Return the saved questions of a project by name."""
    return [SavedQuestion(**row) for row in await store.rows(f"{_COLUMNS} WHERE project_id = {{}} ORDER BY name", project)]


async def find_saved(store: Store, project: int, name: str) -> SavedQuestion:
    """Return a saved question. Raises FieldProblem if there is none with this name."""
    rows = await store.rows(f"{_COLUMNS} WHERE project_id = {{}} AND name = {{}}", project, check_name(name))
    if not rows:
        raise FieldProblem("name", "is not the name of a saved question", ProblemKind.UNKNOWN)
    return SavedQuestion(**rows[0])


async def save(store: Store, project: int, name: str, question: str, now: int) -> SavedQuestion:
    """Save a question, replacing one with the same name. The caller has validated it. Raises FieldProblem for an invalid name."""
    check_name(name)
    others = await store.rows("SELECT COUNT(*) AS number FROM saved_question WHERE project_id = {} AND name <> {}", project, name)
    if int(others[0]["number"]) >= MAX_QUESTIONS:
        raise FieldProblem("name", f"is one too many: a project keeps {MAX_QUESTIONS} saved questions")
    await store.change((_SAVE, (project, name, question, now, now)))
    return await find_saved(store, project, name)


async def watched_by(store: Store, project: int, name: str) -> set[str]:
    """Return the kinds of the alerts that use the question with a name."""
    return {row["kind"] for row in await store.rows(_WATCHED, project, name)}


async def rename(store: Store, project: int, name: str, new_name: str, now: int) -> SavedQuestion:
    """Rename a saved question. Raises FieldProblem if there is none, or if the new name is invalid or taken."""
    found = await find_saved(store, project, name)
    check_name(new_name, "newName")
    if new_name != name and await store.rows("SELECT id FROM saved_question WHERE project_id = {} AND name = {}", project, new_name):
        raise FieldProblem("newName", "is already taken", ProblemKind.TAKEN)
    await store.change(("UPDATE saved_question SET name = {}, changed_at = {} WHERE id = {}", (new_name, now, found.id)))
    return await find_saved(store, project, new_name)


async def delete(store: Store, project: int, name: str) -> None:
    """Delete a saved question and revoke its links. Raises FieldProblem if there is none, or if an alert uses it."""
    found = await find_saved(store, project, name)
    if await store.rows("SELECT id FROM alert_rule WHERE question_id = {}", found.id):
        raise FieldProblem("name", "is the question of an alert: delete the alert first")
    await store.change(
        ("DELETE FROM question_share WHERE question_id = {}", (found.id,)), ("DELETE FROM saved_question WHERE id = {}", (found.id,))
    )


def check_name(name: str, field: str = "name") -> str:
    """Return a valid name. Raises FieldProblem for an invalid one."""
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise FieldProblem(field, f"must be a single line of 1 to {NAME_LENGTH} characters, without spaces at its ends")
    return name
