"""Mutations of keys and sessions."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin.auth import ALL_PROJECTS
from server.admin.enums import Scope
from server.admin.inputs import parse_id
from server.admin.mutations.projects import find
from server.admin.mutations.result import Result, attempt, record_audit
from server.admin.project import Key, key_of
from server.admin.request_context import AnyInfo, admin, any_admin, reader
from server.admin.scalars import Count
from server.clock import epoch_ms
from server.storage import projects
from server.storage.projects import FieldProblem, ProblemKind, project_changes, sessions

NAME = 100


@strawberry.type(description="Result of creating a key.")
class KeyResult(Result):
    key: Key | None = strawberry.field(default=None, description="The new key. Null if there are errors.")
    secret: str | None = strawberry.field(
        default=None, description="The secret key. It is not stored, and cannot be shown again. Null if there are errors."
    )


@strawberry.type(description="Result of ending sessions.")
class SessionsResult(Result):
    ended: Count = strawberry.field(default=Count(0), description="Number of sessions ended.")


@strawberry.type
class KeyMutations:
    @strawberry.mutation(description="Create a key.")
    async def create_key(
        self,
        info: AnyInfo,
        scopes: Annotated[list[Scope], argument(description="Scopes of the key.")],
        slug: Annotated[str | None, argument(description="Slug of the key's project. Default: all projects.")] = None,
        name: Annotated[str, argument(description="Display name, at most 100 characters.")] = "",
        rate_limit: Annotated[
            str | None, argument(description="Rate limit of requests per address, such as `10/minute`. Default: the project's.")
        ] = None,
        event_limit: Annotated[str | None, argument(description="Rate limit of events per address. Default: the project's.")] = None,
        client_key: Annotated[
            str | None,
            argument(
                description="Key of another system, such as `phc_…`, that programs already send: it then names the project. It requires a project "
                "and the scope `INGEST` alone. Default: a new key."
            ),
        ] = None,
    ) -> KeyResult:
        async def work() -> KeyResult:
            project = ALL_PROJECTS if slug is None else (await find(info, slug)).id
            viewer = admin(info, project)
            if len(name) > NAME or not name.isprintable():
                raise FieldProblem("name", f"must be a line of at most {NAME} characters")
            if client_key is not None and slug is None:
                raise FieldProblem("slug", "must name the project of a key of another system")
            scope_names = [scope.value for scope in scopes]
            limits = await project_changes.validate(project, rate_limit=rate_limit, event_limit=event_limit)
            number, secret = await projects.create_key(project, name=name, scopes=scope_names, client_key=client_key, **limits)
            await record_audit(info, viewer, "key.create", project, f"key {number}: {', '.join(dict.fromkeys(scope_names))}")
            key = await project_changes.find_key(number)
            return KeyResult(key=key_of(key) if key else None, secret=secret)

        return await attempt(KeyResult, work)

    @strawberry.mutation(description="Revoke a key permanently, and end the sessions started with it.")
    async def revoke_key(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Id of the key.")]) -> Result:
        async def work() -> Result:
            viewer, number = any_admin(info), parse_id(id)
            key = None if number is None else await project_changes.find_key(number)
            if key is None or not viewer.may("admin", key.project):
                raise FieldProblem("id", "does not exist", ProblemKind.UNKNOWN)
            await projects.revoke_key(key.id)
            await record_audit(info, viewer, "key.revoke", key.project, f"key {key.id}")
            return Result()

        return await attempt(Result, work)

    @strawberry.mutation(description="End a session: the caller's own, or with the `admin` scope any.")
    async def revoke_session(
        self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Id of the session.")]
    ) -> SessionsResult:
        async def work() -> SessionsResult:
            viewer = info.context.viewer
            own = viewer is not None and viewer.session is not None and str(viewer.session) == id
            viewer = reader(info, viewer.project) if own and viewer else admin(info)
            number = parse_id(id)
            if number is None or not await sessions.revoke(info.context.store, number, epoch_ms()):
                raise FieldProblem("id", "is not an open session", ProblemKind.UNKNOWN)
            await record_audit(info, viewer, "session.revoke", detail=f"session {id}")
            return SessionsResult(ended=Count(1))

        return await attempt(SessionsResult, work)

    @strawberry.mutation(description="End all sessions except the caller's.")
    async def revoke_other_sessions(self, info: AnyInfo) -> SessionsResult:
        viewer = admin(info)

        async def work() -> SessionsResult:
            ended = await sessions.revoke_all(info.context.store, epoch_ms(), but=viewer.session)
            await record_audit(info, viewer, "session.revoke_others", detail=f"{ended} sessions")
            return SessionsResult(ended=Count(ended))

        return await attempt(SessionsResult, work)
