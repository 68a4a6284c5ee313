"""Answers in the format of two other servers: FlakeDrop's statistics and Track-Skills' tables.

A family's events are recognized by the dialect of their name and install, so that families can share a project and each gets its own figures.
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.analytics.filters import Filter, equals
from server.analytics.measures import rate
from server.analytics.sources import timed_sums
from server.event import DAY
from server.questions.periods import Period, Step, starts
from server.questions.sql import Sql, bound, read, sql
from server.storage.engine import Store
from server.storage.rollups import TIMED

FLAKEDROP, TRACKSKILLS = "flakedrop", "trackskills"
TOOL_CALL, TOOL = "tool_call", "tool"
WEEK = 7


class FlakeDropStats(msgspec.Struct, frozen=True):
    """Statistics of all FlakeDrop events. The breakdowns count users by the newest value that each of them sent."""

    unique_users: int
    total_deployments: int
    successful_deploys: int
    failed_deploys: int
    configs_created: int
    os_breakdown: dict[str, int]
    version_breakdown: dict[str, int]
    total_events: int


class ToolCalls(msgspec.Struct, frozen=True):
    """Calls of one tool, or of all (`tool` is None). Times are in milliseconds; calls that timed out are neither successes nor failures."""

    tool: str | None
    calls: int
    mean_ms: float | None
    successes: int
    failures: int

    @property
    def success_rate(self) -> float | None:
        """The share of successes among calls that succeeded or failed, from 0 to 1; None if there are none."""
        return rate(self.successes, self.failures)


class ToolUsers(msgspec.Struct, frozen=True):
    """Distinct callers of tools on each day of a period (the start of each day in epoch ms), and in the seven days up to the last one."""

    starts: list[int]
    daily: list[int]
    last_week: int


async def flakedrop_stats(store: Store, project: int) -> FlakeDropStats:
    """Counts of all of a project's FlakeDrop events."""
    rows = await store.rows(
        "SELECT event_name.text AS name, SUM(events) AS events, SUM(successes) AS successes, SUM(failures) AS failures"
        " FROM rollup_day JOIN event_name ON event_name.id = rollup_day.name_id"
        " WHERE rollup_day.project_id = {} AND event_name.dialect = {} GROUP BY event_name.text",
        project,
        FLAKEDROP,
    )
    by_name = {row["name"]: row for row in rows}
    deployments = by_name.get("deployment", {"events": 0, "successes": 0, "failures": 0})
    systems, versions = await _users_by(store, project, "os"), await _users_by(store, project, "version")
    return FlakeDropStats(
        unique_users=sum(systems.values()),
        total_deployments=int(deployments["events"]),
        successful_deploys=int(deployments["successes"]),
        failed_deploys=int(deployments["failures"]),
        configs_created=int(by_name["config_created"]["events"]) if "config_created" in by_name else 0,
        os_breakdown={value: users for value, users in systems.items() if value is not None},
        version_breakdown={value: users for value, users in versions.items() if value is not None},
        total_events=sum(int(row["events"]) for row in rows),
    )


async def _users_by(store: Store, project: int, column: str) -> dict[str | None, int]:
    """FlakeDrop's installs by their newest value of a column, most first; None for installs without a value."""
    rows = await store.rows(
        f"SELECT {column} AS value, COUNT(*) AS installs FROM install WHERE project_id = {{}} AND dialect = {{}} GROUP BY {column}",
        project,
        FLAKEDROP,
    )
    return {row["value"]: int(row["installs"]) for row in sorted(rows, key=lambda row: (-row["installs"], row["value"] or ""))}


async def tool_calls(store: Store, project: int, period: Period) -> ToolCalls:
    """All calls of tools in a period."""
    (row,) = await read(store, timed_sums(store, _calls(project, period)))
    return _tool_calls(row)


async def tools(store: Store, project: int, period: Period) -> list[ToolCalls]:
    """The calls of each tool in a period, most first."""
    calls = timed_sums(store, _calls(project, period), "target_id")
    rows = await read(
        store, sql("SELECT facts.*, target.external_id AS tool FROM (", calls, ") AS facts JOIN target ON target.id = facts.value")
    )
    return sorted((_tool_calls(row, row["tool"]) for row in rows), key=lambda calls: (-calls.calls, calls.tool or ""))


async def tool_users(store: Store, project: int, period: Period) -> ToolUsers:
    """Distinct callers: sessions, keys, or addresses of a day, as Track-Skills' clients have no installs."""
    days = starts(period, Step.DAY)
    active = _callers(project, min(period.first_day, period.last_day - WEEK + 1), period.last_day)
    rows = await read(store, sql("SELECT day, COUNT(DISTINCT install_id) AS users FROM (", active, ") AS facts GROUP BY day"))
    by_day = {row["day"]: int(row["users"]) for row in rows}
    return ToolUsers(
        days,
        [by_day.get(start // DAY, 0) for start in days],
        await _distinct(store, _callers(project, period.last_day - WEEK + 1, period.last_day)),
    )


async def tool_callers(store: Store, project: int, period: Period) -> int:
    """Distinct callers in a period."""
    return await _distinct(store, _callers(project, period.first_day, period.last_day))


async def _distinct(store: Store, facts: Sql) -> int:
    (row,) = await read(store, sql("SELECT COUNT(DISTINCT install_id) AS users FROM (", facts, ") AS facts"))
    return int(row["users"])


def _callers(project: int, first: int, last: int) -> Sql:
    return sql(
        "SELECT activity.day, activity.install_id FROM activity JOIN install ON install.id = activity.install_id",
        f" WHERE activity.project_id = {project} AND activity.day BETWEEN {first} AND {last} AND install.dialect = ",
        bound(TRACKSKILLS),
    )


def _calls(project: int, period: Period) -> Filter:
    return Filter(project=project, period=period, where=equals(names=(TOOL_CALL,), target_type=TOOL))


def _tool_calls(row: dict[str, Any], tool: str | None = None) -> ToolCalls:
    calls, successes, failures, timed, duration_us = (int(row[name] or 0) for name in TIMED)
    return ToolCalls(tool, calls, duration_us / timed / 1000 if timed else None, successes, failures)
