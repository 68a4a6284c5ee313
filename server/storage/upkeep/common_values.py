"""Folding of rare values: keeps the common values of a day's dimension (`server.jobs.value_ranking`) and counts all others as `(other)`.

Clients choose versions and properties freely, and each value is a row. Each change folds a few values as a whole, so the sums over all values
are correct at every moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.storage import rollups
from server.storage.changes import Change
from server.storage.engine import Store
from server.storage.rollups import OTHER, VALUES_A_DAY, Rollup
from server.storage.statements import on_conflict_add

_LOOKED = "values_folded"  # a note: the id up to which events were checked
_ONE = "project_id = {} AND day = {} AND dimension = {}"
# One name at a time, so that rows are found by their whole key.
_THESE = "project_id = {} AND day = {} AND name_id = {} AND dimension = {} AND value IN ({listed})"
_KEY = "project_id, day, name_id, dimension"
_FOLDED = (rollups.DIMENSION, rollups.DIMENSION_SPREAD)


async def looked_at(store: Store) -> int:
    """Return the id up to which events were checked, or 0."""
    rows = await store.rows("SELECT value FROM note WHERE name = {}", _LOOKED)
    return int(rows[0]["value"]) if rows else 0


async def note_looked_at(store: Store, event_id: int) -> None:
    sql = "INSERT INTO note (name, value) VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    await store.change((sql, (_LOOKED, event_id)))


async def days_touched(store: Store, after: int, last: int) -> set[tuple[int, int]]:
    """Return the (project, day) pairs of the events after one id and up to another."""
    sql = "SELECT DISTINCT project_id, occurred_at / 86400000 AS day FROM event WHERE id > {} AND id <= {}"
    return {(row["project_id"], row["day"]) for row in await store.rows(sql, after, last)}


async def crowded(store: Store, project: int, day: int) -> list[str]:
    """Return the dimensions with more than `VALUES_A_DAY` values."""
    rows = await store.rows(
        "SELECT dimension FROM rollup_dimension WHERE project_id = {} AND day = {} AND value <> {}"
        " GROUP BY dimension HAVING count(DISTINCT value) > {}",
        project,
        day,
        OTHER,
        VALUES_A_DAY,
    )
    return [row["dimension"] for row in rows]


async def events_by_value(store: Store, project: int, day: int, dimension: str) -> dict[str, int]:
    """Return the number of events of each value, over all names and environments."""
    rows = await store.rows(
        f"SELECT value, sum(events) AS events FROM rollup_dimension WHERE {_ONE} AND value <> {{}} GROUP BY value",
        *(project, day, dimension, OTHER),
    )
    return {row["value"]: int(row["events"]) for row in rows}


async def rare(store: Store, project: int, day: int, dimension: str, common: Sequence[str]) -> dict[int, list[str]]:
    """Return, by event name, all values except the common ones."""
    rows = await store.rows(
        f"SELECT DISTINCT name_id, value FROM rollup_dimension WHERE {_ONE} AND value <> {{}} AND value NOT IN ({store.sql.texts()})",
        *(project, day, dimension, OTHER),
        msgspec.json.encode(common).decode(),
    )
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row["name_id"], []).append(row["value"])
    return found


async def fold(store: Store, project: int, day: int, name: int, dimension: str, values: Sequence[str]) -> Change:
    """Fold values into `(other)`."""
    these = (project, day, name, dimension, msgspec.json.encode(values).decode())
    which = _THESE.format("{}", "{}", "{}", "{}", listed=store.sql.texts())
    if store.sql.has_one_writer:
        parts = [part for rollup in _FOLDED for part in (_others(rollup, rollup.table, which), f"DELETE FROM {rollup.table} WHERE {which}")]
        return await store.change(*((part, these) for part in parts))
    # One statement for each table, in an exclusive change: between two statements, updates of other processes would be lost; without the lock,
    # they could deadlock.
    moved = [
        f"WITH moved AS (DELETE FROM {rollup.table} WHERE {which} RETURNING *) {_others(rollup, 'moved', 'TRUE')}" for rollup in _FOLDED
    ]
    return await store.change(*((each, these) for each in moved), exclusive=True)


def _others(rollup: Rollup, source: str, where: str) -> str:
    """Return the statement that adds rows of a source to `(other)`."""
    sums = ", ".join(f"sum({measure})" for measure in rollup.measures)
    return (
        f"INSERT INTO {rollup.table} ({', '.join((*rollup.key, *rollup.measures))}) SELECT {_KEY}, '{OTHER}', environment, {sums} FROM {source}"
        f" WHERE {where} GROUP BY {_KEY}, environment {on_conflict_add(rollup)}"
    )
