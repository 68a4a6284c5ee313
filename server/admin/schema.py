"""The GraphQL schema. `make schema` writes it to `graphql/schema.graphql`, and a test compares the two."""

from __future__ import annotations

from typing import Annotated

import strawberry
from graphql import GraphQLError
from strawberry import argument
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from server import __version__
from server.admin import paging, project
from server.admin.answers import Ledger
from server.admin.auth import ALL_PROJECTS
from server.admin.charts import First, Period
from server.admin.enums import Engine, PublicPart, Scope, ViewerKind
from server.admin.inputs import check_count, parse_id
from server.admin.mutations import Mutation
from server.admin.persisted_operations import KnownOperations
from server.admin.project import Key, Project, ProjectConnection, key_of, ledger_of
from server.admin.request_context import DASHBOARD, AnyInfo, admin, find_project, reader
from server.admin.safety import extensions
from server.admin.scalars import SCALARS, Count, DateTime
from server.admin.server_types import AuditEntry, Job, Me, Server, Session, job_of
from server.admin.subscription import Subscription
from server.clock import epoch_ms
from server.event import FieldError
from server.jobs import JOBS
from server.problems import BadQuery, NotFound, Unauthorized
from server.storage.projects import audit, project_changes, sessions
from server.storage.projects.project_changes import ProjectOrder, StoredProject
from server.storage.upkeep import job_runs


@strawberry.type(description="Queries. They require a login or a key, except for the charts of projects with a public dashboard.")
class Query:
    @strawberry.field(description="The caller. Null without a login or a key.")
    def me(self, info: AnyInfo) -> Me | None:
        viewer = info.context.viewer
        if viewer is None:
            return None
        scopes = [scope for scope in (Scope.READ, Scope.ADMIN) if viewer.scopes & {scope.value, "admin"}]
        return Me(kind=ViewerKind(viewer.kind), scopes=scopes, label=viewer.label, all_projects=viewer.project == ALL_PROJECTS)

    @strawberry.field(description="Projects that the caller can read. Without a login: the projects with a public dashboard.")
    async def projects(
        self,
        info: AnyInfo,
        archived: Annotated[bool, argument(description="Whether to include archived projects.")] = False,
        order_by: Annotated[ProjectOrder, argument(description="Order of the list.")] = ProjectOrder.SLUG,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> ProjectConnection:
        viewer, only = info.context.viewer, None
        if viewer is None:
            only = [each.id for each in info.context.state.projects.all() if DASHBOARD in each.public]
            if not only:
                raise Unauthorized("Authentication required: log in, or send a key with the `read` scope.")
        elif viewer.project != ALL_PROJECTS:
            only = [viewer.project]
        requested = paging.page(first, after, last, before)
        return await project.projects(order_by, requested, archived=archived and viewer is not None, only=only)

    @strawberry.field(description="The project with this slug. Raises `NOT_FOUND` if there is none, or `UNAUTHENTICATED` without a login.")
    async def project(self, info: AnyInfo, slug: Annotated[str, argument(description="Unique name of the project in URLs.")]) -> Project:
        stored = await project_changes.stored_project(slug)
        viewer = info.context.viewer
        if stored is not None and (_public(info, stored) or (viewer is not None and viewer.may("read", stored.id))):
            return Project(number=stored.id, stored=stored)
        if viewer is None:
            raise Unauthorized("Authentication required: log in, or send a key with the `read` scope.")
        raise NotFound("No such project.")

    @strawberry.field(description="Events whose project does not exist, by result and day.")
    async def unknown_project_ledger(self, info: AnyInfo, period: Period = None) -> Ledger:
        reader(info)
        return await ledger_of(info, 0, period)

    @strawberry.field(description="Jobs and their last runs.")
    async def jobs(self, info: AnyInfo) -> list[Job]:
        reader(info)
        ran = await job_runs.last(info.context.store)
        return [job_of(job, ran.get(job.name)) for job in JOBS]

    @strawberry.field(description="Open login sessions, most recently seen first.")
    async def sessions(self, info: AnyInfo) -> list[Session]:
        viewer = admin(info)
        return [
            Session(
                id=strawberry.ID(str(each.id)),
                client=each.client,
                key=strawberry.ID(str(each.key)),
                scopes=[Scope(scope) for scope in each.scopes],
                created_at=DateTime(each.created_at),
                seen_at=DateTime(each.seen_at),
                current=each.id == viewer.session,
            )
            for each in await sessions.open_sessions(info.context.store, epoch_ms())
        ]

    @strawberry.field(description="Keys for all projects.")
    async def admin_keys(self, info: AnyInfo) -> list[Key]:
        admin(info)
        return [key_of(key) for key in await project_changes.list_keys(ALL_PROJECTS)]

    @strawberry.field(description="Audit log, newest changes first.")
    async def audit_log(
        self,
        info: AnyInfo,
        slug: Annotated[str | None, argument(description="Slug of a project: return only its changes.")] = None,
        first: First = 50,
        before: Annotated[strawberry.ID | None, argument(description="Id of an entry: return older ones.")] = None,
    ) -> list[AuditEntry]:
        found = await find_project(info, slug, "admin") if slug is not None else None
        if slug is None:
            admin(info)
        elif found is None:
            raise NotFound("No such project.")
        place = None if before is None else parse_id(before)
        if before is not None and place is None:
            raise BadQuery(FieldError("before", "is not a valid entry id"))
        entries = await audit.entries(
            info.context.store, project=found.id if found else None, limit=check_count("first", first, 200), before=place
        )
        slugs = {each.id: each.slug for each in await project_changes.list_projects(archived=True)}
        return [
            AuditEntry(
                id=strawberry.ID(str(each.id)),
                at=DateTime(each.at),
                actor=each.actor,
                action=each.action,
                project=slugs.get(each.project),
                detail=each.detail,
            )
            for each in entries
        ]

    @strawberry.field(description="The server and its database.")
    async def server(self, info: AnyInfo) -> Server:
        reader(info)
        state = info.context.state
        return Server(
            version=__version__,
            engine=Engine(state.store.engine_type),
            writable=await state.health.writable(),
            bytes=Count(state.store.size()),
            queued=Count(state.writer.depth),
            retention_days=state.settings.retention_days,
            public=[PublicPart(part) for part in state.settings.public],
            redis=None if state.health.redis is None else state.health.redis == "ok",
        )


def _public(info: AnyInfo, stored: StoredProject) -> bool:
    """Return whether a project's charts are public."""
    if stored.archived_at is not None:
        return False
    live = next((each for each in info.context.state.projects.all() if each.id == stored.id), None)
    return live is not None and DASHBOARD in live.public


class Schema(strawberry.Schema):
    """The schema. `safety.MaskErrors` prepares errors for the client; Strawberry must not log them, as they contain the client's values."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None: ...


def build(known: KnownOperations | None = None) -> Schema:
    """Build the schema with its limits. The `known` documents are parsed and validated once."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[*([known.cache_extension()] if known else []), *extensions()],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )
