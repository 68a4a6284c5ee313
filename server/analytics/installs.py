"""Active, new and returning installs, and the versions that they run."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from server.analytics import active
from server.analytics.active import countable
from server.analytics.answer_cache import reused
from server.analytics.filters import Filter, asked
from server.analytics.measures import Installs, by_step, share
from server.analytics.release_choice import choose
from server.analytics.sources import activity, for_both
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions.figures import figures
from server.questions.periods import LONGEST, Period, Step, starts
from server.questions.question import Measure
from server.questions.sql import read, sql, step_of
from server.storage.engine import Store

WEEK, MONTH = 7, 30  # days that a weekly and a monthly active install looks back


class ActiveUsers(msgspec.Struct, frozen=True):
    """Parallel lists, an entry for each day (its beginning in epoch ms): installs active on the day, in the seven days that end with it,
    and in the thirty. `stickiness` is that day's share of the month's (DAU / MAU), None where the month had none."""

    starts: list[int]
    daily_all: list[int]
    daily_people: list[int]
    weekly_all: list[int]
    weekly_people: list[int]
    monthly_all: list[int]
    monthly_people: list[int]
    stickiness_all: list[float | None]
    stickiness_people: list[float | None]


class NewAndReturning(msgspec.Struct, frozen=True):
    """Parallel lists, an entry for each step: active installs that were first seen in that step (as far as it lies in the period), and those
    that were known before."""

    starts: list[int]
    new_all: list[int]
    new_people: list[int]
    returning_all: list[int]
    returning_people: list[int]


class Adoption(msgspec.Struct, frozen=True):
    """One version: how many installs ran it, an entry for each of the answer's steps. `version` is None for all versions that are not
    named, taken together.

    `failure_rate` (0 to 1) is of the period's events that say how they ended, None where none does; `stands_out` is set where it is far
    above that of all other versions.
    """

    version: str | None
    all: list[int]
    people: list[int]
    failure_rate: float | None = None
    stands_out: bool = False


class VersionAdoption(msgspec.Struct, frozen=True):
    """Versions by how many ran them in all steps together, most first; each install counts once a step, under the last version it ran
    in it. Installs that never said are left out. `release_choice` tells which versions have a name of their own."""

    starts: list[int]
    versions: list[Adoption]


async def active_users(store: Store, filter_: Filter) -> ActiveUsers:
    """Daily, weekly and monthly active installs. Raises BadQuery for a period that is not whole days."""
    beginnings = starts(_whole_days(filter_), Step.DAY)
    if counted := countable(filter_):
        windows = [await active.rolling(store, filter_, counted, len(beginnings), window) for window in (1, WEEK, MONTH)]
        return _active_users(beginnings, *windows)
    everyone, people = await for_both(filter_, lambda asked: _rolling(store, asked, len(beginnings)))
    return _active_users(beginnings, *(list(map(Installs, *pairs)) for pairs in zip(everyone, people, strict=True)))


def _active_users(beginnings: list[int], daily: list[Installs], weekly: list[Installs], monthly: list[Installs]) -> ActiveUsers:
    return ActiveUsers(
        starts=beginnings,
        daily_all=[count.all for count in daily],
        daily_people=[count.people for count in daily],
        weekly_all=[count.all for count in weekly],
        weekly_people=[count.people for count in weekly],
        monthly_all=[count.all for count in monthly],
        monthly_people=[count.people for count in monthly],
        stickiness_all=[share(day.all, month.all) for day, month in zip(daily, monthly, strict=True)],
        stickiness_people=[share(day.people, month.people) for day, month in zip(daily, monthly, strict=True)],
    )


class _Rolling(NamedTuple):
    daily: list[int]
    weekly: list[int]
    monthly: list[int]


async def _rolling(store: Store, filter_: Filter, days: int) -> _Rolling:
    """Installs active on each day, and in the 7 and 30 days that end with it.

    An install becomes one of the window's on a day before which it was away for the window's length, and stops being one that many days
    after the last before it goes away. So one look at each of its days, with the one before and the one after, is enough.
    """
    first = filter_.period.first_day
    if days > LONGEST - MONTH + 1:
        message = f"must have at most {LONGEST - MONTH + 1} days with these filters, because each day looks back on {MONTH}"
        raise BadQuery(FieldError("period", message))
    earlier = Period(max(0, first - MONTH + 1) * DAY, filter_.period.end)
    windows = ", ".join(
        f"SUM(CASE WHEN earlier IS NULL OR day - earlier >= {window} THEN 1 ELSE 0 END) AS came{window}, "
        f"SUM(CASE WHEN later IS NULL OR later - day >= {window} THEN 1 ELSE 0 END) AS went{window}"
        for window in (WEEK, MONTH)
    )
    around = (
        "LAG(day) OVER (PARTITION BY install_id ORDER BY day) AS earlier, LEAD(day) OVER (PARTITION BY install_id ORDER BY day) AS later"
    )
    rows = await read(
        store,
        sql(
            f"SELECT day, COUNT(*) AS active, {windows} FROM (SELECT day, {around} FROM (SELECT DISTINCT install_id, day FROM (",
            activity(store, filter_.during(earlier)),
            ") AS facts) AS days) AS neighbours GROUP BY day",
        ),
    )
    by_day = {row["day"]: row for row in rows}
    daily = [int(by_day[day]["active"]) if day in by_day else 0 for day in range(first, first + days)]
    rolled = []
    for window in (WEEK, MONTH):
        counts, active = [], 0
        for day in range(earlier.first_day, first + days):
            active += int(by_day[day][f"came{window}"]) if day in by_day else 0
            active -= int(by_day[day - window][f"went{window}"]) if day - window in by_day else 0
            counts.append(active)
        rolled.append(counts[first - earlier.first_day :])
    return _Rolling(daily, *rolled)


async def new_and_returning(store: Store, filter_: Filter, step: Step = Step.DAY, history: History | None = None) -> NewAndReturning:
    """Active installs, parted by whether they were first seen in the step. Raises BadQuery by the hour, for which no activity is kept."""
    if step is Step.HOUR:
        raise BadQuery(FieldError("step", "must be a day, a week or a month"))
    beginnings = starts(filter_.period, step)
    if counted := countable(filter_):
        everyone = await active.active_by_step(store, filter_, counted, step, beginnings)
        new = await active.new_by_step(store, filter_, counted, step, beginnings)
    else:
        found = await figures(store, asked(filter_, Measure.INSTALLS, Measure.NEW_INSTALLS, over=step), history)
        everyone, new = (by_step(found[measure]) for measure in (Measure.INSTALLS, Measure.NEW_INSTALLS))
    return NewAndReturning(
        beginnings,
        [count.all for count in new],
        [count.people for count in new],
        [both.all - count.all for both, count in zip(everyone, new, strict=True)],
        [both.people - count.people for both, count in zip(everyone, new, strict=True)],
    )


@reused
async def version_adoption(store: Store, filter_: Filter, step: Step = Step.DAY, *, limit: int = 10) -> VersionAdoption:
    """Return the versions that installs ran over time; those beyond `limit` are combined. Raises BadQuery for hours."""
    if step is Step.HOUR:
        raise BadQuery(FieldError("step", "must be a day, a week or a month"))
    beginnings = starts(filter_.period, step)
    counted = countable(filter_) if step is Step.DAY else None
    if counted:
        everyone = await active.versions(store, filter_, counted.everyone)
        people = {} if counted.people is None else await active.versions(store, filter_, counted.people)
    else:
        everyone, people = await for_both(filter_, lambda asked: _versions(store, asked, step, beginnings))
    totals: dict[str, int] = {}
    highest: dict[str, int] = {}
    for (version, _), count in everyone.items():
        totals[version] = totals.get(version, 0) + count
        highest[version] = max(highest.get(version, 0), count)
    named, rates = await choose(store, filter_, totals, highest, limit)
    others = sorted(totals.keys() - set(named))

    def added_up(counts: dict[tuple[str, int], int], versions: list[str]) -> list[int]:
        return [sum(counts.get((version, step), 0) for version in versions) for step in range(len(beginnings))]

    found = [
        Adoption(
            version, added_up(everyone, [version]), added_up(people, [version]), rates.failure.get(version), version in rates.outstanding
        )
        for version in named
    ]
    if others:
        found.append(Adoption(None, added_up(everyone, others), added_up(people, others)))
    return VersionAdoption(beginnings, found)


async def _versions(store: Store, filter_: Filter, step: Step, beginnings: list[int]) -> dict[tuple[str, int], int]:
    """Installs by version and step. Of versions known for the same day, the one of a person goes first, then that of CI, and so on."""
    person_first = "CASE WHEN environment = 0 THEN 9 ELSE environment END"
    rows = await read(
        store,
        sql(
            "SELECT version, step, COUNT(*) AS installs FROM (SELECT step, version, ROW_NUMBER() OVER (",
            f"PARTITION BY step, install_id ORDER BY day DESC, {person_first}, latest DESC) AS place FROM (",
            f"SELECT day, install_id, environment, version, latest, {step_of(step, beginnings)} AS step FROM (",
            activity(store, filter_),
            ") AS facts WHERE version IS NOT NULL) AS stepped) AS placed WHERE place = 1 GROUP BY version, step",
        ),
    )
    return {(row["version"], row["step"]): int(row["installs"]) for row in rows}


def _whole_days(filter_: Filter) -> Period:
    if not filter_.period.whole_days:
        raise BadQuery(FieldError("period", "must be whole days"))
    return filter_.period
