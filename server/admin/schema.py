"""The schema, put together. `graphql/schema.graphql` is what it must be; `make schema` writes it."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry
from graphql import GraphQLError
from strawberry import argument
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from server import __version__
from server.admin import paging, project
from server.admin.answers import Ledger
from server.admin.auth import EVERY
from server.admin.charts import First, Period
from server.admin.inputs import number_of, within
from server.admin.mutations import Mutation
from server.admin.persisted_operations import Known
from server.admin.project import Key, Project, ProjectConnection, key_of, ledger_of
from server.admin.request_context import DASHBOARD, AnyInfo, admin, project_of, reader
from server.admin.safety import extensions
from server.admin.scalars import SCALARS, Count, now
from server.admin.server_types import AuditEntry, Job, Me, Server, Session
from server.admin.subscription import Subscription
from server.event import FieldError
from server.jobs import JOBS
from server.problems import BadQuery, NotFound, Unauthorized
from server.storage.projects import audit, project_changes, sessions
from server.storage.projects.project_changes import ProjectOrder
from server.storage.upkeep import job_runs


@strawberry.type(
    description="What can be asked. All of it wants a login or a key, but for the charts of projects whose dashboard is public."
)
class Query:
    @strawberry.field(description="Who is asking; null for nobody who is known.")
    def me(self, info: AnyInfo) -> Me | None:
        viewer = info.context.viewer
        if viewer is None:
            return None
        scopes = [scope for scope in ("read", "admin") if scope in viewer.scopes or "admin" in viewer.scopes]
        return Me(kind=cast(Any, viewer.kind), scopes=cast(Any, scopes), label=viewer.label, all_projects=viewer.project == EVERY)

    @strawberry.field(description="The projects that whoever asks may read; for nobody those with a public dashboard.")
    async def projects(
        self,
        info: AnyInfo,
        archived: Annotated[bool, argument(description="Also those that are archived.")] = False,
        order_by: Annotated[ProjectOrder, argument(description="In which order.")] = ProjectOrder.SLUG,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> ProjectConnection:
        viewer, only = info.context.viewer, None
        if viewer is None:
            only = [each.id for each in info.context.state.projects.all() if DASHBOARD in each.public]
            if not only:
                raise Unauthorized("This wants a login, or a key with the scope read.")
        elif viewer.project != EVERY:
            only = [viewer.project]
        asked = paging.page(first, after, last, before)
        return await project.projects(order_by, asked, archived=archived and viewer is not None, only=only)

    @strawberry.field(description="One project.")
    async def project(self, info: AnyInfo, slug: Annotated[str, argument(description="Its name in addresses.")]) -> Project:
        row = await project_changes.project_row(slug)
        viewer = info.context.viewer
        if row is not None and (_public(info, row) or (viewer is not None and viewer.may("read", row["id"]))):
            return Project(number=row["id"], row=row)
        if viewer is None:
            raise Unauthorized("This wants a login, or a key with the scope read.")
        raise NotFound("There is no such project.")

    @strawberry.field(description="Where everything went that named no project that there is.")
    async def unknown_project_ledger(self, info: AnyInfo, period: Period = None) -> Ledger:
        reader(info)
        return await ledger_of(info, 0, period)

    @strawberry.field(description="The jobs, with their last runs.")
    async def jobs(self, info: AnyInfo) -> list[Job]:
        reader(info)
        ran = await job_runs.last(info.context.store)
        return [
            Job(
                name=job.name,
                about=job.about,
                period_minutes=job.period // 60_000,
                **{name: getattr(ran.get(job.name), name, None) for name in ("started_at", "ended_at", "result", "detail")},
            )
            for job in JOBS
        ]

    @strawberry.field(description="The logins that are open, the one seen last first.")
    async def sessions(self, info: AnyInfo) -> list[Session]:
        viewer = admin(info)
        return [
            Session(
                id=strawberry.ID(str(each.id)),
                client=each.client,
                key=strawberry.ID(str(each.key)),
                scopes=cast(Any, each.scopes),
                created_at=cast(Any, each.created_at),
                seen_at=cast(Any, each.seen_at),
                current=each.id == viewer.session,
            )
            for each in await sessions.open_sessions(info.context.store, now())
        ]

    @strawberry.field(description="The keys that are for all projects.")
    async def admin_keys(self, info: AnyInfo) -> list[Key]:
        admin(info)
        return [key_of(row) for row in await project_changes.key_rows(EVERY)]

    @strawberry.field(description="Changes that were made, newest first.")
    async def audit_log(
        self,
        info: AnyInfo,
        slug: Annotated[str | None, argument(description="Only those of this project.")] = None,
        first: First = 50,
        before: Annotated[strawberry.ID | None, argument(description="Older than the one with this id.")] = None,
    ) -> list[AuditEntry]:
        row = await project_of(info, slug, "admin") if slug is not None else None
        if slug is None:
            admin(info)
        elif row is None:
            raise NotFound("There is no such project.")
        place = None if before is None else number_of(before)
        if before is not None and place is None:
            raise BadQuery(FieldError("before", "is no id of an entry"))
        entries = await audit.entries(
            info.context.store, project=row["id"] if row else None, limit=within("first", first, 200), before=place
        )
        slugs = {each["id"]: each["slug"] for each in await project_changes.list_projects(archived=True)}
        return [
            AuditEntry(
                id=strawberry.ID(str(each.id)),
                at=cast(Any, each.at),
                actor=each.actor,
                action=each.action,
                project=slugs.get(each.project),
                detail=each.detail,
            )
            for each in entries
        ]

    @strawberry.field(description="The store and the process.")
    async def server(self, info: AnyInfo) -> Server:
        reader(info)
        state = info.context.state
        return Server(
            version=__version__,
            engine=cast(Any, state.store.engine_type),
            writable=await state.health.writable(),
            bytes=Count(state.store.size()),
            queued=Count(state.writer.depth),
            retention_days=state.settings.retention_days,
            public=cast(Any, state.settings.public),
            redis=None if state.health.redis is None else state.health.redis == "ok",
        )


def _public(info: AnyInfo, row: dict[str, Any]) -> bool:
    """Whether everybody may see a project's charts."""
    if row["archived_at"] is not None:
        return False
    live = next((each for each in info.context.state.projects.all() if each.id == row["id"]), None)
    return live is not None and DASHBOARD in live.public


class Schema(strawberry.Schema):
    """The schema. Errors are told to whoever asked (`safety.told`); the log gets none of what they sent."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None: ...


def build(known: Known | None = None) -> Schema:
    """The schema, with its bounds. The documents that are `known` are read and checked once."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[*([known.remembered()] if known else []), *extensions()],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )
