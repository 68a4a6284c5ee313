"""Exact counts of active installs from sums. `server.storage.commit.activity` explains why these add up for any period.

They answer only questions about whole days and a counted audience (`countable`); all other questions read days of activity or events.
"""

from __future__ import annotations

from server.analytics.filters import Filter
from server.analytics.measures import Installs, installs
from server.event import PEOPLE
from server.questions.rollup_facts import Audiences, audiences
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.rollups import EVERYONE, NOT_YET


def countable(filter_: Filter) -> Audiences | None:
    """Return the audiences whose sums answer a question, or None if sums cannot."""
    return audiences(filter_.conditions) if filter_.period.whole_days else None


async def known(store: Store, filter_: Filter, counted: Audiences) -> Installs:
    """Installs first seen by the period's end, active or only reported. Those that had run in an environment of people by then are people's."""
    last = filter_.period.last_day
    then = f"first_day <= {last} AND (audience = {EVERYONE} OR day <= {last} OR day = {NOT_YET})"
    (row,) = await read(store, _of(filter_, "rollup_arrival", "", counted, then))
    return installs(row)


async def by_environment(store: Store, filter_: Filter) -> dict[int, Installs]:
    """Active installs of the period by environment. An install counts in each environment in which it was active."""
    first, last = filter_.period.first_day, filter_.period.last_day
    rows = await store.rows(
        "SELECT audience, SUM(installs) AS installs FROM rollup_active WHERE project_id = {} AND day BETWEEN {} AND {} AND earlier < {}"
        " AND audience >= 0 GROUP BY audience",
        *(filter_.project, first, last, first),
    )
    allowed = filter_.allowed
    return {
        row["audience"]: Installs(int(row["installs"]), int(row["installs"]) if row["audience"] in PEOPLE else 0)
        for row in rows
        if row["installs"] and (allowed is None or row["audience"] in allowed)
    }


async def rolling(store: Store, filter_: Filter, counted: Audiences, days: int, window: int) -> list[Installs]:
    """For each of the first `days` days of the period: installs active in the `window` days that end with it.

    An active day of an install counts in the windows that end less than `window` days after it, except where the previous active day counts already.
    """
    first = filter_.period.first_day
    start = max(0, first - window + 1)
    came = f"(CASE WHEN earlier + {window} > day THEN earlier + {window} ELSE day END)"
    where = f"day >= {start} AND day <= {filter_.period.last_day}"
    changes = [[0, 0] for _ in range(first + days - start)]
    for at, sign in ((came, 1), (f"(day + {window})", -1)):
        for row in await read(store, _of(filter_, "rollup_active", at, counted, where)):
            if (place := row["step"] - start) < len(changes):
                changes[place][0] += sign * int(row["everyone"])
                changes[place][1] += sign * int(row["people"])
    counts, everyone, people = [], 0, 0
    for change in changes:
        everyone, people = everyone + change[0], people + change[1]
        counts.append(Installs(everyone, people))
    return counts[first - start :]


async def versions(store: Store, filter_: Filter, audience: int) -> dict[tuple[str, int], int]:
    """Installs of an audience by the last version that they ran on each day, and the index of that day in the period."""
    first, last = filter_.period.first_day, filter_.period.last_day
    rows = await store.rows(
        "SELECT version, day, SUM(installs) AS installs FROM rollup_version WHERE project_id = {} AND day BETWEEN {} AND {} AND audience = {}"
        " GROUP BY version, day HAVING SUM(installs) > 0",
        *(filter_.project, first, last, audience),
    )
    return {(row["version"], row["day"] - first): int(row["installs"]) for row in rows}


def _of(filter_: Filter, table: str, by: str, counted: Audiences, where: str) -> Sql:
    """Sums of a table of installs, as `measures.installs` reads them, grouped by an expression named `step` or by columns."""
    everyone, people = (
        "0" if audience is None else f"COALESCE(SUM(CASE WHEN audience = {audience} THEN installs ELSE 0 END), 0)" for audience in counted
    )
    audiences = ", ".join(str(audience) for audience in set(counted) - {None})
    named, group = (f"{by}, ", f" GROUP BY {by}") if "," in by else (f"{by} AS step, ", " GROUP BY 1") if by else ("", "")
    return sql(
        f"SELECT {named}{everyone} AS everyone, {people} AS people FROM {table} WHERE project_id = {filter_.project} AND {where}"
        f" AND audience IN ({audiences}){group}"
    )
