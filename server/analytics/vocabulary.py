"""The values in a project's events, for filters and lists of choices, and the time of its first event."""

from __future__ import annotations

from collections.abc import Sequence

from server.event import HOUR, Environment
from server.questions.periods import Period
from server.questions.rollup_facts import rows_of_dimension
from server.questions.sql import bound, listed, read, sql
from server.storage.engine import Store


async def first_events(store: Store, projects: Sequence[int]) -> dict[int, int]:
    """The hour of each project's first event in epoch milliseconds; projects without events are left out. Retention does not change it."""
    first = "(SELECT MIN(hour) FROM rollup_hour WHERE project_id = project.id)"  # answered by the index, unlike GROUP BY
    rows = await read(store, sql(f"SELECT id, {first} AS hour FROM project WHERE id IN (", listed(projects), ")"))
    return {row["id"]: int(row["hour"]) * HOUR for row in rows if row["hour"] is not None}


async def names(store: Store, project: int) -> list[str]:
    """All names of events, in alphabetical order."""
    rows = await store.rows("SELECT text FROM event_name WHERE project_id = {}", project)
    return sorted(row["text"] for row in rows)


async def target_types(store: Store, project: int) -> list[str]:
    """All types of targets."""
    rows = await store.rows("SELECT DISTINCT type FROM target WHERE project_id = {}", project)
    return sorted(row["type"] for row in rows)


async def values(store: Store, project: int, dimension: str, period: Period, *, limit: int = 100) -> list[str]:
    """The values of a dimension of the context (`os`, `version`, …, or `property:name` for a picked one), those with the most events first."""
    counted = rows_of_dimension(project, period, dimension)
    rows = await read(store, sql("SELECT value FROM ", counted, " GROUP BY value ORDER BY SUM(events) DESC, value LIMIT ", bound(limit)))
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
