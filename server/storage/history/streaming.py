"""Reads of large tables in chunks. Each chunk is a query of its own that begins after the last key of the previous one.

Between two chunks, neither a reader nor a transaction is held, so a caller can stop at any time, and memory holds one chunk. Rows that existed
at the start appear exactly once; rows that are written meanwhile may or may not appear.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from server.event import DAY, HOUR, MINUTE
from server.event_id import EPOCH, first_id
from server.storage import rollups
from server.storage.engine import Store
from server.storage.rollups import Rollup
from server.storage.statements import CONTEXT_COLUMNS

CHUNK = 1_000  # rows; an event with its properties has a few hundred bytes, rarely ten thousand
STRETCH = 4_000  # events of all projects that one query scans
AHEAD, BEHIND = 5 * MINUTE, 30 * DAY  # the largest differences between the time of an event and its arrival
NO_END = (1 << 63) - 1

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of times in epoch milliseconds."""

    first: int = 0
    end: int = 1 << 50

    @property
    def days(self) -> tuple[int, int]:
        """The days that overlap the span, as a half-open range."""
        return self.first // DAY, -(-self.end // DAY)

    @property
    def hours(self) -> tuple[int, int]:
        return self.first // HOUR, -(-self.end // HOUR)

    @property
    def ids(self) -> tuple[int, int]:
        """The ids that events of the span can have. Imported events from before 2024 have ids of the first moment of 2024."""
        return first_id(self.first - AHEAD), min(NO_END, first_id(max(self.end, EPOCH) + BEHIND + 1))


_CONTEXT = ", ".join(f"context.{column}" for column in CONTEXT_COLUMNS)
# The query of whole events, up to its WHERE.
EVENTS = f"""SELECT event.id, event_name.text AS name, event.occurred_at, event.install_id, event.session, target.type AS target_type,
        target.external_id AS target_id, event.outcome, event.duration_us, event.error_type, event.error_message, event.skewed,
        {_CONTEXT}, event.properties, event.weight
    FROM event JOIN event_name ON event_name.id = event.name_id JOIN context ON context.id = event.context_id
    LEFT JOIN target ON target.id = event.target_id"""


async def events(store: Store, project: int, span: Span) -> AsyncIterator[Rows]:
    """Yield a project's events that occurred in a span, in order of arrival."""
    first, end = span.ids
    after = first - 1
    while (last := await _stretch_end(store, after, end)) is not None:
        rows = await store.rows(
            f"{EVENTS} WHERE event.id > {{}} AND event.id <= {{}} AND event.project_id = {{}}"
            " AND event.occurred_at >= {} AND event.occurred_at < {} ORDER BY event.id LIMIT {}",
            *(after, last, project, span.first, span.end, CHUNK),
        )
        if rows:
            yield rows
        after = rows[-1]["id"] if len(rows) == CHUNK else last


async def _stretch_end(store: Store, after: int, end: int) -> int | None:
    """Return the last id of the next `STRETCH` events of all projects, so that each query is short even if a project has few events."""
    stretch = "SELECT id FROM event WHERE id > {} AND id < {} ORDER BY id LIMIT {}"
    rows = await store.rows(f"SELECT max(id) AS last FROM ({stretch}) AS stretch", after, end, STRETCH)
    last: int | None = rows[0]["last"]
    return last


async def id_bounds(store: Store, span: Span) -> tuple[int, int]:
    """Return the lowest and the highest id of the events of all projects in a span, for a progress bar; (0, 0) if there are none."""
    first, end = span.ids
    sql = "SELECT (SELECT min(id) FROM event WHERE id >= {}) AS low, (SELECT max(id) FROM event WHERE id < {}) AS high"
    rows = await store.rows(sql, first, end)
    low, high = rows[0]["low"], rows[0]["high"]
    return (low, high) if low is not None and high is not None and low <= high else (0, 0)


async def installs(store: Store, project: int, span: Span) -> AsyncIterator[Rows]:
    """Yield a project's installs that were seen in a span, ordered by hash."""
    after = -(1 << 63)
    while rows := await store.rows(
        "SELECT * FROM install WHERE id > {} AND project_id = {} AND last_seen >= {} AND first_seen < {} ORDER BY id LIMIT {}",
        *(after, project, span.first, span.end, CHUNK),
    ):
        yield rows
        after = rows[-1]["id"]


@dataclass(frozen=True, slots=True)
class Sums:
    """A table of sums, with texts in place of dictionary numbers. `columns` are the columns of the rows that `sums` yields."""

    rollup: Rollup
    joins: tuple[str, ...]
    words: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rollup, with texts for names, targets and errors."""
        return tuple(alias for _, alias in self._selected)

    @property
    def _selected(self) -> tuple[tuple[str, str], ...]:
        replaced = {"project_id", "name_id", "target_id", "error_id"}
        own = [(f"sums.{column}", column) for column in (*self.rollup.key, *self.rollup.measures) if column not in replaced]
        place = 1 if self.rollup.period else 0  # after the time, which comes first
        return (*own[:place], *self.words, *own[place:])

    @property
    def select(self) -> str:
        """The query up to its WHERE clause, with the parts of the key as `key_0`, `key_1`, …"""
        keys = ", ".join(f"sums.{column} AS key_{place}" for place, column in enumerate(self.rollup.key[1:]))
        shown = ", ".join(f"{column} AS {alias}" for column, alias in self._selected)
        return f"SELECT {keys}, {shown} FROM {self.rollup.table} AS sums {' '.join(self.joins)}"


def _described(rollup: Rollup) -> Sums:
    joins, words = [], []
    for column, table, columns in (
        ("name_id", "event_name", (("text", "name"),)),
        ("target_id", "target", (("type", "target_type"), ("external_id", "target_id"))),
        ("error_id", "error_type", (("text", "error_type"),)),  # empty for failures without one
    ):
        if column in rollup.key:
            joins.append(f"LEFT JOIN {table} ON {table}.id = sums.{column}")
            words += [(f"{table}.{theirs}", ours) for theirs, ours in columns]
    return Sums(rollup, tuple(joins), tuple(words))


_ACTIVITY = Rollup("activity", ("project_id", "day", "install_id", "environment"), ("version",))
SUMS = {
    "activity": _described(_ACTIVITY),
    "hourly": _described(rollups.HOURLY),
    "name-durations": _described(rollups.NAME_DURATION),
    "dimensions": _described(rollups.DIMENSION),
    "target-days": _described(rollups.TARGET_DAY),
    "target-durations": _described(rollups.TARGET_DURATION),
    "target-totals": _described(rollups.TARGET_TOTAL),
    "errors": _described(rollups.ERROR),
    "ledger": _described(rollups.LEDGER),
}


async def sums(store: Store, table: str, project: int, span: Span) -> AsyncIterator[Rows]:
    """Yield the rows of one of `SUMS` in order of its key. Days and hours that overlap the span are included as a whole."""
    described = SUMS[table]
    key = described.rollup.key[1:]
    names = ", ".join(f"sums.{column}" for column in key)
    where, bounds = "sums.project_id = {}", [project]
    if period := described.rollup.period:
        where += f" AND sums.{period} >= {{}} AND sums.{period} < {{}}"
        bounds += span.hours if period == "hour" else span.days
    after: tuple[Any, ...] = ()
    while True:
        later = f" AND ({names}) > ({', '.join('{}' for _ in key)})" if after else ""
        rows = await store.rows(f"{described.select} WHERE {where}{later} ORDER BY {names} LIMIT {{}}", *bounds, *after, CHUNK)
        if not rows:
            return
        after = tuple(rows[-1][f"key_{place}"] for place in range(len(key)))
        yield rows
