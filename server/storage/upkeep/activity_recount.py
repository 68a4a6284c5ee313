"""Recounts active installs from all days of activity, in SQL: to compare the counts, to rebuild them, and to remove an install from them.

`server.storage.commit.activity` describes the counts and updates them day by day. This module shares only the tables with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.event import DAY, PEOPLE, Environment
from server.storage.changes import Snapshot
from server.storage.rollups import (
    ACTIVE,
    ARRIVAL,
    AUDIENCES_OF,
    COHORT,
    EVERYONE,
    NEVER,
    NOT_YET,
    OF_ACTIVITY,
    PEOPLE_ONLY,
    UNKNOWN_LAST,
    VERSION_DAY,
    Rollup,
)
from server.storage.statements import on_conflict_add

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """A filter of installs: conditions on `activity` and on `install` with their arguments. It must include all activity of its installs."""

    activity: str
    installs: str
    of_activity: tuple[Any, ...]
    of_installs: tuple[Any, ...]


_PEOPLE = ", ".join(str(int(environment)) for environment in PEOPLE)
# Each day of an install, once per audience. `{activity}` is a condition on `activity`.
_MEMBERS = f"""these AS (SELECT project_id, install_id, day, environment, version FROM activity WHERE {{activity}}),
    members AS (
        SELECT project_id, install_id, day, environment AS audience FROM these
        UNION SELECT project_id, install_id, day, {EVERYONE} FROM these
        UNION SELECT project_id, install_id, day, {PEOPLE_ONLY} FROM these WHERE environment IN ({_PEOPLE}))"""
_MONDAY = "({day} - ({day} + 3) % 7)"
_SEEN = f"(install.first_seen / {DAY})"
_UNKNOWN = " UNION ALL ".join(f"SELECT {audience} AS audience" for audience in AUDIENCES_OF[Environment.UNKNOWN])
_COUNTS = {
    ACTIVE: f"""SELECT project_id, day, earlier, audience, COUNT(*) AS installs FROM (
        SELECT project_id, day, audience, COALESCE(LAG(day) OVER (PARTITION BY install_id, audience ORDER BY day), {NEVER}) AS earlier
        FROM members) AS linked GROUP BY project_id, day, earlier, audience""",
    ARRIVAL: f"""SELECT came.project_id, {_SEEN} AS first_day, came.day, audience, COUNT(*) AS installs FROM (
        SELECT project_id, install_id, audience, MIN(day) AS day FROM members GROUP BY project_id, install_id, audience) AS came
        JOIN install ON install.id = came.install_id GROUP BY came.project_id, {_SEEN}, came.day, audience
        UNION ALL SELECT project_id, {_SEEN}, {NOT_YET}, audience, COUNT(*) FROM install CROSS JOIN ({_UNKNOWN}) AS audiences
        WHERE {{installs}} AND install.id NOT IN (SELECT install_id FROM these) GROUP BY project_id, {_SEEN}, audience""",
    COHORT: f"""SELECT weeks.project_id, {_MONDAY.format(day=_SEEN)} AS cohort, week, audience, COUNT(*) AS installs FROM (
        SELECT DISTINCT project_id, install_id, audience, {_MONDAY.format(day="day")} AS week FROM members) AS weeks
        JOIN install ON install.id = weeks.install_id GROUP BY weeks.project_id, {_MONDAY.format(day=_SEEN)}, week, audience""",
    VERSION_DAY: f"""SELECT project_id, day, version, audience, COUNT(*) AS installs FROM (
        SELECT project_id, day, version, audience, ROW_NUMBER() OVER (PARTITION BY install_id, day, audience
            ORDER BY CASE WHEN environment = 0 THEN {UNKNOWN_LAST} ELSE environment END) AS place
        FROM (SELECT these.*, environment AS audience FROM these UNION ALL SELECT these.*, {EVERYONE} FROM these
            UNION ALL SELECT these.*, {PEOPLE_ONLY} FROM these WHERE environment IN ({_PEOPLE})) AS ran
        WHERE version IS NOT NULL) AS placed WHERE place = 1 GROUP BY project_id, day, version, audience""",
}
_LINKED = f"""SELECT project_id, install_id, day, earlier, COALESCE(LAG(day) OVER (PARTITION BY install_id ORDER BY day), {NEVER}) AS before
    FROM (SELECT project_id, install_id, day, MIN(earlier) AS earlier FROM activity WHERE project_id = {{}}
        GROUP BY project_id, install_id, day) AS days"""
_LAST = f"""SELECT install_id, MAX(day) AS day, MAX(CASE WHEN environment IN ({_PEOPLE}) THEN day END) AS people
    FROM activity WHERE project_id = {{}} GROUP BY install_id"""


def of_project(project: int) -> ActivityFilter:
    """Return the filter for all installs of a project."""
    return ActivityFilter("project_id = {}", "install.project_id = {}", (project,), (project,))


def counted(rollup: Rollup, which: ActivityFilter) -> Statement:
    """Return a query that recounts one of `OF_ACTIVITY`."""
    query = f"WITH {_MEMBERS.format(activity=which.activity)} {_COUNTS[rollup].format(installs=which.installs)}"
    return query, (*which.of_activity, *(which.of_installs if rollup is ARRIVAL else ()))


def removal_statements(which: ActivityFilter, project: int) -> list[Statement]:
    """Return statements that subtract installs from the counts. Run them in the transaction that deletes their activity, before the deletion."""
    statements: list[Statement] = []
    for rollup in OF_ACTIVITY:
        query, arguments = counted(rollup, which)
        key = ", ".join(rollup.key)
        negative = f"SELECT {key}, -installs FROM ({query}) AS gone WHERE true"
        insert = f"INSERT INTO {rollup.table} ({key}, installs) {negative} {on_conflict_add(rollup)}"
        statements += [(insert, arguments), (f"DELETE FROM {rollup.table} WHERE project_id = {{}} AND installs = 0", (project,))]
    return statements


def rebuild_statements(project: int) -> list[Statement]:
    """Return statements that rebuild all counts of a project's active installs. A million days of activity hold the writer for seconds."""
    statements: list[Statement] = [
        (
            f"""UPDATE activity SET earlier = linked.before FROM ({_LINKED}) AS linked WHERE activity.project_id = linked.project_id
                AND activity.day = linked.day AND activity.install_id = linked.install_id AND activity.earlier <> linked.before""",
            (project,),
        ),
        (f"UPDATE install SET first_day = first_seen / {DAY}, active_day = NULL, people_day = NULL WHERE project_id = {{}}", (project,)),
        (
            f"UPDATE install SET active_day = last.day, people_day = last.people FROM ({_LAST}) AS last WHERE install.id = last.install_id",
            (project,),
        ),
    ]
    for rollup in OF_ACTIVITY:
        query, arguments = counted(rollup, of_project(project))
        columns = ", ".join((*rollup.key, *rollup.measures))
        statements += [
            (f"DELETE FROM {rollup.table} WHERE project_id = {{}}", (project,)),
            (f"INSERT INTO {rollup.table} ({columns}) {query}", arguments),
        ]
    return statements


async def at_most(snapshot: Snapshot, project: int, days: int) -> bool:
    """Return True if a project's installs have at most `days` days of activity in total."""
    ((found,),) = await snapshot.rows(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM activity WHERE project_id = {{}} LIMIT {days + 1}) AS first_ones", project
    )
    return int(found) <= days


async def differences(snapshot: Snapshot, project: int) -> dict[str, int]:
    """Return the number of rows that differ from a project's activity, by table. Tables without differences are left out."""
    found: dict[str, int] = {}
    for rollup in OF_ACTIVITY:
        columns = ", ".join((*rollup.key, *rollup.measures))
        stored = set(await snapshot.rows(f"SELECT {columns} FROM {rollup.table} WHERE project_id = {{}} AND installs <> 0", project))
        query, arguments = counted(rollup, of_project(project))
        found[rollup.table] = len(stored ^ set(await snapshot.rows(query, *arguments)))
    ((found["activity_earlier"],),) = await snapshot.rows(f"SELECT COUNT(*) FROM ({_LINKED}) AS linked WHERE earlier <> before", project)
    ((found["install_days"],),) = await snapshot.rows(
        f"SELECT COUNT(*) FROM install LEFT JOIN ({_LAST}) AS last ON last.install_id = install.id WHERE install.project_id = {{}} AND ("
        f"active_day IS DISTINCT FROM last.day OR people_day IS DISTINCT FROM last.people OR first_day IS DISTINCT FROM first_seen / {DAY})",
        *(project, project),
    )
    return {table: rows for table, rows in found.items() if rows}
