"""Exact counts of active installs from sums. `server.storage.commit.activity` explains why these add up for any period.

They answer only questions about whole days and a counted audience (`countable`); all other questions read days of activity or events.
"""

from __future__ import annotations

import itertools

from server.analytics.filters import Filter
from server.analytics.measures import Installs, installs
from server.event import PEOPLE, Environment
from server.questions.facts import kept_since
from server.questions.rollup_facts import Audiences, audiences
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.rollups import EVERYONE, NOT_YET

# For each day and number of days since the previous active day, the installs that were active on the day.
Gaps = list[tuple[int, int, int]]


def countable(filter_: Filter) -> Audiences | None:
    """Return the audiences whose sums answer a question, or None if sums cannot."""
    return audiences(filter_.conditions) if filter_.period.whole_days else None


async def complete_since(store: Store, filter_: Filter) -> int | None:
    """The time (epoch ms) from which on all events are kept that a filter needs; None if none of its period were deleted.

    Rollups outlive raw events. If a filter needs raw events, its figures begin with the first day of which all raw events are kept.
    """
    since = None if countable(filter_) else await kept_since(store, filter_.project)
    return since if since is not None and filter_.period.start < since else None


async def known(store: Store, filter_: Filter, counted: Audiences) -> Installs:
    """Installs first seen by the period's end, active or only reported. Those that had run in an environment of people by then are people's."""
    last = filter_.period.last_day
    then = f"first_day <= {last} AND (audience = {EVERYONE} OR day <= {last} OR day = {NOT_YET})"
    (row,) = await read(store, _of(filter_, "rollup_arrival", "", counted, then))
    return installs(row)


async def by_environment(store: Store, filter_: Filter) -> dict[str, Installs]:
    """Active installs of the period by environment. An install counts in each environment in which it was active."""
    first, last = filter_.period.first_day, filter_.period.last_day
    rows = await store.rows(
        "SELECT audience, SUM(installs) AS installs FROM rollup_active WHERE project_id = {} AND day BETWEEN {} AND {} AND earlier < {}"
        " AND audience >= 0 GROUP BY audience",
        *(filter_.project, first, last, first),
    )
    allowed = filter_.allowed
    return {
        Environment(row["audience"]).word: Installs(int(row["installs"]), int(row["installs"]) if row["audience"] in PEOPLE else 0)
        for row in rows
        if row["installs"] and (allowed is None or row["audience"] in allowed)
    }


async def gaps(store: Store, filter_: Filter, counted: Audiences, longest: int) -> tuple[Gaps, Gaps]:
    """The active days of all installs and of people's, in the period and the days that its first day looks back on; no gap is above `longest`."""
    columns = f"day, CASE WHEN day - earlier < {longest} THEN day - earlier ELSE {longest} END AS gap"
    where = f"day BETWEEN {filter_.period.first_day - longest + 1} AND {filter_.period.last_day}"
    rows = await read(store, _of(filter_, "rollup_active", columns, counted, where))
    everyone, people = ([(row["day"], row["gap"], int(row[column])) for row in rows] for column in ("everyone", "people"))
    return everyone, people


def in_windows(gaps: Gaps, first: int, days: int, window: int) -> list[int]:
    """Installs active in the `window` days that end with a day, for some days from the first one on.

    An active day counts in the windows that end less than `window` days after it, except where the previous active day counts already.
    """
    start = first - window
    changes = [0] * (days + 2 * window + 1)
    for day, gap, number in gaps:
        if (place := day - start) > 0:
            changes[place + window - gap if gap < window else place] += number
            changes[place + window] -= number
    return list(itertools.accumulate(changes))[window : window + days]


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
    """Sums of a table of installs, as `measures.installs` reads them, perhaps grouped by two columns."""
    everyone, people = (
        "0" if audience is None else f"COALESCE(SUM(CASE WHEN audience = {audience} THEN installs ELSE 0 END), 0)" for audience in counted
    )
    audiences = ", ".join(str(audience) for audience in set(counted) - {None})
    named, group = (f"{by}, ", " GROUP BY 1, 2") if by else ("", "")
    return sql(
        f"SELECT {named}{everyone} AS everyone, {people} AS people FROM {table} WHERE project_id = {filter_.project} AND {where}"
        f" AND audience IN ({audiences}){group}"
    )
