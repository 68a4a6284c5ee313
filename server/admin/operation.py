"""How the server itself does: jobs, sessions, the audit log, the store."""

from __future__ import annotations

import strawberry

from server.admin.answers import said
from server.admin.scalars import Count, DateTime


@strawberry.type(description="A job, with its last run.")
class Job:
    name: str = said("Its name.")
    about: str = said("What it does.")
    period_minutes: int = said("It runs every so many minutes.")
    started_at: DateTime | None = said("When its last run began.")
    ended_at: DateTime | None = said("When that ended.")
    result: str | None = said("`running`, `done`, `failed` or `interrupted`.")
    detail: str | None = said("What it says of itself.")


@strawberry.type(description="A login that is open.")
class Session:
    id: strawberry.ID = said("Its number.")
    client: str = said("Which browser, by its family.")
    scopes: list[str] = said("What it may do.")
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
    engine: str = said("`sqlite` or `postgres`.")
    writable: bool = said("Whether the store takes writes.")
    bytes: Count = said("The size of the store.")
    queued: Count = said("Events that wait for their commit.")
    retention_days: int = said("How long raw events are kept, unless a project says otherwise.")
    public: list[str] = said("What needs no login, unless a project says otherwise.")


@strawberry.type(description="Who is asking.")
class Me:
    kind: str = said("`key` or `session`.")
    scopes: list[str] = said("`read` and `admin`, as far as there are.")
    label: str = said("What the audit log calls them.")
    all_projects: bool = said("Whether they may see all projects.")
