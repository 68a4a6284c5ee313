"""What an install's days of activity add to the counts of active installs.

How many different installs were active between two days cannot be added up from days: who comes every day would count every day. So each day
of an install is counted under the day before it on which the install was active (`rollups.ACTIVE`). Of all the days that one install has
between two others, exactly the first has its earlier day before the period: the sum of the rows with `day` in the period and `earlier` before
it counts each install once, exactly, for any period, without a look at an install.

For that a day of activity knows the earlier one, and an install its last: a chain, walked back as far as an event is late, which for events
that arrive in order is not at all. An event that comes late puts a day into the middle of the chain, and takes back what the day after it
had added. All of it happens in the transaction of the event, under the lock of the install's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from server.event import DAY, Environment
from server.storage import json_lists
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
    week_of,
)
from server.storage.statements import ACTIVITY_COLUMNS, ON_ACTIVITY

Key = tuple[int, int, int, int]  # project, day, install, environment: the key of `activity`
Sums = dict[tuple[int | str, ...], list[int]]

# (+ makes an expression of a column, which the driver hands over as it is: for columns it looks for a converter each time.)
_LAST_DAYS = """SELECT +install.id, +install.project_id, +install.first_seen, +install.first_day, +install.active_day, +install.people_day,
        +activity.environment, +activity.earlier, activity.version
    FROM ({listed}) AS these CROSS JOIN install LEFT JOIN activity ON activity.project_id = install.project_id
        AND activity.day = install.active_day AND activity.install_id = install.id
    WHERE install.id = these.value"""
_PLACE = ("project_id", "day", "install_id")
_DAYS = """SELECT activity.install_id, activity.day, activity.environment, activity.earlier, activity.version FROM ({listed}) AS these CROSS JOIN activity
    WHERE activity.project_id = these.project_id AND activity.day = these.day AND activity.install_id = these.install_id"""
_LINKED = (*_PLACE, "earlier")
_LINK = """UPDATE activity SET earlier = these.earlier FROM ({listed}) AS these
    WHERE activity.project_id = these.project_id AND activity.day = these.day AND activity.install_id = these.install_id"""
_NOTED = ("id", "project_id", "first_day", "active_day", "people_day", "first_seen", "last_seen", "environment", "reason")
_UNUSED = (0, 0, 0, "")
# The rows are all there: this is the update of many that both engines do fastest.
_NOTE = (
    """ON CONFLICT (id) DO UPDATE SET first_day = excluded.first_day, active_day = excluded.active_day, people_day = excluded.people_day"""
)


class Connection(Protocol):
    """What of `server.storage.commit.transaction.Connection` is used here."""

    engine_type: str

    def execute(self, sql: str, arguments: tuple[Any, ...] = (), /) -> Any: ...

    def insert_many(self, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]], end: str = "", /) -> list[Any]: ...


class _Chain:
    """The days of one install, from the last one back as far as they had to be looked at, with the audiences that it was in on each."""

    __slots__ = ("_days", "_earlier", "_first_day", "_noted", "_relinked", "_versions", "install", "project", "said", "seen_day")

    def __init__(self, install: int, project: int, seen_day: int, noted: tuple[int | None, int | None, int | None]) -> None:
        """`seen_day` is the day on which it was first seen; `noted` what its row has of `first_day`, `active_day` and `people_day`."""
        self.install = install
        self.project = project
        self.seen_day = seen_day
        self._noted = noted
        self._first_day = noted[0]
        self.said: list[tuple[int, int, str | None]] = []  # days, environments and versions that events tell of now
        self._days: dict[int, set[int]] = {}
        self._earlier: dict[int, int] = {}
        self._relinked: set[int] = set()
        self._versions: dict[int, dict[int, str]] = {}

    def found(self, day: int, environment: int, earlier: int, version: str | None) -> None:
        """A row that is there."""
        self._days.setdefault(day, set()).update(AUDIENCES_OF[environment])
        self._earlier[day] = earlier
        if version is not None:
            self._versions.setdefault(day, {})[environment] = version

    def looked_at(self, day: int) -> None:
        """A day that is named as the earlier one but is not there ends the chain: somebody took it away, and nothing may wait for it."""
        if day not in self._days:
            self._earlier[min(self._days)] = NEVER

    def next_back(self) -> int | None:
        """The day that must be looked at next before all is known that matters; None where that is so."""
        if not self._days:
            return None
        back = self._earlier[min(self._days)]
        if back == NEVER:
            return None
        if self._moved:
            return back
        for day, environment, _ in self.said:
            for audience in AUDIENCES_OF[environment]:
                if not any(known <= day and audience in there for known, there in self._days.items()):
                    return back
        return None

    @property
    def _moved(self) -> bool:
        """Whether it turns out to have been seen earlier than its days were counted with."""
        return self._first_day is not None and self._first_day != self.seen_day

    def settle(self, sums: Mapping[Rollup, Sums]) -> None:
        """Count what is new."""
        if len(self.said) == 1 and self._follows(*self.said[0][:2]):
            self._add_day(sums, *self.said[0])
            return
        if self._days and self._moved:
            self._count_again(sums)
        elif not self._days:
            self._count_report(sums)
        self._first_day = self.seen_day
        for day, environment, version in self.said:
            if day not in self._days:
                self._link(day)
            there = self._days[day]
            for audience in AUDIENCES_OF[environment]:
                if audience not in there:
                    self._count(sums, day, audience)
                    there.add(audience)
            if version is not None:
                self._run(sums, day, environment, version)

    def _follows(self, day: int, environment: int) -> bool:
        """Whether a day is the first one, or comes after the last one in the same audiences: so it mostly is."""
        if not self._days:
            return self._first_day is None
        if len(self._days) != 1 or self._first_day != self.seen_day:
            return False
        ((last, there),) = self._days.items()
        return last < day and there.issuperset(AUDIENCES_OF[environment])

    def _add_day(self, sums: Mapping[Rollup, Sums], day: int, environment: int, version: str | None) -> None:
        """What `_count` and `_run` add of such a day, in a third of the time."""
        last = next(iter(self._days), NEVER)
        project, audiences, week = self.project, AUDIENCES_OF[environment], week_of(day)
        active, arrivals, cohorts, versions = (sums[rollup] for rollup in OF_ACTIVITY)
        for audience in audiences:
            add(active, (project, day, last, audience), 1)
            if last == NEVER:
                add(arrivals, (project, self.seen_day, day, audience), 1)
            if last < week:
                add(cohorts, (project, week_of(self.seen_day), week, audience), 1)
            if version is not None:
                add(versions, (project, day, version, audience), 1)
        self._days[day] = set(audiences)
        self._earlier[day] = last
        self._first_day = self.seen_day

    def _run(self, sums: Mapping[Rollup, Sums], day: int, environment: int, version: str) -> None:
        """It ran a version on a day."""
        ran = self._versions.setdefault(day, {})
        before = {audience: _last_run(ran, audience) for audience in AUDIENCES_OF[environment]}
        ran[environment] = version
        for audience, old in before.items():
            for run, installs in ((old, -1), (_last_run(ran, audience), 1)):
                if run is not None:
                    add(sums[VERSION_DAY], (self.project, day, run, audience), installs)

    def _count_report(self, sums: Mapping[Rollup, Sums]) -> None:
        """It was never active before: count it as only reported, or no more."""
        for audience in AUDIENCES_OF[Environment.UNKNOWN]:
            if self._first_day is not None:
                add(sums[ARRIVAL], (self.project, self._first_day, NOT_YET, audience), -1)
            if not self.said:
                add(sums[ARRIVAL], (self.project, self.seen_day, NOT_YET, audience), 1)

    def _link(self, day: int) -> None:
        before, after = self._around(day, EVERYONE)
        self._days[day] = set()
        self._earlier[day] = before
        if after is not None:
            self._earlier[after] = day
            self._relinked.add(after)

    def _around(self, day: int, audience: int) -> tuple[int, int | None]:
        """The days before and after one on which it was in an audience."""
        days = [known for known, there in self._days.items() if audience in there]
        return max((known for known in days if known < day), default=NEVER), min((known for known in days if known > day), default=None)

    def _count(self, sums: Mapping[Rollup, Sums], day: int, audience: int) -> None:
        before, after = self._around(day, audience)
        add(sums[ACTIVE], (self.project, day, before, audience), 1)
        if after is not None:
            add(sums[ACTIVE], (self.project, after, before, audience), -1)
            add(sums[ACTIVE], (self.project, after, day, audience), 1)
        if before == NEVER:
            if after is not None:
                add(sums[ARRIVAL], (self.project, self.seen_day, after, audience), -1)
            add(sums[ARRIVAL], (self.project, self.seen_day, day, audience), 1)
        week = week_of(day)
        if before < week and (after is None or after >= week + 7):
            add(sums[COHORT], (self.project, week_of(self.seen_day), week, audience), 1)

    def _count_again(self, sums: Mapping[Rollup, Sums]) -> None:
        """It was seen earlier: what it adds to arrivals and cohorts moves there."""
        assert self._first_day is not None
        for audience in set[int]().union(*self._days.values()):
            days = [day for day, there in self._days.items() if audience in there]
            add(sums[ARRIVAL], (self.project, self._first_day, min(days), audience), -1)
            add(sums[ARRIVAL], (self.project, self.seen_day, min(days), audience), 1)
            for week in {week_of(day) for day in days}:
                add(sums[COHORT], (self.project, week_of(self._first_day), week, audience), -1)
                add(sums[COHORT], (self.project, week_of(self.seen_day), week, audience), 1)

    def earlier_of(self, day: int) -> int:
        """The day before one on which it was active, `NEVER` where there is none."""
        return self._earlier.get(day, NEVER)

    def links(self) -> list[tuple[int, int, int, int]]:
        """Rows of `activity` that have another earlier day now."""
        return [(self.project, day, self.install, self._earlier[day]) for day in self._relinked]

    def note(self) -> tuple[int | str | None, ...] | None:
        """What its row should say, None where it does."""
        active = max(self._days, default=None)
        people = max((day for day, there in self._days.items() if PEOPLE_ONLY in there), default=NEVER)
        if self._noted[2] is not None:
            people = max(people, self._noted[2])
        said = (self._first_day, active, None if people == NEVER else people)
        return None if said == self._noted else (self.install, self.project, *said, *_UNUSED)


def _last_run(versions: Mapping[int, str], audience: int) -> str | None:
    """Of an install's versions of one day, by environment, the one under which it counts in an audience."""
    ran = [environment for environment in versions if audience in AUDIENCES_OF[environment]]
    return versions[min(ran, key=_person_first)] if ran else None


def _person_first(environment: int) -> int:
    return environment or UNKNOWN_LAST


def add(sums: Sums, key: tuple[int | str, ...], installs: int) -> None:
    """Add to a sum; those that come to nothing are left out."""
    cell = sums.get(key)
    if cell is None:
        sums[key] = [installs]
    elif cell[0] + installs:
        cell[0] += installs
    else:
        del sums[key]


def record(connection: Connection, reported: Iterable[int], activity: Mapping[Key, str | None]) -> dict[Rollup, Sums]:
    """Store days of activity with their versions; what they add to the sums. The installs' rows are there, and locked by this transaction.

    `reported` are installs that may turn out to have been seen earlier, without any activity.
    """
    sums: dict[Rollup, Sums] = {rollup: {} for rollup in OF_ACTIVITY}
    installs = {key[2] for key in activity}.union(reported)
    if not installs:
        return sums
    chains = _chains(connection, installs, activity)
    for chain in chains.values():
        chain.settle(sums)
    rows = [(*key, version, chains[key[2]].earlier_of(key[1])) for key, version in activity.items()]
    connection.insert_many("activity", ACTIVITY_COLUMNS, rows, ON_ACTIVITY)
    _update(connection, _LINK, _LINKED, [link for chain in chains.values() for link in chain.links()])
    notes = [note for chain in chains.values() if (note := chain.note()) is not None]
    connection.insert_many("install", _NOTED, notes, _NOTE)
    return sums


def _chains(connection: Connection, installs: Iterable[int], activity: Mapping[Key, str | None]) -> dict[int, _Chain]:
    """The installs' days, as far back as they matter."""
    chains: dict[int, _Chain] = {}
    find = _LAST_DAYS.format(listed=json_lists.integers(connection.engine_type, "?"))
    for install, project, first_seen, first_day, active_day, people_day, *row in connection.execute(find, (_json(list(installs)),)):
        if install not in chains:
            chains[install] = _Chain(install, project, first_seen // DAY, (first_day, active_day, people_day))
        if row[0] is not None:
            chains[install].found(active_day, *row)
    for (_, day, install, environment), version in activity.items():
        chains[install].said.append((day, environment, version))
    _walk_back(connection, chains)
    return chains


def _walk_back(connection: Connection, chains: dict[int, _Chain]) -> None:
    find = _DAYS.format(listed=json_lists.rows(connection.engine_type, _PLACE, mark="?"))
    looking = list(chains.values())
    while back := [(chain, day) for chain in looking if (day := chain.next_back()) is not None]:
        places = [(chain.project, day, chain.install) for chain, day in back]
        for install, day, environment, earlier, version in connection.execute(find, (_json(places),)):
            chains[install].found(day, environment, earlier, version)
        looking = [chain for chain, _ in back]
        for chain, day in back:
            chain.looked_at(day)


def _update(connection: Connection, update: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    if rows:
        connection.execute(update.format(listed=json_lists.rows(connection.engine_type, columns, mark="?")), (_json(rows),))


def _json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()
