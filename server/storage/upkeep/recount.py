"""Recounts stored events with the fold that counted them at their commit, and compares the result with the rollups.

All reads use one snapshot of the store, so that later commits affect neither side. The recount is kept in a temporary SQLite database, which
spills to disk, so memory stays flat for any number of events.

Some sums cannot be recounted and are skipped: days with events deleted by retention, days marked as partial (imported sums, erased installs),
properties of which not all events are counted, and totals by target unless all their days are complete.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from piccolo.querystring import QueryString

from server.event import DAY, MINUTE, Context, Environment, Outcome
from server.event_id import first_id, received_at
from server.storage import rollups
from server.storage.changes import Snapshot
from server.storage.commit.fold import FoldResult, StoredEvent, fold
from server.storage.rollups import DIMENSION, NO_ERROR_TYPE, OTHER, ROLLUPS, TARGET_TOTAL, Rollup
from server.storage.sqlite.connection_pool import SqliteConnection
from server.storage.statements import CONTEXT_COLUMNS, ERROR_INSTALL_COLUMNS, on_conflict_add
from server.storage.upkeep.maintenance import incomplete_until
from server.tasks import run_in_thread

T = TypeVar("T")

AHEAD = 5 * MINUTE  # a client's clock may be ahead by this much, so an event may occur this long after its arrival
CHUNK = 2_000  # events that are read and folded at once, in about ten milliseconds
_CONTEXTS = 50_000  # contexts that are cached

# Sets of installs. They have no measures, but derive from events like the rollups.
ACTIVITY = Rollup("activity", ("project_id", "day", "install_id", "environment"), ())
ERROR_INSTALLS = Rollup("error_install", ERROR_INSTALL_COLUMNS, (), frozenset({"version"}))
# Rollups in which a job counts rare values as `(other)`: the column of the values, and the one within which, on one day, they are rare.
_FOLDED = {
    **dict.fromkeys((DIMENSION, rollups.DIMENSION_SPREAD), ("value", "dimension")),
    **dict.fromkeys((rollups.ERROR, ERROR_INSTALLS), ("version", "error_id")),
}
BY_DAY = (*(rollup for rollup in ROLLUPS if rollup.period), ACTIVITY, ERROR_INSTALLS)

# An event with an implausible clock counts, but its install does not.
_EVENTS = f"""SELECT event.id, event.project_id, name_id, context_id, target_id, CASE WHEN skewed IS NULL THEN install_id END, occurred_at, outcome, duration_us,
        CASE WHEN event.error_type IS NULL AND outcome <> {int(Outcome.FAILURE)} THEN NULL ELSE COALESCE(error_type.id, rest.id) END,
        CASE WHEN event.project_id IN ({{projects}}) THEN properties END, weight
    FROM event
    LEFT JOIN error_type ON error_type.project_id = event.project_id AND error_type.text = COALESCE(event.error_type, '{NO_ERROR_TYPE}')
    LEFT JOIN error_type AS rest ON rest.project_id = event.project_id AND rest.text = '{OTHER}'
    WHERE event.id > {{{{}}}} AND occurred_at >= {{{{}}}} AND occurred_at < {{{{}}}} {{only}} ORDER BY event.id LIMIT {{{{}}}}"""

Key = tuple[Any, ...]
Rows = dict[Key, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that differs from the recount. `stored` is None if the row is missing, `counted` is None if it should not exist."""

    rollup: Rollup
    key: Key
    stored: tuple[int, ...] | None
    counted: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Complete:
    """The days of one project that can be recounted, from `first_day` on and except `partial`. `totals` is True if these are all its days."""

    first_day: int
    partial: frozenset[int]

    @property
    def totals(self) -> bool:
        return self.first_day == 0 and not self.partial


async def complete_days(snapshot: Snapshot) -> dict[int, Complete]:
    """Return the days that can be recounted, by project."""
    partial = defaultdict(set)
    for project, day in await snapshot.rows("SELECT project_id, day FROM partial_day"):
        partial[project].add(day)
    incomplete = await incomplete_until(snapshot)
    projects = [project for (project,) in await snapshot.rows("SELECT id FROM project ORDER BY id")]
    return {project: Complete(first_whole_day(incomplete.get(project, 0)), frozenset(partial[project])) for project in projects}


def first_whole_day(first_event: int) -> int:
    """Return the first day on which all events have at least this id."""
    return 0 if first_event <= 0 else -(-(received_at(first_event) + AHEAD) // DAY)


class Recount:
    """A recount of the events of some days. Call `close` when no other call is in progress.

    `picked` are the properties to count by value, by project.
    """

    def __init__(self, snapshot: Snapshot, picked: Mapping[int, Sequence[str]] = MappingProxyType({})) -> None:
        self._snapshot = snapshot
        self._picked = picked
        self._contexts: dict[int, Context] = {}
        self._sums = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=SqliteConnection)
        for rollup in (*BY_DAY, TARGET_TOTAL):
            columns = [f"{column} {'TEXT' if column in rollup.text else 'INTEGER'}" for column in (*rollup.key, *rollup.measures)]
            self._sums.execute(f"CREATE TABLE {rollup.table} ({', '.join(columns)}, PRIMARY KEY ({', '.join(rollup.key)})) WITHOUT ROWID")

    def close(self) -> None:
        self._sums.close()

    async def count(
        self, first_day: int, end_day: int, *, project: int | None = None, progress: Callable[[int], None] = lambda _: None
    ) -> int:
        """Count the events of a half-open range of days, of one project or of all, and return their number.

        `progress` receives the number so far.
        """
        counted, after = 0, first_id(first_day * DAY - AHEAD) - 1
        only = "" if project is None else f"AND event.project_id = {int(project)}"
        query = _EVENTS.format(projects=", ".join(map(str, self._picked)) or "NULL", only=only)
        while rows := await self._snapshot.rows(query, after, first_day * DAY, end_day * DAY, CHUNK):
            contexts = await self._contexts_of({row[3] for row in rows})
            await self._on_thread(self._take, rows, contexts)
            counted, after = counted + len(rows), rows[-1][0]
            progress(counted)
        return counted

    async def day_differences(self, project: int, day: int) -> list[Difference]:
        """Return the differences between the rollups and the recount of a day."""
        found = []
        for rollup in BY_DAY:
            step = 24 if rollup.period == "hour" else 1
            where = f"project_id = {{}} AND {rollup.period} >= {{}} AND {rollup.period} < {{}}"
            found += await self._differences(rollup, where, (project, day * step, (day + 1) * step))
        return found

    async def property_differences(self, project: int, day: int) -> list[Difference]:
        """Return the differences in the counts of a day by property."""
        found = await self._differences(DIMENSION, "project_id = {} AND day = {}", (project, day))
        place = DIMENSION.key.index("dimension")
        return [difference for difference in found if difference.key[place].startswith(rollups.PROPERTY_PREFIX)]

    async def total_differences(self, project: int) -> list[Difference]:
        """Return the differences in totals by target. All days must have been counted."""
        return await self._differences(TARGET_TOTAL, "project_id = {}", (project,))

    async def days_kept(self, project: int, first_day: int, end_day: int) -> list[int]:
        """Return the days in a half-open range with rows in the rollups or in the recount."""
        sql = "SELECT DISTINCT {} FROM {} WHERE project_id = {{}} AND {} >= {{}} AND {} < {{}}"
        days = set()
        for rollup in BY_DAY:
            step = 24 if rollup.period == "hour" else 1
            expression = f"{rollup.period} / {step}"
            query = sql.format(expression, rollup.table, rollup.period, rollup.period)
            bounds = (project, first_day * step, end_day * step)
            days |= {day for (day,) in await self._snapshot.rows(query, *bounds)}
            days |= {day for (day,) in await self._on_thread(self._ask, query, bounds)}
        return sorted(days)

    async def _differences(self, rollup: Rollup, where: str, arguments: Key) -> list[Difference]:
        if rollup is DIMENSION:
            names = [rollups.PROPERTY_PREFIX + name for name in self._picked.get(arguments[0], ())]
            counted_ones = ", ".join("{}" for _ in names) or "NULL"
            where += f" AND (dimension NOT LIKE '{rollups.PROPERTY_PREFIX}%' OR dimension IN ({counted_ones}))"
            arguments = (*arguments, *names)
        sql = f"SELECT {', '.join((*rollup.key, *rollup.measures))} FROM {rollup.table} WHERE {where}"
        width = len(rollup.key)
        stored: Rows = {row[:width]: row[width:] for row in await self._snapshot.rows(sql, *arguments)}
        counted: Rows = {row[:width]: row[width:] for row in await self._on_thread(self._ask, sql, arguments)}
        if rollup in _FOLDED:
            counted = _folded_alike(rollup, stored, counted)
        keys = sorted(key for key in stored.keys() | counted.keys() if stored.get(key) != counted.get(key))
        return [Difference(rollup, key, stored.get(key), counted.get(key)) for key in keys]

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Use the temporary database in a thread. The thread has finished when this returns or is cancelled."""
        return await run_in_thread(partial(work, *arguments), interrupt=self._sums.interrupt)

    def _ask(self, sql: str, arguments: Key) -> list[Any]:
        query, bound = QueryString(sql, *arguments).compile_string(engine_type="sqlite")
        return self._sums.execute(query, bound).fetchall()

    async def _contexts_of(self, numbers: set[int]) -> dict[int, Context]:
        missing = [number for number in numbers if number not in self._contexts]
        if len(self._contexts) + len(missing) > _CONTEXTS:
            self._contexts, missing = {}, list(numbers)
        if missing:
            listed = ", ".join(map(str, missing))
            sql = f"SELECT id, {', '.join(CONTEXT_COLUMNS)} FROM context WHERE id IN ({listed})"
            for number, environment, *fields in await self._snapshot.rows(sql):
                self._contexts[number] = Context(Environment(environment), *fields)
        return self._contexts

    def _values(self, project: int, properties: str | None) -> tuple[tuple[str, str], ...]:
        """The values by which an event of a project counts."""
        return () if properties is None else rollups.picked_values(msgspec.json.decode(properties), self._picked.get(project, ()))

    def _take(self, rows: Iterable[Key], contexts: dict[int, Context]) -> None:
        events = [
            StoredEvent(
                *(project, name, context, target, install, at, outcome, duration, self._values(project, properties), error),
                weight=weight or 1,
            )
            for _, project, name, context, target, install, at, outcome, duration, error, properties, weight in rows
        ]
        folded = fold(events, contexts)
        self._sums.execute("BEGIN")
        for rollup, sums in _tables(folded):
            columns = (*rollup.key, *rollup.measures)
            end = on_conflict_add(rollup) if rollup.measures else "ON CONFLICT DO NOTHING"
            self._sums.insert_many(rollup.table, columns, [(*key, *measures) for key, measures in sums], end)
        self._sums.execute("COMMIT")


def only_raised(difference: Difference) -> Difference | None:
    """Return the part of a difference that adds to the sums, for days of which not all events are stored; None if there is none."""
    stored, counted = difference.stored, difference.counted
    if counted is None or (stored is not None and all(map(int.__ge__, stored, counted))):
        return None
    return difference if stored is None else replace(difference, counted=tuple(map(max, stored, counted)))


def _tables(folded: FoldResult) -> Iterable[tuple[Rollup, Iterable[tuple[Key, Iterable[int]]]]]:
    for rollup, sums in folded.sums.items():
        yield rollup, sums.items()
    yield ACTIVITY, ((key, ()) for key in folded.activity)
    yield ERROR_INSTALLS, ((key, ()) for key in folded.error_installs)


def _folded_alike(rollup: Rollup, stored: Rows, counted: Rows) -> Rows:
    """Fold values of the counted rows into `(other)`, as the store did.

    A value may have occurred again after it was folded. Its row then holds a part of its events, and `(other)` the rest.
    """
    column, by = _FOLDED[rollup]
    place = rollup.key.index(column)
    crowd = tuple(rollup.key.index(part) for part in ("day", by))
    crowded = {tuple(key[part] for part in crowd) for key in stored if key[place] == OTHER}
    alike: Rows = {}
    for key, measures in counted.items():
        if tuple(key[part] for part in crowd) not in crowded:
            alike[key] = measures
            continue
        other = (*key[:place], OTHER, *key[place + 1 :])
        if key[place] != OTHER and key in stored:
            part = tuple(map(min, stored[key], measures))
            alike[key] = part
            measures = tuple(whole - its for whole, its in zip(measures, part, strict=True))
        # An install may be in both rows: in that of its version again since the other one was folded.
        if any(measures) or (not measures and (key not in stored or other in stored)):
            alike[other] = tuple(map(sum, zip(alike.get(other, (0,) * len(measures)), measures, strict=True)))
    return alike


def repairs(difference: Difference) -> list[tuple[str, Key]]:
    """Return the statements that repair a row. They add the difference to sums, so that commits may update the row meanwhile."""
    rollup, key = difference.rollup, difference.key
    this = f"DELETE FROM {rollup.table} WHERE {' AND '.join(f'{column} = {{}}' for column in rollup.key)}"
    columns = (*rollup.key, *rollup.measures)
    insert = f"INSERT INTO {rollup.table} ({', '.join(columns)}) VALUES ({', '.join('{}' for _ in columns)}) "
    if not rollup.measures:
        return [(this, key)] if difference.counted is None else [(insert + "ON CONFLICT DO NOTHING", key)]
    nothing = (0,) * len(rollup.measures)
    lacking = (counted - stored for counted, stored in zip(difference.counted or nothing, difference.stored or nothing, strict=True))
    return [(insert + on_conflict_add(rollup), (*key, *lacking)), (f"{this} AND {rollup.measures[0]} = 0", key)]
