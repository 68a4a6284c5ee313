"""Links that share the answer of a saved question with everyone who has them. Each expires; only a hash of its secret is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from server.event import DAY
from server.storage.engine import Store
from server.storage.projects.saved_questions import SavedQuestion, find_saved
from server.storage.projects.validation import FieldProblem, ProblemKind, hash_key

PREFIX = "ffs_"  # lets secret scanners recognize leaked secrets
PATH = "/shared"
DAYS = 30  # the default lifetime
LONGEST = 365  # days
MAX_SHARES = 100  # of a project

_INSERT = """INSERT INTO question_share (project_id, question_id, hash, created_at, expires_at)
    SELECT project_id, id, {}, {}, {} FROM saved_question WHERE id = {}"""
_COLUMNS = """SELECT question_share.id, question_share.project_id AS project, saved_question.name AS question, question_share.created_at,
    question_share.expires_at FROM question_share JOIN saved_question ON saved_question.id = question_share.question_id"""
_SHARED = """SELECT question_share.id AS share, expires_at, project.slug, project.name AS title, saved_question.id, saved_question.project_id AS project,
    saved_question.name, question, saved_question.created_at, changed_at FROM question_share
    JOIN saved_question ON saved_question.id = question_share.question_id
    JOIN project ON project.id = saved_question.project_id AND project.archived_at IS NULL
    WHERE question_share.hash = {} AND question_share.expires_at > {}"""


@dataclass(frozen=True, slots=True)
class Share:
    """A link. `question` is the name of its saved question; times are epoch milliseconds."""

    id: int
    project: int
    question: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Shared:
    """A link that is valid now, its question, and its project's slug and display name."""

    share: int
    expires_at: int
    slug: str
    title: str
    question: SavedQuestion


async def create(store: Store, project: int, name: str, days: int, now: int) -> tuple[Share, str]:
    """Create a link to a saved question that expires after `days` days. Return it with its secret, which is not stored.

    Raises FieldProblem for a question that does not exist, or an invalid number of days.
    """
    if not 1 <= days <= LONGEST:
        raise FieldProblem("days", f"must be from 1 to {LONGEST}")
    found = await find_saved(store, project, name)
    await store.change(("DELETE FROM question_share WHERE expires_at <= {}", (now,)))
    if len(await list_shares(store, project)) >= MAX_SHARES:
        raise FieldProblem("name", f"has one link too many: a project keeps {MAX_SHARES}; revoke another link first")
    secret = PREFIX + secrets.token_urlsafe(24)
    hashed = hash_key(secret)
    await store.change((_INSERT, (hashed, now, now + days * DAY, found.id)))
    rows = await store.rows(f"{_COLUMNS} WHERE question_share.hash = {{}}", hashed)
    if not rows:
        raise FieldProblem("name", "is not the name of a saved question", ProblemKind.UNKNOWN)
    return Share(**rows[0]), secret


async def list_shares(store: Store, project: int) -> list[Share]:
    """Return the links of a project, newest first. Expired ones are listed until the next one is created."""
    return [
        Share(**row)
        for row in await store.rows(f"{_COLUMNS} WHERE question_share.project_id = {{}} ORDER BY question_share.id DESC", project)
    ]


async def revoke(store: Store, project: int, share: int) -> None:
    """Revoke a link. Raises FieldProblem if there is none."""
    change = await store.change(("DELETE FROM question_share WHERE project_id = {} AND id = {}", (project, share)))
    if not change.rows[0]:
        raise FieldProblem("id", "does not exist", ProblemKind.UNKNOWN)


async def find_shared(store: Store, secret: str, now: int) -> Shared | None:
    """Return the link with a secret; None if there is none, it expired, or its project is archived."""
    rows = await store.rows(_SHARED, hash_key(secret), now)
    if not rows:
        return None
    row = rows[0]
    question = SavedQuestion(row["id"], row["project"], row["name"], row["question"], row["created_at"], row["changed_at"])
    return Shared(row["share"], row["expires_at"], row["slug"], row["title"], question)
