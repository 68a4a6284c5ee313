"""Counts of active installs out of their sums: `server.storage.commit.activity` says why these add up for any period, exactly.

Only questions about whole days and an audience that is counted can be answered so (`countable`); all others look at days of activity or events.
"""

from __future__ import annotations

from typing import NamedTuple

from server.analytics.filters import Filter
from server.analytics.measures import Installs, installs
from server.analytics.sources import conditions
from server.event import PEOPLE
from server.questions.periods import Step
from server.questions.sql import Sql, read, sql, step_of
from server.storage.engine import Store
from server.storage.rollups import EVERYONE, NOT_YET, PEOPLE_ONLY


class Audiences(NamedTuple):
    """The audiences of `rollups` that are counted as all installs and as people's; `people` is None where none of them can be."""

    everyone: int
    people: int | None


def countable(filter_: Filter) -> Audiences | None:
    """Return the audiences whose sums answer a question, or None if sums cannot."""
    return None if conditions(filter_) or filter_.of("name") or not filter_.period.whole_days else audiences(filter_)


def audiences(filter_: Filter) -> Audiences | None:
    """Return the audiences of a filter by its environments alone."""
    allowed = filter_.allowed
    if allowed is None:
        return Audiences(EVERYONE, PEOPLE_ONLY)
    if set(allowed) == set(PEOPLE):
        return Audiences(PEOPLE_ONLY, PEOPLE_ONLY)
    if len(allowed) == 1:
        return Audiences(int(allowed[0]), int(allowed[0]) if allowed[0] in PEOPLE else None)
    return None


async def active(store: Store, filter_: Filter, counted: Audiences) -> Installs:
    """Installs that were active in the period."""
    first, last = filter_.period.first_day, filter_.period.last_day
    (row,) = await read(store, _of(filter_, "rollup_active", "", counted, f"day BETWEEN {first} AND {last} AND earlier < {first}"))
    return installs(row)


async def new(store: Store, filter_: Filter, counted: Audiences) -> Installs:
    """Those of them that were first seen in it."""
    first, last = filter_.period.first_day, filter_.period.last_day
    (row,) = await read(store, _of(filter_, "rollup_arrival", "", counted, f"first_day BETWEEN {first} AND {last} AND day <= {last}"))
    return installs(row)


async def known(store: Store, filter_: Filter, counted: Audiences) -> Installs:
    """All installs that were first seen by the period's end, active or only reported; as people's those of them that had run for one by then."""
    last = filter_.period.last_day
    then = f"first_day <= {last} AND (audience = {EVERYONE} OR day <= {last} OR day = {NOT_YET})"
    (row,) = await read(store, _of(filter_, "rollup_arrival", "", counted, then))
    return installs(row)


async def active_by_step(store: Store, filter_: Filter, counted: Audiences, step: Step, starts: list[int]) -> list[Installs]:
    """Count for each step of the period, as far as it lies in the step."""
    first, last = filter_.period.first_day, filter_.period.last_day
    number = step_of(step, starts)
    # The first of an install's days in a step has its earlier one before the step, or before the period.
    came = f"day BETWEEN {first} AND {last} AND (earlier < {first} OR {step_of(step, starts, 'earlier')} < {number})"
    return _by_step(await read(store, _of(filter_, "rollup_active", number, counted, came)), starts)


async def new_by_step(store: Store, filter_: Filter, counted: Audiences, step: Step, starts: list[int]) -> list[Installs]:
    """Installs that were first seen in the step, and active in it."""
    first, last = filter_.period.first_day, filter_.period.last_day
    number = step_of(step, starts, "first_day")
    came = f"first_day BETWEEN {first} AND {last} AND day <= {last} AND {step_of(step, starts)} = {number}"
    return _by_step(await read(store, _of(filter_, "rollup_arrival", number, counted, came)), starts)


async def by_environment(store: Store, filter_: Filter) -> dict[int, Installs]:
    """Installs that were active in the period, in each environment in which they were."""
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
    """Installs active in the `window` days that end with each of so many days from the period's first.

    A day of an install's counts for the window from that day on, or from when the earlier one has left it, until `window` days later.
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
    """Installs of an audience by the version that they ran last on each day, and the place of that day in the period."""
    first, last = filter_.period.first_day, filter_.period.last_day
    rows = await store.rows(
        "SELECT version, day, SUM(installs) AS installs FROM rollup_version WHERE project_id = {} AND day BETWEEN {} AND {} AND audience = {}"
        " GROUP BY version, day HAVING SUM(installs) > 0",
        *(filter_.project, first, last, audience),
    )
    return {(row["version"], row["day"] - first): int(row["installs"]) for row in rows}


def _of(filter_: Filter, table: str, by: str, counted: Audiences, where: str) -> Sql:
    """Sums of a table of installs, as `measures.installs` reads them; by an expression that is called `step`, or by columns."""
    everyone, people = (
        "0" if audience is None else f"COALESCE(SUM(CASE WHEN audience = {audience} THEN installs ELSE 0 END), 0)" for audience in counted
    )
    audiences = ", ".join(str(audience) for audience in set(counted) - {None})
    named, group = (f"{by}, ", f" GROUP BY {by}") if "," in by else (f"{by} AS step, ", " GROUP BY 1") if by else ("", "")
    return sql(
        f"SELECT {named}{everyone} AS everyone, {people} AS people FROM {table} WHERE project_id = {filter_.project} AND {where}"
        f" AND audience IN ({audiences}){group}"
    )


def _by_step(rows: list[dict[str, int]], starts: list[int]) -> list[Installs]:
    found = [Installs()] * len(starts)
    for row in rows:
        found[row["step"]] = installs(row)
    return found
