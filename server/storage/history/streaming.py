"""Reads what is many, in chunks: each chunk is a query of its own that begins after the last key of the one before.

Between two chunks nothing is held, no reader and no transaction, so whoever stops in the middle leaves nothing behind, and memory holds one
chunk however much there is. What is written meanwhile may or may not be among it; what was there before is, once.
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

CHUNK = 1_000  # rows; an event with its properties is a few hundred bytes, seldom some ten thousand
STRETCH = 4_000  # events of all projects that one look passes over
AHEAD, BEHIND = 5 * MINUTE, 30 * DAY  # how far an event's own time may be from that of its arrival
NO_END = (1 << 63) - 1

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Span:
    """Times from `first` up to but not including `end`, in epoch milliseconds."""

    first: int = 0
    end: int = 1 << 50

    @property
    def days(self) -> tuple[int, int]:
        """The days that have a part in it: the first, and the one after the last."""
        return self.first // DAY, -(-self.end // DAY)

    @property
    def hours(self) -> tuple[int, int]:
        return self.first // HOUR, -(-self.end // HOUR)

    @property
    def ids(self) -> tuple[int, int]:
        """The ids that events of these times can have. Imported events of before 2024 have the ids of its first moment."""
        return first_id(self.first - AHEAD), min(NO_END, first_id(max(self.end, EPOCH) + BEHIND + 1))


_CONTEXT = ", ".join(f"context.{column}" for column in CONTEXT_COLUMNS)
# The query of whole events, up to its WHERE.
EVENTS = f"""SELECT event.id, event_name.text AS name, event.occurred_at, event.install_id, event.session, target.type AS target_type,
        target.external_id AS target_id, event.outcome, event.duration_us, event.error_type, event.error_message, event.skewed,
        {_CONTEXT}, event.properties
    FROM event JOIN event_name ON event_name.id = event.name_id JOIN context ON context.id = event.context_id
    LEFT JOIN target ON target.id = event.target_id"""


async def events(store: Store, project: int, span: Span) -> AsyncIterator[Rows]:
    """A project's events that occurred in a span, in the order of their arrival."""
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
    """The last of the next few events of all projects: so no look takes long, however rare a project's own are."""
    stretch = "SELECT id FROM event WHERE id > {} AND id < {} ORDER BY id LIMIT {}"
    rows = await store.rows(f"SELECT max(id) AS last FROM ({stretch}) AS stretch", after, end, STRETCH)
    last: int | None = rows[0]["last"]
    return last


async def id_bounds(store: Store, span: Span) -> tuple[int, int]:
    """The lowest and the highest id of the events in a span, of all projects: for a progress bar. 0 and 0 where there are none."""
    first, end = span.ids
    sql = "SELECT (SELECT min(id) FROM event WHERE id >= {}) AS low, (SELECT max(id) FROM event WHERE id < {}) AS high"
    rows = await store.rows(sql, first, end)
    low, high = rows[0]["low"], rows[0]["high"]
    return (low, high) if low is not None and high is not None and low <= high else (0, 0)


async def installs(store: Store, project: int, span: Span) -> AsyncIterator[Rows]:
    """A project's installs that were seen in a span, by their hash."""
    after = -(1 << 63)
    while rows := await store.rows(
        "SELECT * FROM install WHERE id > {} AND project_id = {} AND last_seen >= {} AND first_seen < {} ORDER BY id LIMIT {}",
        *(after, project, span.first, span.end, CHUNK),
    ):
        yield rows
        after = rows[-1]["id"]


@dataclass(frozen=True, slots=True)
class Sums:
    """A table of sums with the words in the place of their numbers. `columns` are those of the rows that `sums` yields."""

    rollup: Rollup
    joins: tuple[str, ...]
    words: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The rollup's own, but with the words for the numbers of names, targets and errors."""
        return tuple(alias for _, alias in self._selected)

    @property
    def _selected(self) -> tuple[tuple[str, str], ...]:
        replaced = {"project_id", "name_id", "target_id", "error_id"}
        own = [(f"sums.{column}", column) for column in (*self.rollup.key, *self.rollup.measures) if column not in replaced]
        place = 1 if self.rollup.period else 0  # after the time, which comes first
        return (*own[:place], *self.words, *own[place:])

    @property
    def select(self) -> str:
        """The query up to its WHERE, with the parts of the key as `key_0`, `key_1`, …"""
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
    "durations": _described(rollups.NAME_DURATION),
    "dimensions": _described(rollups.DIMENSION),
    "target-days": _described(rollups.TARGET_DAY),
    "target-durations": _described(rollups.TARGET_DURATION),
    "target-totals": _described(rollups.TARGET_TOTAL),
    "errors": _described(rollups.ERROR),
    "ledger": _described(rollups.LEDGER),
}


async def sums(store: Store, what: str, project: int, span: Span) -> AsyncIterator[Rows]:
    """The rows of one of `SUMS` in the order of its key. Whole days and hours: those that the span begins and ends in, too."""
    described = SUMS[what]
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
