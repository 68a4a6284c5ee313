"""Weekly cohorts by first seen from their rollups, which are flat in the number of events and outlive them."""

from __future__ import annotations

from server.event import ENVIRONMENTS, PEOPLE
from server.questions.periods import Period
from server.questions.question import Condition, Op
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.rollups import EVERYONE, PEOPLE_ONLY

# For each cohort (the day of its Monday) the number of its installs; for each cohort and week those active in it. All, and people's.
Sizes = dict[int, list[int]]
Weeks = dict[tuple[int, int], list[int]]


def audiences(where: tuple[Condition, ...]) -> tuple[int, int | None] | None:
    """The audiences of the rollups that count all installs of conditions, and people's; None for conditions that they cannot answer.

    They count everyone, people, and each single environment.
    """
    if any(condition.field != "environment" for condition in where):
        return None
    allowed = {each for word, each in ENVIRONMENTS.items() if all((word in one.values) == (one.op is Op.IS) for one in where)}
    if len(allowed) == len(ENVIRONMENTS):
        return EVERYONE, PEOPLE_ONLY
    if allowed == set(PEOPLE):
        return PEOPLE_ONLY, PEOPLE_ONLY
    if len(allowed) == 1:
        (only,) = allowed
        return int(only), int(only) if only in PEOPLE else None
    return None


async def cohorts(store: Store, project: int, period: Period, counted: tuple[int, int | None]) -> tuple[Sizes, Weeks]:
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


def _sums(table: str, key: str, project: int, where: str, counted: tuple[int, int | None]) -> Sql:
    everyone, humans = (
        "0" if audience is None else f"SUM(CASE WHEN audience = {audience} THEN installs ELSE 0 END)" for audience in counted
    )
    listed = ", ".join(str(audience) for audience in set(counted) - {None})
    number = ", ".join(str(place + 1) for place in range(key.count(",") + 1))
    return sql(
        f"SELECT {key}, {everyone} AS everyone, {humans} AS humans FROM {table} WHERE project_id = {project} AND {where}",
        f" AND audience IN ({listed}) GROUP BY {number}",
    )
