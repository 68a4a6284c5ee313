"""Result type of all mutations, and their record in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import strawberry

from server.admin import answers
from server.admin.auth import ALL_PROJECTS, Viewer
from server.admin.request_context import AnyInfo
from server.clock import epoch_ms
from server.problems import BadQuery
from server.storage.projects import FieldProblem, ProblemKind, ProjectError, audit


@strawberry.type(description="Error of a mutation.")
class UserError:
    field: str | None = answers.field("Field that caused the error. Null if it concerns no single field.")
    code: ProblemKind = answers.field("Error code, for programs.")
    message: str = answers.field("Error message, for people.")


@strawberry.type(description="Result of a mutation. If there are errors, nothing was changed.")
class Result:
    errors: list[UserError] = strawberry.field(default_factory=list, description="Errors. Empty if the change was made.")


R = TypeVar("R", bound=Result)


async def attempt(kind: type[R], work: Callable[[], Awaitable[R]]) -> R:
    """Run a mutation; return its result, or its errors by field."""
    try:
        return await work()
    except FieldProblem as error:
        return kind(errors=[UserError(field=error.field, code=error.why, message=error.message)])
    except ProjectError as error:
        return kind(errors=[UserError(field=None, code=ProblemKind.INVALID, message=str(error))])
    except BadQuery as error:
        return kind(errors=[UserError(field=each.path, code=ProblemKind.INVALID, message=each.message) for each in error.errors])


async def record_audit(info: AnyInfo, viewer: Viewer, action: str, project: int = ALL_PROJECTS, detail: str = "") -> None:
    """Record a change in the audit log, and refresh this process's cache of projects."""
    await audit.record(info.context.store, now=epoch_ms(), actor=viewer.label, action=action, project=project, detail=detail)
    await info.context.state.projects.refresh()
