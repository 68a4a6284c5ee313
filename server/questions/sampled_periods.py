"""Periods with sampled events, whose figures are estimates."""

from __future__ import annotations

from server.questions.answer import QuestionWarning
from server.questions.periods import Period
from server.questions.sql import Sql, read
from server.storage.engine import Store
from server.storage.rollups import DAILY_SPREAD

_MESSAGE = "Clients sent only a sample of the events of this period. Counts of events are estimates; installs of which no event was sent are missing."


async def is_sampled(store: Store, project: int, period: Period) -> bool:
    """Return whether a project has sampled events on the days of a period."""
    days = f"day BETWEEN {period.first_day} AND {period.last_day}"
    query = f"SELECT 1 AS there FROM {DAILY_SPREAD.table} WHERE project_id = {project} AND {days} LIMIT 1"
    return bool(await read(store, Sql(query)))


async def warnings(store: Store, project: int, period: Period) -> list[QuestionWarning]:
    """Return a warning for figures of installs of a period with sampled events."""
    return [QuestionWarning("installs", _MESSAGE, [])] if await is_sampled(store, project, period) else []
