"""Mutations of projects: settings, targets and the latest version."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin.enums import PublicPart, Visibility
from server.admin.mutations.result import Result, attempt, record_audit
from server.admin.project import Project
from server.admin.request_context import AnyInfo, admin, find_project
from server.clock import epoch_ms
from server.jobs.forwarding import check_target
from server.storage import projects
from server.storage.projects import MAX_PICKED, FieldProblem, ProblemKind, project_changes
from server.storage.projects.project_changes import StoredProject
from server.storage.projects.releases import LatestVersion, announce

Slug = Annotated[str, argument(description="Slug of the project.")]


@strawberry.input(description="Changes to a project. Omitted fields stay as they are; null restores the server's setting.")
class ProjectChanges:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Display name.")
    requires_key: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether events require a key.")
    rate_limit: str | None = strawberry.field(
        default=strawberry.UNSET, description="Rate limit of requests per address, such as `10/minute`."
    )
    event_limit: str | None = strawberry.field(
        default=strawberry.UNSET, description="Rate limit of events per address, such as `1000/minute`."
    )
    retention_days: int | None = strawberry.field(default=strawberry.UNSET, description="Days before raw events are deleted.")
    max_targets: int | None = strawberry.field(default=strawberry.UNSET, description="Maximum number of distinct targets.")
    lists_targets: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether only targets listed with `setTarget` are counted."
    )
    hosts: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Values of the `Host` header that select this project. Changing them requires the `admin` scope for all projects.",
    )
    sites: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Domains (Plausible) and website ids (Umami) whose events belong to this project, without a key. Changing them requires the "
        "`admin` scope for all projects.",
    )
    forward_to: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Address of the system that Footfall replaces, such as `https://us.i.posthog.com`, to which requests of SDKs are forwarded; null "
        "forwards nothing. Changing it requires the `admin` scope for all projects.",
    )
    properties: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description=f"Properties whose values are counted, at most {MAX_PICKED}."
    )
    public: list[PublicPart] | None = strawberry.field(default=strawberry.UNSET, description="Parts that are public.")

    def columns(self) -> dict[str, Any]:
        """Return the changed columns by name. Raises FieldProblem for null in a field that requires a value."""
        values = {name: getattr(self, name) for name in type(self).__annotations__ if getattr(self, name) is not strawberry.UNSET}
        for name, default in (
            ("name", None),
            ("requires_key", False),
            ("lists_targets", False),
            ("hosts", []),
            ("sites", []),
            ("properties", []),
        ):
            if name in values and values[name] is None:
                if default is None:
                    raise FieldProblem(name, "must not be null")
                values[name] = default
        if values.get("public") is not None:
            values["public"] = [part.value for part in values["public"]]
        if "forward_to" in values:
            values["forward_to"] = check_target(values["forward_to"])
        if "properties" in values:
            values["dimensions"] = values.pop("properties")
        return values


@strawberry.input(description="The latest version of a tool, as announced to its clients.")
class LatestInput:
    version: str = strawberry.field(description="Version.")
    release_date: str = strawberry.field(default="", description="Release date, in any format.")
    update_url: str = strawberry.field(default="", description="URL of the update.")
    critical: bool = strawberry.field(default=False, description="Whether users should update at once.")


@strawberry.type(description="Result of changing a project.")
class ProjectResult(Result):
    project: Project | None = strawberry.field(default=None, description="The project after the change. Null if there are errors.")


async def find(info: AnyInfo, slug: str) -> StoredProject:
    """Return a project that the caller may change. Raises FieldProblem, Unauthorized, Forbidden."""
    found = await find_project(info, slug, "admin")
    if found is None:
        raise FieldProblem("slug", "does not exist", ProblemKind.UNKNOWN)
    return found


async def project_result(slug: str) -> ProjectResult:
    """Return the result of a change: the project as it is stored now."""
    stored = await project_changes.stored_project(slug)
    return ProjectResult(project=None if stored is None else Project(number=stored.id, stored=stored))


@strawberry.type
class ProjectMutations:
    @strawberry.mutation(description="Create a project.")
    async def create_project(
        self,
        info: AnyInfo,
        slug: Annotated[str, argument(description="Unique name in URLs: 1 to 40 characters of a-z, 0-9 and `-`. It cannot be changed.")],
        changes: Annotated[ProjectChanges | None, argument(description="Settings of the project.")] = None,
    ) -> ProjectResult:
        viewer = admin(info)

        async def work() -> ProjectResult:
            columns = (changes or ProjectChanges()).columns()
            await project_changes.validate(0, **columns)  # before creating it
            number = await projects.create_project(slug, name=columns.pop("name", slug))
            await project_changes.change(number, **columns)
            await record_audit(info, viewer, "project.create", number)
            return await project_result(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Change the settings of a project.")
    async def update_project(
        self, info: AnyInfo, slug: Slug, changes: Annotated[ProjectChanges, argument(description="Changes to the project.")]
    ) -> ProjectResult:
        async def work() -> ProjectResult:
            project = await find(info, slug)
            columns = changes.columns()
            for name in ("hosts", "sites"):
                if name in columns and set(columns[name]) != set(getattr(project, name)):
                    admin(info)  # for all projects: a host or a site takes requests away from other projects
            if columns.get("forward_to", project.forward_to) != project.forward_to:
                admin(info)  # for all projects: the server sends requests there
            await project_changes.change(project.id, **columns)
            await record_audit(info, admin(info, project.id), "project.update", project.id, ", ".join(sorted(columns)))
            return await project_result(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Archive a project: it accepts no events and is no longer public. Its data stays.")
    async def archive_project(self, info: AnyInfo, slug: Slug) -> ProjectResult:
        async def work() -> ProjectResult:
            project = await find(info, slug)
            await project_changes.archive(project.id, slug)
            await record_audit(info, admin(info, project.id), "project.archive", project.id)
            return await project_result(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Restore an archived project, which accepts events again.")
    async def restore_project(self, info: AnyInfo, slug: Slug) -> ProjectResult:
        async def work() -> ProjectResult:
            project = await find(info, slug)
            await project_changes.restore(project.id)
            await record_audit(info, admin(info, project.id), "project.restore", project.id)
            return await project_result(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Announce the latest version of the tool, or withdraw the announcement.")
    async def announce_version(
        self, info: AnyInfo, slug: Slug, latest: Annotated[LatestInput | None, argument(description="Version.")] = None
    ) -> ProjectResult:
        async def work() -> ProjectResult:
            project = await find(info, slug)
            version = latest and LatestVersion(latest.version, latest.release_date, latest.update_url, latest.critical)
            await announce(project.id, version or None)
            await record_audit(info, admin(info, project.id), "project.announce", project.id, latest.version if latest else "withdrawn")
            return await project_result(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="List a target, and set the visibility of its counts.")
    async def set_target(
        self,
        info: AnyInfo,
        slug: Slug,
        type: Annotated[str, argument(description="Type of the target.")],
        id: Annotated[str, argument(description="Id of the target.")],
        visibility: Annotated[Visibility, argument(description="Visibility of the counts to callers without a key.")] = Visibility.PUBLIC,
    ) -> Result:
        async def work() -> Result:
            project = await find(info, slug)
            await project_changes.set_visibility(project.id, type, id, visibility.value, epoch_ms())
            await record_audit(info, admin(info, project.id), "target.set", project.id, f"{type} {visibility.value}")
            return Result()

        return await attempt(Result, work)
