"""The words that a project's events use: what there is to filter by and to choose from, and since when."""

from __future__ import annotations

from collections.abc import Sequence

from server.event import HOUR, Environment
from server.questions.periods import Period
from server.questions.sql import listed, read, sql
from server.storage.engine import Store


async def first_events(store: Store, projects: Sequence[int]) -> dict[int, int]:
    """The hour of the first event of each of some projects that has one, epoch milliseconds. Retention does not move it."""
    first = "(SELECT MIN(hour) FROM rollup_hour WHERE project_id = project.id)"  # which the index knows; of a group it does not
    rows = await read(store, sql(f"SELECT id, {first} AS hour FROM project WHERE id IN (", listed(projects), ")"))
    return {row["id"]: int(row["hour"]) * HOUR for row in rows if row["hour"] is not None}


async def names(store: Store, project: int) -> list[str]:
    """All names of events, as in a dictionary."""
    rows = await store.rows("SELECT text FROM event_name WHERE project_id = {}", project)
    return sorted(row["text"] for row in rows)


async def target_types(store: Store, project: int) -> list[str]:
    """All types of targets."""
    rows = await store.rows("SELECT DISTINCT type FROM target WHERE project_id = {}", project)
    return sorted(row["type"] for row in rows)


async def values(store: Store, project: int, dimension: str, period: Period, *, limit: int = 100) -> list[str]:
    """The values of a dimension of the context (`os`, `version`, …, or `property:name` for a picked one) by their events, most first."""
    rows = await store.rows(
        "SELECT value FROM rollup_dimension WHERE project_id = {} AND day BETWEEN {} AND {} AND dimension = {}"
        " GROUP BY value ORDER BY SUM(events) DESC, value LIMIT {}",
        project,
        period.first_day,
        period.last_day,
        dimension,
        limit,
    )
    return [row["value"] for row in rows]


async def environments(store: Store, project: int, period: Period) -> list[Environment]:
    """The environments that events of a period came from."""
    rows = await store.rows(
        "SELECT DISTINCT environment FROM rollup_day WHERE project_id = {} AND day BETWEEN {} AND {}",
        project,
        period.first_day,
        period.last_day,
    )
    return sorted(Environment(row["environment"]) for row in rows)
