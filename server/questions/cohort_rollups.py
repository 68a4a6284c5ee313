"""Weekly cohorts of installs by their first week, from rollups. These outlive events, and do not grow with their number."""

from __future__ import annotations

from server.questions.periods import Period
from server.questions.rollup_facts import Audiences
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store

# For each cohort (the day of its Monday) the number of its installs; for each cohort and week those active in it. All, and people's.
Sizes = dict[int, list[int]]
Weeks = dict[tuple[int, int], list[int]]


async def cohorts(store: Store, project: int, period: Period, counted: Audiences) -> tuple[Sizes, Weeks]:
    """The cohorts of a period of whole weeks: installs that were active in it, and those active in each week."""
    first, last = period.first_day, period.last_day
    monday = "(first_day - (first_day + 3) % 7)"
    arrived = f"first_day BETWEEN {first} AND {last} AND day <= {last}"
    active = f"cohort BETWEEN {first} AND {last} AND week BETWEEN {first} AND {last}"
    sizes = await read(store, _sums("rollup_arrival", f"{monday} AS cohort", project, arrived, counted))
    weeks = await read(store, _sums("rollup_cohort", "cohort, week", project, active, counted))
    return (
        {row["cohort"]: [int(row["everyone"]), int(row["humans"])] for row in sizes},
        {(row["cohort"], row["week"]): [int(row["everyone"]), int(row["humans"])] for row in weeks},
    )


def _sums(table: str, key: str, project: int, where: str, counted: Audiences) -> Sql:
    everyone, humans = (
        "0" if audience is None else f"SUM(CASE WHEN audience = {audience} THEN installs ELSE 0 END)" for audience in counted
    )
    listed = ", ".join(str(audience) for audience in set(counted) - {None})
    number = ", ".join(str(place + 1) for place in range(key.count(",") + 1))
    return sql(
        f"SELECT {key}, {everyone} AS everyone, {humans} AS humans FROM {table} WHERE project_id = {project} AND {where}",
        f" AND audience IN ({listed}) GROUP BY {number}",
    )
