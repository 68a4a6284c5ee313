"""The SQL of retention: expired events, marks, rejected events and refusals.

These functions find rows with a reader and delete them by key, in short changes. The caller thus decides how long each change holds the writer,
and commits run in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from server.event import DAY
from server.event_id import first_id
from server.storage import changed_days
from server.storage.changes import Change, Snapshot
from server.storage.commit.duplicates import FORMER_MARKS_UNTIL
from server.storage.engine import Store

SCANNED = 20_000  # events per query, which takes a reader about ten milliseconds
REFUSALS_DAYS = 30
NO_END = (1 << 63) - 1  # above every id

_RETAINED = "retained:"  # prefix of a note per project: all its events with lower ids are deleted
_DELETING = "deleting:"  # prefix of a note per project: events with lower ids may be deleted
_LAST_FULL_SCAN = "retained_whole"  # a note: the time of the last pass over all events, epoch ms
_SET_NOTE = "INSERT INTO note (name, value) VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# A note never moves back: if retention is extended, deleted events stay deleted.
_SET_LATER = f"{_SET_NOTE} WHERE note.value < excluded.value"

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ExpiringTable:
    """A table with rows that expire.

    `past` is the condition of expired rows, with `{}` for a limit. `text` holds the key columns that are text; the others are integers.
    """

    table: str
    key: tuple[str, ...]
    past: str
    text: tuple[str, ...] = ()


MARKS = ExpiringTable("mark", ("project_id", "key"), "expires_at <= {}")
REJECTED = ExpiringTable("rejected", ("id",), "id < {}")
REFUSALS = ExpiringTable("refusal", ("project_id", "day", "address", "reason"), "day < {}", ("reason",))


async def expired_keys(store: Store, aged: ExpiringTable, limit: int, after: Key | None, most: int) -> list[Key]:
    """Return the keys of at most `most` expired rows, in order, after a key."""
    key = ", ".join(aged.key)
    where = aged.past if after is None else f"{aged.past} AND ({key}) > ({', '.join('{}' for _ in aged.key)})"
    rows = await store.rows(f"SELECT {key} FROM {aged.table} WHERE {where} ORDER BY {key} LIMIT {{}}", limit, *(after or ()), most)
    return [tuple(row.values()) for row in rows]


async def delete_expired(store: Store, aged: ExpiringTable, limit: int, keys: Sequence[Key]) -> Change:
    """Delete expired rows by key, except those that were extended meanwhile."""
    if len(aged.key) == 1:
        key, values, argument = aged.key[0], store.sql.integers(), _list(k for (k,) in keys)
    else:
        key, values, argument = f"({', '.join(aged.key)})", store.sql.rows(aged.key, aged.text), _list(keys)
    these = store.sql.unlocked_keys(aged.table, aged.key, f"{key} IN ({values}) AND {aged.past}")
    return await store.change((f"DELETE FROM {aged.table} WHERE {key} IN ({these})", (argument, limit)))


def _list(values: Iterable[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range of ids in which retention deletes the events of some projects."""

    first: int
    end: int
    projects: frozenset[int]


async def windows(store: Store, now: int, default_days: int, *, whole: bool) -> list[Window]:
    """Return the windows for retention: for each project, the events that expired since the last pass, or all expired ones if `whole`.

    Projects with equal retention share a window, so one pass serves them all.
    """
    retained = await retained_until(store)
    shared: dict[tuple[int, int], set[int]] = {}
    for row in await store.rows("SELECT id, retention_days FROM project"):
        first = 0 if whole else retained.get(row["id"], 0)
        end = first_id(now - (row["retention_days"] or default_days) * DAY)
        if first < end:
            shared.setdefault((first, end), set()).add(row["id"])
    return [Window(first, end, frozenset(projects)) for (first, end), projects in sorted(shared.items())]


async def expired_below(store: Store, now: int, default_days: int) -> int:
    """Return the id below which the events of all projects have expired."""
    rows = await store.rows("SELECT retention_days FROM project")
    return first_id(now - max([row["retention_days"] or default_days for row in rows], default=default_days) * DAY)


async def retained_until(store: Store) -> dict[int, int]:
    """Return, for each project with deleted events, the lowest id that its events may still have."""
    rows = await store.rows("SELECT name, value FROM note WHERE name LIKE 'retained:%'")
    return {int(row["name"].removeprefix(_RETAINED)): row["value"] for row in rows}


async def note_deleting(store: Store, now: int, default_days: int) -> None:
    """Note for each project which events retention will delete.

    Recounts then skip these days, even if retention is interrupted and only some of the events are deleted.
    """
    rows = await store.rows("SELECT id, retention_days FROM project ORDER BY id")
    ends = [(f"{_DELETING}{row['id']}", first_id(now - (row["retention_days"] or default_days) * DAY)) for row in rows]
    await store.change(*((_SET_LATER, note) for note in ends))


async def incomplete_until(snapshot: Snapshot) -> dict[int, int]:
    """Return, for each project with deleted events, the id from which on all events are complete."""
    found: dict[int, int] = {}
    names = "SELECT name, value FROM note WHERE name LIKE {} OR name LIKE {}"
    for name, value in await snapshot.rows(names, f"{_RETAINED}%", f"{_DELETING}%"):
        project = int(name.partition(":")[2])
        found[project] = max(found.get(project, 0), value)
    return found


async def note_retained(store: Store, window: Window) -> None:
    """Note that the events of a window are deleted."""
    await store.change(*((_SET_LATER, (f"{_RETAINED}{project}", window.end)) for project in sorted(window.projects)))


async def former_marks_until(store: Store) -> int:
    """Return the time (epoch ms) until which marks from before migration 11 may exist (see `Event.former`), or 0."""
    rows = await store.rows("SELECT value FROM note WHERE name = {}", FORMER_MARKS_UNTIL)
    return int(rows[0]["value"]) if rows else 0


async def whole_pass_at(store: Store) -> int:
    """Return the time of the last pass over all events in epoch milliseconds, or 0."""
    rows = await store.rows("SELECT value FROM note WHERE name = {}", _LAST_FULL_SCAN)
    return int(rows[0]["value"]) if rows else 0


async def note_whole_pass(store: Store, now: int) -> None:
    await store.change((_SET_NOTE, (_LAST_FULL_SCAN, now)))


async def next_stretch(store: Store, after: int, end: int) -> int | None:
    """Return the last id of the next `SCANNED` events after an id and below `end`, or None."""
    stretch = "SELECT id FROM event WHERE id > {} AND id < {} ORDER BY id LIMIT {}"
    rows = await store.rows(f"SELECT max(id) AS last FROM ({stretch}) AS stretch", after, end, SCANNED)
    last: int | None = rows[0]["last"]
    return last


async def events_between(store: Store, after: int, last: int, projects: Iterable[int]) -> list[int]:
    """Return the ids of some projects' events after one id and up to another, in order."""
    numbers = ", ".join(str(int(project)) for project in sorted(projects))
    rows = await store.rows(f"SELECT id FROM event WHERE id > {{}} AND id <= {{}} AND project_id IN ({numbers}) ORDER BY id", after, last)
    return [row["id"] for row in rows]


async def delete_events(store: Store, ids: Sequence[int]) -> Change:
    """Delete events. Their counts stay."""
    # With bounds, PostgreSQL reads one stretch of one partition. Without, it may scan a table of less than about 100,000 events for each batch.
    between, bounds = "id BETWEEN {} AND {}", (min(ids), max(ids))
    among, arguments = f"{between} AND id IN ({store.sql.integers()})", (*bounds, _list(ids))
    these = store.sql.unlocked_keys("event", ("id",), among)
    record = changed_days.of_events(among, arguments)
    change = await store.change(*record, (f"DELETE FROM event WHERE {between} AND id IN ({these})", (*bounds, *arguments)))
    return Change(change.rows[len(record) :], change.seconds)
