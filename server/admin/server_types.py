"""GraphQL types about the server: jobs, sessions, the audit log, the database."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin.answers import field
from server.admin.enums import Engine, JobResult, PublicPart, Scope, ViewerKind
from server.admin.inputs import check_count
from server.admin.request_context import AnyInfo
from server.admin.scalars import Count, DateTime
from server.jobs.run import Job as JobEntry
from server.storage.upkeep import job_runs
from server.storage.upkeep.job_runs import JobRunRecord


@strawberry.type(description="One run of a job.")
class JobRun:
    started_at: DateTime = field("Start time.")
    ended_at: DateTime | None = field("End time. Null while it is running.")
    result: JobResult = field("Result of the run.")
    detail: str = field("Report of the job.")


@strawberry.type(description="A job and its last run.")
class Job:
    name: str = field("Name of the job.")
    about: str = field("Purpose of the job.")
    period_minutes: int = field("Interval between runs, in minutes.")
    started_at: DateTime | None = field("Start of the last run. Null before the first one.")
    ended_at: DateTime | None = field("End of the last run. Null while it is running, or before the first one.")
    result: JobResult | None = field("Result of the run.")
    detail: str | None = field("Report of the last run. Null before the first one.")

    @strawberry.field(graphql_type=list[JobRun], description="Last runs, newest first.")
    async def runs(
        self,
        info: AnyInfo,
        first: Annotated[int, argument(description="Maximum number of runs, from 1 to 50. Older runs are deleted.")] = 10,
    ) -> list[JobRunRecord]:
        return await info.context.loaders.runs.load((self.name, check_count("first", first, job_runs.KEPT)))


def job_of(job: JobEntry, last: JobRunRecord | None) -> Job:
    return Job(
        name=job.name,
        about=job.about,
        period_minutes=job.period // 60_000,
        started_at=None if last is None else DateTime(last.started_at),
        ended_at=None if last is None or last.ended_at is None else DateTime(last.ended_at),
        result=None if last is None else JobResult(last.result),
        detail=None if last is None else last.detail,
    )


@strawberry.type(description="An open login session.")
class Session:
    id: strawberry.ID = field("Id.")
    client: str = field("Browser and operating system, by their families.")
    scopes: list[Scope] = field("Scopes of the session, which are those of its key.")
    key: strawberry.ID = field("Id of the key that the session was started with.")
    created_at: DateTime = field("Start time.")
    seen_at: DateTime = field("Time of the last request, accurate to some minutes.")
    current: bool = field("Whether this is the session of the caller.")


@strawberry.type(description="A change recorded in the audit log.")
class AuditEntry:
    id: strawberry.ID = field("Id.")
    at: DateTime = field("Time of the change.")
    actor: str = field("Author of the change: a key or a session, by its id.")
    action: str = field("Action, such as `key.create`.")
    project: str | None = field("Slug of the project. Null for changes of the whole server.")
    detail: str = field("Details, without secrets.")


@strawberry.type(description="The server and its database.")
class Server:
    version: str = field("Version of Footfall.")
    engine: Engine = field("Database of the server.")
    writable: bool = field("Whether the database accepts writes.")
    bytes: Count = field("Size of the database in bytes.")
    redis: bool | None = field("Whether Redis is reachable. Null if Redis is not configured.")
    queued: Count = field("Number of events waiting to be written.")
    retention_days: int = field("Days before raw events are deleted, unless the project overrides it.")
    public: list[PublicPart] = field("Parts that are public, unless the project overrides them.")


@strawberry.type(description="The caller.")
class Me:
    kind: ViewerKind = field("Authentication method.")
    scopes: list[Scope] = field("Scopes of the caller.")
    label: str = field("Name of the caller in the audit log.")
    all_projects: bool = field("Whether the caller has access to all projects.")
