"""Periods with sampled events, whose figures are estimates."""

from __future__ import annotations

from itertools import pairwise

from server.event import DAY, HOUR
from server.questions.answer import QuestionWarning
from server.questions.periods import Period
from server.questions.sql import Sql, read
from server.storage.engine import Store
from server.storage.rollups import DAILY, DAILY_SPREAD, HOURLY_SPREAD

_SAMPLED = "Clients sent only a sample of the events of this period."
_MESSAGES = {
    "installs": f"{_SAMPLED} Counts of events are estimates; installs that sent no event are missing.",
    "durations": f"{_SAMPLED} Percentiles and means are estimates, for which no interval is computed.",
    "paths": f"{_SAMPLED} Paths are not weighted: they count the events that were sent, and lack those that were not.",
    "charts": f"{_SAMPLED} Counts of events and durations are estimates; `ask` gives their intervals. Installs that sent no event are missing.",
}


async def is_sampled(store: Store, project: int, period: Period) -> bool:
    """Return whether a project has sampled events on the days of a period."""
    days = f"day BETWEEN {period.first_day} AND {period.last_day}"
    query = f"SELECT 1 AS there FROM {DAILY_SPREAD.table} WHERE project_id = {project} AND {days} LIMIT 1"
    return bool(await read(store, Sql(query)))


async def mean_weights(store: Store, project: int, period: Period, starts: list[int]) -> list[float]:
    """Return the mean weight of a project's events in each step of a period, by days: Σw² / Σw; 1 for a step without sampled events."""
    days = f"WHERE project_id = {project} AND day BETWEEN {period.first_day} AND {period.last_day}"
    hours = f"WHERE project_id = {project} AND hour BETWEEN {period.first_day * 24} AND {period.last_day * 24 + 23}"
    (sampled,) = await read(store, Sql(f"SELECT MIN(hour) AS first, MAX(hour) AS last FROM {HOURLY_SPREAD.table} {hours}"))
    if sampled["first"] is None:
        return [1.0] * len(starts)
    spreads = await _by_day(store, f"SELECT day, SUM(spread) AS total FROM {DAILY_SPREAD.table} {days} GROUP BY day")
    events = await _by_day(store, f"SELECT day, SUM(events) AS total FROM {DAILY.table} {days} GROUP BY day")
    found: list[float] = []
    for start, end in pairwise([*starts, period.end]):
        is_sampled = start < (sampled["last"] + 1) * HOUR and end > sampled["first"] * HOUR
        step = range(start // DAY, (end - 1) // DAY + 1) if is_sampled else ()
        found.append(1 + sum(spreads.get(day, 0) for day in step) / (sum(events.get(day, 0) for day in step) or 1))
    return found


async def _by_day(store: Store, query: str) -> dict[int, int]:
    return {row["day"]: int(row["total"]) for row in await read(store, Sql(query))}


async def warnings(store: Store, project: int, period: Period, *kinds: str) -> list[QuestionWarning]:
    """Return a warning for each kind of figures of a period with sampled events: `installs`, `durations`, `paths` or `charts`."""
    if not kinds or not await is_sampled(store, project, period):
        return []
    return [QuestionWarning(kind, _MESSAGES[kind], []) for kind in kinds]
