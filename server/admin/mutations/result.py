"""What all changes answer, and how each one is written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import strawberry

from server.admin.answers import said
from server.admin.auth import EVERY, Viewer
from server.admin.request_context import AnyInfo
from server.admin.scalars import now
from server.problems import BadQuery
from server.storage.projects import FieldProblem, ProblemKind, ProjectError, audit


@strawberry.type(description="Why a change could not be made.")
class UserError:
    field: str | None = said("The field that says what cannot be; null where it is not about a single one.")
    code: ProblemKind = said("What is wrong, for scripts.")
    message: str = said("What is wrong, for people.")


@strawberry.type(description="What became of a change. Where there are errors, nothing was changed.")
class Result:
    errors: list[UserError] = said("What was wrong; empty where the change was made.")


R = TypeVar("R", bound=Result)


async def attempt(kind: type[R], work: Callable[[], Awaitable[dict[str, Any]]]) -> R:
    """Make a change: the fields of its result, or the errors where it cannot be."""
    try:
        return kind(errors=[], **await work())
    except FieldProblem as error:
        return kind(errors=[UserError(field=error.field, code=error.why, message=error.message)])
    except ProjectError as error:
        return kind(errors=[UserError(field=None, code=ProblemKind.INVALID, message=str(error))])
    except BadQuery as error:
        return kind(errors=[UserError(field=each.path, code=ProblemKind.INVALID, message=each.message) for each in error.errors])


async def wrote(info: AnyInfo, viewer: Viewer, action: str, project: int = EVERY, detail: str = "") -> None:
    """Write a change down, and let this process know at once of what it keeps in memory."""
    await audit.record(info.context.store, now=now(), actor=viewer.label, action=action, project=project, detail=detail)
    await info.context.state.projects.refresh()
