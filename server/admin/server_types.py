"""How the server itself does: jobs, sessions, the audit log, the store."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry
from strawberry import argument

from server.admin.answers import said
from server.admin.enums import Engine, JobResult, PublicPart, Scope, ViewerKind
from server.admin.inputs import within
from server.admin.request_context import AnyInfo
from server.admin.scalars import Count, DateTime
from server.storage.upkeep import job_runs


@strawberry.type(description="One run of a job.")
class JobRun:
    started_at: DateTime = said("When it began.")
    ended_at: DateTime | None = said("When it ended.")
    result: JobResult = said("How it went.")
    detail: str = said("What the job said of itself.")


@strawberry.type(description="A job, with its last run.")
class Job:
    name: str = said("Its name.")
    about: str = said("What it does.")
    period_minutes: int = said("It runs every so many minutes.")
    started_at: DateTime | None = said("When its last run began.")
    ended_at: DateTime | None = said("When that ended.")
    result: JobResult | None = said("How it went.")
    detail: str | None = said("What it says of itself.")

    @strawberry.field(description="Its last runs, the newest first.")
    async def runs(
        self, info: AnyInfo, first: Annotated[int, argument(description="How many, at most 50, which are kept.")] = 10
    ) -> list[JobRun]:
        found = await info.context.loaders.runs.load((self.name, within("first", first, job_runs.KEPT)))
        return cast(Any, found)


@strawberry.type(description="A login that is open.")
class Session:
    id: strawberry.ID = said("Its number.")
    client: str = said("Which browser, by its family.")
    scopes: list[Scope] = said("What it may do: what the key may that it was begun with.")
    key: strawberry.ID = said("The number of that key.")
    created_at: DateTime = said("When it began.")
    seen_at: DateTime = said("When it was last seen, to within some minutes.")
    current: bool = said("Whether it is the one that asks.")


@strawberry.type(description="A change that somebody made.")
class AuditEntry:
    id: strawberry.ID = said("Its number.")
    at: DateTime = said("When.")
    actor: str = said("Who: a key or a session by its number.")
    action: str = said("What, such as `key.create`.")
    project: str | None = said("The slug of the project that it was about.")
    detail: str = said("More about it, without secrets.")


@strawberry.type(description="The store and the process.")
class Server:
    version: str = said("The version of Footfall.")
    engine: Engine = said("What keeps the store.")
    writable: bool = said("Whether the store takes writes.")
    bytes: Count = said("The size of the store.")
    redis: bool | None = said("Whether Redis answers; null where none is wanted.")
    queued: Count = said("Events that wait for their commit.")
    retention_days: int = said("How long raw events are kept, unless a project says otherwise.")
    public: list[PublicPart] = said("What needs no login, unless a project says otherwise.")


@strawberry.type(description="Who is asking.")
class Me:
    kind: ViewerKind = said("How they are known.")
    scopes: list[Scope] = said("What they may do here.")
    label: str = said("What the audit log calls them.")
    all_projects: bool = said("Whether they may see all projects.")
