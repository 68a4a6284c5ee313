"""Making and revoking keys and sessions."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin.auth import EVERY
from server.admin.enums import Scope
from server.admin.inputs import number_of
from server.admin.mutations.projects import find
from server.admin.mutations.result import Result, attempt, wrote
from server.admin.project import Key, key_of
from server.admin.request_context import AnyInfo, admin, admin_of_any, reader
from server.admin.scalars import Count, now
from server.storage import projects
from server.storage.projects import FieldProblem, ProblemKind, project_changes, sessions

NAME = 100


@strawberry.type(description="A key that was made.")
class KeyResult(Result):
    key: Key | None = strawberry.field(default=None, description="What is known of it.")
    secret: str | None = strawberry.field(default=None, description="The key itself. It is not kept, and is shown this once.")


@strawberry.type(description="Sessions that were ended.")
class SessionsResult(Result):
    ended: Count = strawberry.field(default=Count(0), description="How many.")


@strawberry.type
class KeyMutations:
    @strawberry.mutation(description="Make a key.")
    async def create_key(
        self,
        info: AnyInfo,
        scopes: Annotated[list[Scope], argument(description="What it may do.")],
        slug: Annotated[str | None, argument(description="The project that it is for; all of them where it is left out.")] = None,
        name: Annotated[str, argument(description="What people call it.")] = "",
        rate_limit: Annotated[
            str | None, argument(description="Requests of one address with it, as `10/minute`; else the project's.")
        ] = None,
        event_limit: Annotated[str | None, argument(description="Events of one address with it.")] = None,
    ) -> KeyResult:
        async def work() -> dict[str, Any]:
            project = EVERY if slug is None else (await find(info, slug))["id"]
            viewer = admin(info, project)
            if len(name) > NAME or not name.isprintable():
                raise FieldProblem("name", f"must be a line of at most {NAME} characters")
            wanted = [scope.value for scope in scopes]
            limits = await project_changes.validate(project, rate_limit=rate_limit, event_limit=event_limit)
            number, secret = await projects.create_key(project, name=name, scopes=wanted, **limits)
            await wrote(info, viewer, "key.create", project, f"key {number}: {', '.join(dict.fromkeys(wanted))}")
            row = await project_changes.key_row(number)
            return {"key": key_of(row) if row else None, "secret": secret}

        return await attempt(KeyResult, work)

    @strawberry.mutation(description="Make a key useless, at once and for good; also the sessions that were begun with it.")
    async def revoke_key(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="The key's number.")]) -> Result:
        async def work() -> dict[str, Any]:
            viewer, number = admin_of_any(info), number_of(id)
            row = None if number is None else await project_changes.key_row(number)
            if row is None or not viewer.may("admin", row["project_id"]):
                raise FieldProblem("id", "is that of no key", ProblemKind.UNKNOWN)
            await projects.revoke_key(row["id"])
            await wrote(info, viewer, "key.revoke", row["project_id"], f"key {row['id']}")
            return {}

        return await attempt(Result, work)

    @strawberry.mutation(description="End a session, one's own or, for admins, any.")
    async def revoke_session(
        self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="The session's number.")]
    ) -> SessionsResult:
        async def work() -> dict[str, Any]:
            viewer = info.context.viewer
            own = viewer is not None and viewer.session is not None and str(viewer.session) == id
            viewer = reader(info, viewer.project) if own and viewer else admin(info)
            number = number_of(id)
            if number is None or not await sessions.revoke(info.context.store, number, now()):
                raise FieldProblem("id", "is that of no open session", ProblemKind.UNKNOWN)
            await wrote(info, viewer, "session.revoke", detail=f"session {id}")
            return {"ended": Count(1)}

        return await attempt(SessionsResult, work)

    @strawberry.mutation(description="End all sessions but the one that asks.")
    async def revoke_other_sessions(self, info: AnyInfo) -> SessionsResult:
        viewer = admin(info)

        async def work() -> dict[str, Any]:
            ended = await sessions.revoke_all(info.context.store, now(), but=viewer.session)
            await wrote(info, viewer, "session.revoke_others", detail=f"{ended} sessions")
            return {"ended": Count(ended)}

        return await attempt(SessionsResult, work)
