"""Changes of projects: their settings, targets and latest version."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin.enums import PublicPart, Visibility
from server.admin.mutations.result import Result, attempt, wrote
from server.admin.project import Project
from server.admin.request_context import AnyInfo, admin, project_of
from server.admin.scalars import now
from server.storage import projects
from server.storage.projects import FieldProblem, ProblemKind, project_changes, read_list
from server.storage.projects.releases import LatestVersion, announce

Slug = Annotated[str, argument(description="The project's name in addresses.")]


@strawberry.input(description="What to change of a project. What is left out stays; null follows the server's own setting.")
class ProjectChanges:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What people call it.")
    requires_key: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether it takes events with a key only.")
    rate_limit: str | None = strawberry.field(default=strawberry.UNSET, description="Requests of one address, as `10/minute`.")
    event_limit: str | None = strawberry.field(default=strawberry.UNSET, description="Events of one address.")
    retention_days: int | None = strawberry.field(default=strawberry.UNSET, description="How long raw events are kept.")
    max_targets: int | None = strawberry.field(default=strawberry.UNSET, description="How many targets it may have.")
    lists_targets: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether only targets that were listed before are counted."
    )
    hosts: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Hosts whose requests are about it. Wants the scope admin for all projects."
    )
    properties: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Properties to count by value, at most five.")
    public: list[PublicPart] | None = strawberry.field(default=strawberry.UNSET, description="What needs no login.")

    def columns(self) -> dict[str, Any]:
        """What is to be changed, by the names of the store. Raises FieldProblem for a null where there must be a value."""
        said_ = {name: getattr(self, name) for name in type(self).__annotations__ if getattr(self, name) is not strawberry.UNSET}
        for name, default in (("name", None), ("requires_key", False), ("lists_targets", False), ("hosts", []), ("properties", [])):
            if name in said_ and said_[name] is None:
                if default is None:
                    raise FieldProblem(name, "must not be null")  # of one word, as the field is called
                said_[name] = default
        if said_.get("public") is not None:
            said_["public"] = [part.value for part in said_["public"]]
        if "properties" in said_:
            said_["dimensions"] = said_.pop("properties")
        return said_


@strawberry.input(description="The version that a tool's clients are told of.")
class LatestInput:
    version: str = strawberry.field(description="The version.")
    release_date: str = strawberry.field(default="", description="When it came out.")
    update_url: str = strawberry.field(default="", description="Where to get it.")
    critical: bool = strawberry.field(default=False, description="Whether it should be installed now.")


@strawberry.type(description="What became of a change of a project.")
class ProjectResult(Result):
    project: Project | None = strawberry.field(default=None, description="The project as it is now.")


async def find(info: AnyInfo, slug: str) -> dict[str, Any]:
    """The row of a project that whoever asks may change. Raises FieldProblem, Unauthorized, Forbidden."""
    row = await project_of(info, slug, "admin")
    if row is None:
        raise FieldProblem("slug", "is that of no project", ProblemKind.UNKNOWN)
    return row


async def shown(slug: str) -> dict[str, Any]:
    """The field `project` of a result."""
    row = await project_changes.project_row(slug)
    return {"project": None if row is None else Project(number=row["id"], row=row)}


@strawberry.type
class ProjectMutations:
    @strawberry.mutation(description="Make a project.")
    async def create_project(
        self,
        info: AnyInfo,
        slug: Annotated[str, argument(description="1 to 40 of a-z, 0-9 and -; it cannot be changed.")],
        changes: Annotated[ProjectChanges | None, argument(description="How it is set up.")] = None,
    ) -> ProjectResult:
        viewer = admin(info)

        async def work() -> dict[str, Any]:
            columns = (changes or ProjectChanges()).columns()
            await project_changes.validate(0, **columns)  # before there is anything
            number = await projects.create_project(slug, name=columns.pop("name", slug))
            await project_changes.change(number, **columns)
            await wrote(info, viewer, "project.create", number)
            return await shown(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Change how a project is set up.")
    async def update_project(
        self, info: AnyInfo, slug: Slug, changes: Annotated[ProjectChanges, argument(description="What to change.")]
    ) -> ProjectResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            columns = changes.columns()
            if "hosts" in columns and set(columns["hosts"]) != set(read_list(row["hosts"])):
                admin(info)  # of everything: a host takes requests away from other projects
            await project_changes.change(row["id"], **columns)
            await wrote(info, admin(info, row["id"]), "project.update", row["id"], ", ".join(sorted(columns)))
            return await shown(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Take no more events for a project, and show none of it to the public. What it has stays.")
    async def archive_project(self, info: AnyInfo, slug: Slug) -> ProjectResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            await project_changes.archive(row["id"], slug)
            await wrote(info, admin(info, row["id"]), "project.archive", row["id"])
            return await shown(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Take events for an archived project again.")
    async def restore_project(self, info: AnyInfo, slug: Slug) -> ProjectResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            await project_changes.restore(row["id"])
            await wrote(info, admin(info, row["id"]), "project.restore", row["id"])
            return await shown(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="Say which version is the latest, or with null that none is announced.")
    async def announce_version(
        self, info: AnyInfo, slug: Slug, latest: Annotated[LatestInput | None, argument(description="The version.")] = None
    ) -> ProjectResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            version = latest and LatestVersion(latest.version, latest.release_date, latest.update_url, latest.critical)
            await announce(row["id"], version or None)
            await wrote(info, admin(info, row["id"]), "project.announce", row["id"], latest.version if latest else "taken back")
            return await shown(slug)

        return await attempt(ProjectResult, work)

    @strawberry.mutation(description="List a target, and say who may see its counts without a key.")
    async def set_target(
        self,
        info: AnyInfo,
        slug: Slug,
        type: Annotated[str, argument(description="The target's type.")],
        id: Annotated[str, argument(description="The target's id.")],
        visibility: Annotated[Visibility, argument(description="Who may see its counts without a key.")] = Visibility.PUBLIC,
    ) -> Result:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            await project_changes.set_visibility(row["id"], type, id, visibility.value, now())
            await wrote(info, admin(info, row["id"]), "target.set", row["id"], f"{type} {visibility.value}")
            return {}

        return await attempt(Result, work)
