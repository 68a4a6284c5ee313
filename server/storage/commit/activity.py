"""Counts of active installs, kept up to date from the days on which each install was active.

The number of different installs in a period is not the sum of its days: an install that is active every day would count every day. So each active day
of an install is counted under the previous day on which the install was active (`rollups.ACTIVE`). Of an install's active days in a period, only the
first has its previous active day before the period. The sum of the rows with `day` in the period and `earlier` before it therefore counts each
install once, exactly, for any period, and without reading any install.

To keep these rows up to date, each day of activity stores the previous one, and each install stores its last: a linked list. A commit walks
it back only as far as an event is late; for events in order, it reads the last day alone. A late event inserts a day into the list and
corrects the counts of the day after it. All of this happens in the event's transaction, under the lock of the install's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from server.event import DAY, Environment
from server.storage.commit.writer_connection import Connection
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

# A unary + makes an expression of a column, for which sqlite3 does not look up a converter.
_LAST_DAYS = """SELECT +install.id, +install.project_id, +install.first_seen, +install.first_day, +install.active_day, +install.people_day,
        +activity.environment, +activity.earlier, activity.version
    FROM ({rows}) AS these CROSS JOIN install LEFT JOIN activity ON activity.project_id = install.project_id
        AND activity.day = install.active_day AND activity.install_id = install.id
    WHERE install.id = these.value"""
_PLACE = ("project_id", "day", "install_id")
_DAYS = """SELECT activity.install_id, activity.day, activity.environment, activity.earlier, activity.version FROM ({rows}) AS these CROSS JOIN activity
    WHERE activity.project_id = these.project_id AND activity.day = these.day AND activity.install_id = these.install_id"""
_LINKED = (*_PLACE, "earlier")
_LINK = """UPDATE activity SET earlier = these.earlier FROM ({rows}) AS these
    WHERE activity.project_id = these.project_id AND activity.day = these.day AND activity.install_id = these.install_id"""
_NOTED = ("id", "project_id", "first_day", "active_day", "people_day", "first_seen", "last_seen", "environment", "reason")
_UNUSED = (0, 0, 0, "")
# All rows exist already: on both engines, this is the fastest way to update many rows.
_NOTE = (
    """ON CONFLICT (id) DO UPDATE SET first_day = excluded.first_day, active_day = excluded.active_day, people_day = excluded.people_day"""
)


class _Chain:
    """The days of activity of one install, read back from the last one as far as needed, with its audiences on each day."""

    __slots__ = ("_days", "_earlier", "_first_day", "_noted", "_relinked", "_versions", "install", "new_days", "project", "seen_day")

    def __init__(self, install: int, project: int, seen_day: int, noted: tuple[int | None, int | None, int | None]) -> None:
        """`seen_day` is the day on which the install was first seen; `noted` holds `first_day`, `active_day` and `people_day` of its row."""
        self.install = install
        self.project = project
        self.seen_day = seen_day
        self._noted = noted
        self._first_day = noted[0]
        self.new_days: list[tuple[int, int, str | None]] = []  # days, environments and versions of this batch
        self._days: dict[int, set[int]] = {}
        self._earlier: dict[int, int] = {}
        self._relinked: set[int] = set()
        self._versions: dict[int, dict[int, str]] = {}

    def add_row(self, day: int, environment: int, earlier: int, version: str | None) -> None:
        """Add a row that was read from the store."""
        self._days.setdefault(day, set()).update(AUDIENCES_OF[environment])
        self._earlier[day] = earlier
        if version is not None:
            self._versions.setdefault(day, {})[environment] = version

    def end_at_missing(self, day: int) -> None:
        """End the chain if the previous day has no row: it was deleted, and the walk back must not look for it again."""
        if day not in self._days:
            self._earlier[min(self._days)] = NEVER

    def next_back(self) -> int | None:
        """Return the day that must be read next, or None if the chain is long enough."""
        if not self._days:
            return None
        back = self._earlier[min(self._days)]
        if back == NEVER:
            return None
        if self._moved:
            return back
        for day, environment, _ in self.new_days:
            for audience in AUDIENCES_OF[environment]:
                if not any(known <= day and audience in there for known, there in self._days.items()):
                    return back
        return None

    @property
    def _moved(self) -> bool:
        """True if the install was first seen on an earlier day than the one its activity was counted with."""
        return self._first_day is not None and self._first_day != self.seen_day

    def settle(self, sums: Mapping[Rollup, Sums]) -> None:
        """Count the new days."""
        if len(self.new_days) == 1 and self._follows(*self.new_days[0][:2]):
            self._add_day(sums, *self.new_days[0])
            return
        if self._days and self._moved:
            self._count_again(sums)
        elif not self._days:
            self._count_report(sums)
        self._first_day = self.seen_day
        for day, environment, version in self.new_days:
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
        """True if a day is the first one, or follows the last one in the same audiences. This is the common case."""
        if not self._days:
            return self._first_day is None
        if len(self._days) != 1 or self._first_day != self.seen_day:
            return False
        ((last, there),) = self._days.items()
        return last < day and there.issuperset(AUDIENCES_OF[environment])

    def _add_day(self, sums: Mapping[Rollup, Sums], day: int, environment: int, version: str | None) -> None:
        """Count a day for which `_follows` is true: the same sums as `_count` and `_run`, in a third of the time."""
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
        """Count the version that the install ran on a day."""
        ran = self._versions.setdefault(day, {})
        before = {audience: _last_run(ran, audience) for audience in AUDIENCES_OF[environment]}
        ran[environment] = version
        for audience, old in before.items():
            for run, installs in ((old, -1), (_last_run(ran, audience), 1)):
                if run is not None:
                    add(sums[VERSION_DAY], (self.project, day, run, audience), installs)

    def _count_report(self, sums: Mapping[Rollup, Sums]) -> None:
        """Count an install without activity as only reported, or stop doing so once it is active."""
        for audience in AUDIENCES_OF[Environment.UNKNOWN]:
            if self._first_day is not None:
                add(sums[ARRIVAL], (self.project, self._first_day, NOT_YET, audience), -1)
            if not self.new_days:
                add(sums[ARRIVAL], (self.project, self.seen_day, NOT_YET, audience), 1)

    def _link(self, day: int) -> None:
        before, after = self._around(day, EVERYONE)
        self._days[day] = set()
        self._earlier[day] = before
        if after is not None:
            self._earlier[after] = day
            self._relinked.add(after)

    def _around(self, day: int, audience: int) -> tuple[int, int | None]:
        """Return the days before and after a day on which the install was in an audience."""
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
        """Move the install in arrivals and cohorts to the earlier day on which it was first seen."""
        assert self._first_day is not None
        for audience in set[int]().union(*self._days.values()):
            days = [day for day, there in self._days.items() if audience in there]
            add(sums[ARRIVAL], (self.project, self._first_day, min(days), audience), -1)
            add(sums[ARRIVAL], (self.project, self.seen_day, min(days), audience), 1)
            for week in {week_of(day) for day in days}:
                add(sums[COHORT], (self.project, week_of(self._first_day), week, audience), -1)
                add(sums[COHORT], (self.project, week_of(self.seen_day), week, audience), 1)

    def earlier_of(self, day: int) -> int:
        """Return the previous active day, or `NEVER`."""
        return self._earlier.get(day, NEVER)

    def links(self) -> list[tuple[int, int, int, int]]:
        """Return the rows of `activity` with a new previous day."""
        return [(self.project, day, self.install, self._earlier[day]) for day in self._relinked]

    def note(self) -> tuple[int | str | None, ...] | None:
        """Return the new row of the install, or None if its row is up to date."""
        active = max(self._days, default=None)
        people = max((day for day, there in self._days.items() if PEOPLE_ONLY in there), default=NEVER)
        if self._noted[2] is not None:
            people = max(people, self._noted[2])
        days = (self._first_day, active, None if people == NEVER else people)
        return None if days == self._noted else (self.install, self.project, *days, *_UNUSED)


def _last_run(versions: Mapping[int, str], audience: int) -> str | None:
    """Return the version under which an install counts in an audience, given its versions of one day by environment."""
    ran = [environment for environment in versions if audience in AUDIENCES_OF[environment]]
    return versions[min(ran, key=_person_first)] if ran else None


def _person_first(environment: int) -> int:
    return environment or UNKNOWN_LAST


def add(sums: Sums, key: tuple[int | str, ...], installs: int) -> None:
    """Add to a sum, and remove a sum that becomes zero."""
    cell = sums.get(key)
    if cell is None:
        sums[key] = [installs]
    elif cell[0] + installs:
        cell[0] += installs
    else:
        del sums[key]


def record(connection: Connection, reported: Iterable[int], activity: Mapping[Key, str | None]) -> dict[Rollup, Sums]:
    """Store days of activity with their versions, and return what they add to the sums.

    The rows of the installs must exist and be locked by this transaction. `reported` are installs without activity in this batch that may now
    have an earlier first day.
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
    """Read the days of the installs, as far back as needed."""
    chains: dict[int, _Chain] = {}
    find = _LAST_DAYS.format(rows=connection.sql.integers("?"))
    for install, project, first_seen, first_day, active_day, people_day, *row in connection.execute(find, (_json(list(installs)),)):
        if install not in chains:
            chains[install] = _Chain(install, project, first_seen // DAY, (first_day, active_day, people_day))
        if row[0] is not None:
            chains[install].add_row(active_day, *row)
    for (_, day, install, environment), version in activity.items():
        chains[install].new_days.append((day, environment, version))
    _walk_back(connection, chains)
    return chains


def _walk_back(connection: Connection, chains: dict[int, _Chain]) -> None:
    find = _DAYS.format(rows=connection.sql.rows(_PLACE, mark="?"))
    looking = list(chains.values())
    while back := [(chain, day) for chain in looking if (day := chain.next_back()) is not None]:
        places = [(chain.project, day, chain.install) for chain, day in back]
        for install, day, environment, earlier, version in connection.execute(find, (_json(places),)):
            chains[install].add_row(day, environment, earlier, version)
        looking = [chain for chain, _ in back]
        for chain, day in back:
            chain.end_at_missing(day)


def _update(connection: Connection, update: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    if rows:
        connection.execute(update.format(rows=connection.sql.rows(columns, mark="?")), (_json(rows),))


def _json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()
