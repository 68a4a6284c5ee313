"""The latest version of each project's tool, as announced by its admin. Clients query it to notify their users of updates."""

from __future__ import annotations

import msgspec

from server.storage.projects.validation import FieldProblem, ProblemKind
from server.storage.tables import Project


class LatestVersion(msgspec.Struct, frozen=True):
    """The response of `GET /v1/version/latest`. `release_date` is free text, such as `2026-11-20`; `critical` marks an urgent update."""

    latest_version: str
    release_date: str
    update_url: str
    critical: bool = False


async def latest_version(project_id: int) -> LatestVersion | None:
    """Return the announced version, or None."""
    row = await Project.select(Project.latest_version).where(Project.id == project_id).first()
    text = row["latest_version"] if row else None
    return None if text is None else msgspec.json.decode(text, type=LatestVersion)


async def announce(project_id: int, version: LatestVersion | None) -> None:
    """Announce a version, or withdraw the announcement. Raises ProjectError if there is no such project or a field is invalid."""
    if version is not None and not version.latest_version.strip():
        raise FieldProblem("version", "must not be empty; an example is 1.4.0")
    for field, line, most in () if version is None else _texts(version):
        if len(line) > most or not line.isprintable():
            raise FieldProblem(field, f"must be a single line of at most {most} characters")
    if version is not None and version.update_url and not version.update_url.startswith(("https://", "http://")):
        raise FieldProblem("updateUrl", "must begin with https://")
    if not await Project.exists().where(Project.id == project_id):
        raise FieldProblem("slug", "is not the slug of a project", ProblemKind.UNKNOWN)
    text = None if version is None else msgspec.json.encode(version).decode()
    await Project.update({Project.latest_version: text}).where(Project.id == project_id)


def _texts(version: LatestVersion) -> tuple[tuple[str, str, int], ...]:
    return ("version", version.latest_version, 100), ("releaseDate", version.release_date, 100), ("updateUrl", version.update_url, 1_000)
