"""Lists and changes of projects by admins. Ingest reads projects from `live_projects` instead."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from server.clock import epoch_ms
from server.settings import PUBLIC_PARTS
from server.storage.projects import picked_properties
from server.storage.projects.releases import LatestVersion
from server.storage.projects.validation import DEFAULT, MAX_PICKED, FieldProblem, ProblemKind, ProjectError, read_list, validate_limit
from server.storage.tables import ApiKey, Project, Target

VISIBILITIES = ("public", "unlisted", "private")
_PROPERTY = re.compile(r"[^\"\\\x00-\x1f]{1,100}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")
_SITE = re.compile(r"(?!.*//)[a-z0-9]([a-z0-9._:/-]{0,198}[a-z0-9])?")


class StoredProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project with its own settings; None stands for the server's setting. Times are epoch milliseconds."""

    id: int
    slug: str
    name: str
    created_at: int
    archived_at: int | None
    requires_key: bool
    rate_limit: str | None
    event_limit: str | None
    retention_days: int | None
    max_targets: int | None
    lists_targets: bool
    hosts: list[str]
    sites: list[str]
    dimensions: list[str]
    public: list[str] | None
    latest_version: LatestVersion | None
    forward_to: str | None


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its hash. `project` is its project, or `ADMINS`. Times are epoch milliseconds."""

    id: int
    project: int
    hint: str
    name: str
    scopes: list[str]
    rate_limit: str | None
    event_limit: str | None
    created_at: int
    revoked_at: int | None
    last_used_at: int | None


class ProjectOrder(enum.Enum):
    """The order of a list of projects."""

    SLUG = "slug"
    NEWEST = "newest"


async def list_projects(*, archived: bool = False) -> list[StoredProject]:
    """Return all projects, ordered by slug. `archived` includes archived projects."""
    query = Project.select().order_by(Project.slug)
    return [_project(row) for row in await (query if archived else query.where(Project.archived_at.is_null()))]


async def page(
    *, limit: int, archived: bool, only: Iterable[int] | None, order: ProjectOrder, after: tuple[int, str] | None, backwards: bool = False
) -> list[StoredProject]:
    """Return at most `limit` projects: those after the project with the number and slug `after` or, backwards, before it.

    `only` holds the numbers of the projects that the caller may see; None allows all.
    """
    by_slug = order is ProjectOrder.SLUG
    ascending = by_slug is not backwards
    column: Any = Project.slug if by_slug else Project.id
    query: Any = _shown(Project.select(), archived, only).order_by(column, ascending=ascending).limit(limit)
    if after is not None:
        place = after[1] if by_slug else after[0]
        query = query.where(column > place if ascending else column < place)
    rows = [_project(row) for row in await query]
    return rows[::-1] if backwards else rows


async def count_projects(*, archived: bool, only: Iterable[int] | None) -> int:
    """Count the projects that the caller may see."""
    return int(await _shown(Project.count(), archived, only))


def _shown(query: Any, archived: bool, only: Iterable[int] | None) -> Any:
    if not archived:
        query = query.where(Project.archived_at.is_null())
    return query if only is None else query.where(Project.id.is_in([*only, -1]))  # -1 avoids an empty list


async def stored_project(slug: str) -> StoredProject | None:
    """Return one project, even if it is archived."""
    row = await Project.select().where(Project.slug == slug).first()
    return None if row is None else _project(row)


def _project(row: dict[str, Any]) -> StoredProject:
    values = {name: row[name] for name in StoredProject.__struct_fields__}
    for name in ("hosts", "sites", "dimensions"):
        values[name] = read_list(values[name])
    for name in ("requires_key", "lists_targets"):
        values[name] = bool(values[name])
    if values["public"] is not None:
        values["public"] = read_list(values["public"])
    if values["latest_version"] is not None:
        values["latest_version"] = msgspec.json.decode(values["latest_version"], type=LatestVersion)
    return StoredProject(**values)


async def list_keys(project: int | None = None) -> list[StoredKey]:
    """Return a project's keys, those of admins for `ADMINS`, or all keys."""
    query = ApiKey.select().order_by(ApiKey.id)
    return [_key(row) for row in await (query if project is None else query.where(ApiKey.project_id == project))]


async def active_keys() -> dict[bytes, StoredKey]:
    """Return the keys that are not revoked, by their hash."""
    return {bytes(row["hash"]): _key(row) for row in await ApiKey.select().where(ApiKey.revoked_at.is_null())}


async def find_key(number: int) -> StoredKey | None:
    """Return one key."""
    row = await ApiKey.select().where(ApiKey.id == number).first()
    return None if row is None else _key(row)


def _key(row: dict[str, Any]) -> StoredKey:
    return StoredKey(
        id=row["id"],
        project=row["project_id"],
        hint=row["hint"],
        name=row["name"],
        scopes=read_list(row["scopes"]),
        rate_limit=row["rate_limit"],
        event_limit=row["event_limit"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


async def validate(project: int, **fields: Any) -> dict[str, Any]:
    """Validate columns of a project and return them in the form that is stored. `project` is 0 for a new one. Raises FieldProblem."""
    return {name: await _CHECKS[name](project, value) if name in _CHECKS else value for name, value in fields.items()}


async def change(project: int, **fields: Any) -> None:
    """Change some columns of a project. Raises FieldProblem.

    These are name, requires_key, rate_limit, event_limit, retention_days, max_targets, lists_targets, hosts, sites, dimensions and public.
    """
    if values := await validate(project, **fields):
        await Project.update({getattr(Project, name): value for name, value in values.items()}).where(Project.id == project)
        if "dimensions" in values:
            await picked_properties.rename(project, read_list(values["dimensions"]))


async def archive(project: int, slug: str) -> None:
    """Accept no more events for a project, and hide it from the public. Its data stays. Raises FieldProblem for the default project."""
    if slug == DEFAULT:
        raise FieldProblem("slug", "is the default project, which cannot be archived")
    await Project.update({Project.archived_at: epoch_ms()}).where((Project.id == project) & Project.archived_at.is_null())


async def restore(project: int) -> None:
    """Accept events for an archived project again."""
    await Project.update({Project.archived_at: None}).where(Project.id == project)


async def set_visibility(project: int, type_: str, external_id: str, visibility: str, now: int) -> None:
    """Set the visibility of a target's counts, and create the target if it is new. Raises FieldProblem for an invalid value."""
    if visibility not in VISIBILITIES:
        raise FieldProblem("visibility", f"must be one of {', '.join(VISIBILITIES)}")
    for name, text in (("type", type_), ("id", external_id)):
        if not 1 <= len(text) <= 200 or "\0" in text:
            raise FieldProblem(name, "must have 1 to 200 characters")
    where = (Target.project_id == project) & (Target.type == type_) & (Target.external_id == external_id)
    if await Target.exists().where(where):
        await Target.update({Target.visibility: visibility}).where(where)
    else:
        await Target.insert(Target(project_id=project, type=type_, external_id=external_id, visibility=visibility, created_at=now))


async def _name(_: int, value: str) -> str:
    if not 1 <= len(value.strip()) <= 100 or not value.strip().isprintable():
        raise FieldProblem("name", "must be a single line of 1 to 100 characters")
    return value.strip()


async def _retention(_: int, value: int | None) -> int | None:
    if value is not None and not 1 <= value <= 36_500:
        raise FieldProblem("retentionDays", "must be from 1 to 36500")
    return value


async def _targets(_: int, value: int | None) -> int | None:
    if value is not None and not 1 <= value <= 1_000_000:
        raise FieldProblem("maxTargets", "must be from 1 to 1000000")
    return value


def _names(field: str, noun: str, form: re.Pattern[str], meaning: str) -> Any:
    """Return a validator of names, each of which belongs to one project."""

    async def check(project: int, value: Iterable[str]) -> str:
        requested = list(dict.fromkeys(name.strip().lower() for name in value))
        if len(requested) > 50 or not all(form.fullmatch(name) for name in requested):
            raise FieldProblem(field, f"must be at most 50 {meaning}, without https://")
        rows = await Project.select(getattr(Project, field)).where(Project.id != project)
        if {name for row in rows for name in read_list(row[field])}.intersection(requested):
            raise FieldProblem(field, f"includes a {noun} that is already taken", ProblemKind.TAKEN)
        return msgspec.json.encode(requested).decode()

    return check


async def _dimensions(_: int, value: Iterable[str]) -> str:
    requested = list(dict.fromkeys(value))
    if len(requested) > MAX_PICKED:
        raise FieldProblem("properties", f"must be at most {MAX_PICKED}")
    if not all(_PROPERTY.fullmatch(name) for name in requested):
        raise FieldProblem("properties", "must be property names of 1 to 100 characters")
    return msgspec.json.encode(requested).decode()


async def _public(_: int, value: Iterable[str] | None) -> str | None:
    if value is None:
        return None
    requested = list(dict.fromkeys(value))
    if not set(requested) <= set(PUBLIC_PARTS):
        raise FieldProblem("public", f"must be one or more of {', '.join(PUBLIC_PARTS)}")
    return msgspec.json.encode(requested).decode()


def _limit(field: str) -> Any:
    async def check(_: int, value: str | None) -> str | None:
        try:
            return validate_limit(value)
        except ProjectError:
            raise FieldProblem(field, "must have a form such as 10/minute") from None

    return check


_CHECKS: dict[str, Any] = {
    "name": _name,
    "retention_days": _retention,
    "max_targets": _targets,
    "hosts": _names("hosts", "host", _HOST, "host names"),
    "sites": _names("sites", "site", _SITE, "domains or ids of websites"),
    "dimensions": _dimensions,
    "public": _public,
    "rate_limit": _limit("rateLimit"),
    "event_limit": _limit("eventLimit"),
}
