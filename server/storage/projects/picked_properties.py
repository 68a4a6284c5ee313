"""The properties that projects count by value, and which of them are counted completely.

A property is counted with each event from the moment at which its project names it. A job then counts the events that are already stored
(`server.jobs.property_job`); until it has, charts read raw events.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Protocol

from server.clock import epoch_ms
from server.storage.engine import Store
from server.storage.projects.validation import read_list
from server.storage.tables import PickedProperty, Project

_NAME = "INSERT INTO picked_property (project_id, name, named_at) VALUES ({}, {}, {}) ON CONFLICT DO NOTHING"
_COUNTED = "UPDATE picked_property SET counted_at = {} WHERE project_id = {} AND name = {} AND named_at = {}"


class _Reader(Protocol):
    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]: ...


async def rename(project: int, names: list[str], now: int | None = None) -> None:
    """Change the properties of a project. A property that is named again later is recounted, because events in between were not counted."""
    dropped = PickedProperty.delete().where(PickedProperty.project_id == project)
    await (dropped.where(PickedProperty.name.not_in(names)) if names else dropped)
    await _name(project, names, epoch_ms() if now is None else now)


async def sync(now: int) -> None:
    """Repair the table after an interrupted change, and add the properties that projects named in earlier versions."""
    for row in await Project.select(Project.id, Project.dimensions):
        await rename(row["id"], read_list(row["dimensions"]), now)


async def _name(project: int, names: list[str], now: int) -> None:
    known = {row["name"] for row in await PickedProperty.select(PickedProperty.name).where(PickedProperty.project_id == project)}
    for name in names:
        if name not in known:
            await PickedProperty.raw(_NAME, project, name, now)


async def waiting(store: Store, before: int) -> dict[int, dict[str, int]]:
    """Return the properties named before a time whose stored events are not counted yet, by project: their names, and when they were named."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    sql = "SELECT project_id, name, named_at FROM picked_property WHERE counted_at IS NULL AND named_at <= {} ORDER BY project_id, name"
    for row in await store.rows(sql, before):
        found[row["project_id"]][row["name"]] = row["named_at"]
    return dict(found)


async def counted(store: Store, project: int) -> list[str]:
    """Return the properties of a project of which all stored events are counted."""
    rows = await store.rows("SELECT name FROM picked_property WHERE project_id = {} AND counted_at IS NOT NULL", project)
    return [row["name"] for row in rows]


async def counted_by_project(snapshot: _Reader) -> dict[int, tuple[str, ...]]:
    """Return these properties of all projects, as a snapshot has them."""
    found: dict[int, tuple[str, ...]] = {}
    for project, name in await snapshot.rows("SELECT project_id, name FROM picked_property WHERE counted_at IS NOT NULL ORDER BY 1, 2"):
        found[project] = (*found.get(project, ()), name)
    return found


async def note_counted(store: Store, project: int, named: dict[str, int], now: int) -> None:
    """Record that all stored events of properties are counted, unless a property was named again meanwhile."""
    await store.change(*((_COUNTED, (now, project, name, named_at)) for name, named_at in named.items()))
