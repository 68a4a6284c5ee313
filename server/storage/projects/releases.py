"""The latest version of each project's tool, as its admin announces it: what clients ask for to tell their user of an update."""

from __future__ import annotations

import msgspec

from server.storage.projects.validation import FieldProblem, ProblemKind
from server.storage.tables import Project


class LatestVersion(msgspec.Struct, frozen=True):
    """What `GET /v1/version/latest` answers. `release_date` is the admin's text, such as `2026-11-20`; `critical` asks for an update now."""

    latest_version: str
    release_date: str
    update_url: str
    critical: bool = False


async def latest_version(project_id: int) -> LatestVersion | None:
    """What was announced last, None where nothing is."""
    row = await Project.select(Project.latest_version).where(Project.id == project_id).first()
    text = row["latest_version"] if row else None
    return None if text is None else msgspec.json.decode(text, type=LatestVersion)


async def announce(project_id: int, version: LatestVersion | None) -> None:
    """Announce a version, or take the announcement back. ProjectError where there is no such project, or the version has no name."""
    if version is not None and not version.latest_version.strip():
        raise FieldProblem("version", "must have a name, such as 1.4.0")
    for field, line, most in () if version is None else _texts(version):
        if len(line) > most or not line.isprintable():
            raise FieldProblem(field, f"must be a line of at most {most} characters")
    if version is not None and version.update_url and not version.update_url.startswith(("https://", "http://")):
        raise FieldProblem("updateUrl", "must begin with https://")
    if not await Project.exists().where(Project.id == project_id):
        raise FieldProblem("slug", "is that of no project", ProblemKind.UNKNOWN)
    text = None if version is None else msgspec.json.encode(version).decode()
    await Project.update({Project.latest_version: text}).where(Project.id == project_id)


def _texts(version: LatestVersion) -> tuple[tuple[str, str, int], ...]:
    return ("version", version.latest_version, 100), ("releaseDate", version.release_date, 100), ("updateUrl", version.update_url, 1_000)
