"""Scores of trending targets. A job computes them into a table, from which all queries read.

The score of a target is the sum of its events by day, weighted by kind, and halved for each half-life since:

    score = sum over days of  weight(kind) * events * 2 ** (-age in days / half-life)

This is exponential decay over daily counts; see Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming Systems" (ICDE 2009).
Only events in environments of people count (`server.event.PEOPLE`): CI, containers, developers and tests do not make a target popular.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from piccolo.querystring import QueryString

from server.event import DAY, PEOPLE
from server.storage.engine import Store


@dataclass(frozen=True, slots=True)
class Window:
    """A number of days including today, and the half-life of an event in days."""

    days: int
    half_life: float


WINDOWS = (Window(7, 2.0), Window(30, 7.0))

# The weight of an event by its name; all other names have weight 1.
WEIGHTS = {
    "view": 1.0, "preview": 1.0, "copy": 3.0, "download": 4.0, "template_use": 5.0, "builder_export": 5.0, "favorite": 4.0,
    "unfavorite": -4.0, "comment": 4.0, "vote_up": 3.0, "vote_down": -3.0,
}  # fmt: skip
KEPT = 1_000  # targets of one type, project and window
_ROWS_A_STATEMENT = 500


async def refresh_trending(store: Store, now: int) -> int:
    """Compute the scores of all projects and return the number of trending targets. `now` is in epoch milliseconds.

    A reader computes the sums. The writer is held for one project and window at a time, only to replace the rows.
    """
    projects = await store.rows("SELECT id FROM project WHERE archived_at IS NULL ORDER BY id")
    return sum([await _refresh(store, int(project["id"]), window, now) for project in projects for window in WINDOWS])


async def _refresh(store: Store, project: int, window: Window, now: int) -> int:
    sql, arguments = _scores(project, window, now // DAY)
    scores = await store.rows(sql, *arguments)
    rows = [(project, window.days, row["target_id"], float(row["score"]), int(row["events"]), now) for row in scores]
    delete = QueryString("DELETE FROM trending WHERE project_id = {} AND window_days = {}", project, window.days)
    async with store.engine.transaction():
        await store.engine.run_querystring(delete)
        for first in range(0, len(rows), _ROWS_A_STATEMENT):
            chunk = rows[first : first + _ROWS_A_STATEMENT]
            marks = ", ".join(["({}, {}, {}, {}, {}, {})"] * len(chunk))
            insert = f"INSERT INTO trending (project_id, window_days, target_id, score, events, refreshed_at) VALUES {marks}"
            await store.engine.run_querystring(QueryString(insert, *itertools.chain.from_iterable(chunk)))
    return len(rows)


def _scores(project: int, window: Window, today: int) -> tuple[str, list[object]]:
    """Return a query for the best targets of each type. Decay factors are literals, since SQLite may lack a power function."""
    decays = " ".join(f"WHEN {today - age} THEN {2 ** (-age / window.half_life):.12f}" for age in range(window.days))
    weights = " ".join("WHEN {} THEN " + str(weight) for weight in WEIGHTS.values())
    sql = f"""
        SELECT target_id, score, events FROM (
            SELECT scored.target_id, scored.score, scored.events,
                ROW_NUMBER() OVER (PARTITION BY target.type ORDER BY scored.score DESC, target.id) AS place
            FROM (
                SELECT day.target_id, SUM(day.events) AS events,
                    SUM(day.events * (CASE day.day {decays} END) * (CASE event_name.text {weights} ELSE 1.0 END)) AS score
                FROM rollup_target_day AS day JOIN event_name ON event_name.id = day.name_id
                WHERE day.project_id = {{}} AND day.day BETWEEN {today - window.days + 1} AND {today}
                    AND day.environment IN ({", ".join(str(int(environment)) for environment in PEOPLE)})
                GROUP BY day.target_id
            ) AS scored
            JOIN target ON target.id = scored.target_id
            WHERE scored.score > 0 AND target.visibility <> 'private'
        ) AS ranked WHERE place <= {KEPT}"""
    return sql, [*WEIGHTS, project]
