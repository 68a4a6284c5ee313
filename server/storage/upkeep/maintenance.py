"""The SQL of what goes with time: raw events past their retention, marks, the rejected, refusals.

Everything here looks with a reader and takes away with short changes of rows named by their keys, so that whoever calls decides how
long the writer is held, and commits pass in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from server.event import DAY
from server.event_id import first_id
from server.storage import json_lists
from server.storage.changes import Change, Snapshot
from server.storage.commit.duplicates import FORMER_MARKS_UNTIL
from server.storage.engine import Store

SCANNED = 20_000  # events that one look passes over: some ten milliseconds of a reader
REFUSALS_DAYS = 30
NO_END = (1 << 63) - 1  # above every id

_RETAINED = "retained:"  # the name of a project's note: no event of it with a lower id is left
_DELETING = "deleting:"  # the same before the first delete: events of it with a lower id may be gone
_PASSED = "retained_whole"  # when all events were last looked at, epoch ms
_SET_NOTE = "INSERT INTO note (name, value) VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# Of a project whose retention was made longer, what is gone stays gone.
_SET_LATER = f"{_SET_NOTE} WHERE note.value < excluded.value"

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ExpiringTable:
    """Rows of which some have had their time. `past` is the condition; its `{}` stands for a limit; `text` are those columns of the key that
    are not whole numbers."""

    table: str
    key: tuple[str, ...]
    past: str
    text: tuple[str, ...] = ()


MARKS = ExpiringTable("mark", ("project_id", "key"), "expires_at <= {}")
REJECTED = ExpiringTable("rejected", ("id",), "id < {}")
REFUSALS = ExpiringTable("refusal", ("project_id", "day", "address", "reason"), "day < {}", ("reason",))


async def expired_keys(store: Store, aged: ExpiringTable, limit: int, after: Key | None, most: int) -> list[Key]:
    """The keys of rows that have had their time, in order, from the first one after a key."""
    key = ", ".join(aged.key)
    where = aged.past if after is None else f"{aged.past} AND ({key}) > ({', '.join('{}' for _ in aged.key)})"
    rows = await store.rows(f"SELECT {key} FROM {aged.table} WHERE {where} ORDER BY {key} LIMIT {{}}", limit, *(after or ()), most)
    return [tuple(row.values()) for row in rows]


async def delete_expired(store: Store, aged: ExpiringTable, limit: int, keys: Sequence[Key]) -> Change:
    """Delete rows by key, but for those whose time was made longer meanwhile."""
    if len(aged.key) == 1:
        key, values, argument = aged.key[0], json_lists.integers(store.engine_type), _list(k for (k,) in keys)
    else:
        key, values, argument = f"({', '.join(aged.key)})", json_lists.rows(store.engine_type, aged.key, aged.text), _list(keys)
    these = json_lists.unlocked_keys(store.engine_type, aged.table, aged.key, f"{key} IN ({values}) AND {aged.past}")
    return await store.change((f"DELETE FROM {aged.table} WHERE {key} IN ({these})", (argument, limit)))


def _list(values: Iterable[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()


@dataclass(frozen=True, slots=True)
class Window:
    """Ids, from `first` up to but not including `end`, of which the events of some projects are to go."""

    first: int
    end: int
    projects: frozenset[int]


async def windows(store: Store, now: int, default_days: int, *, whole: bool) -> list[Window]:
    """What retention has to look at: for each project what has come of age since it was last looked at, or where `whole`, all of it.

    Projects of like retention share a window, so that one pass serves them all.
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
    """The id below which no project keeps its events."""
    rows = await store.rows("SELECT retention_days FROM project")
    return first_id(now - max([row["retention_days"] or default_days for row in rows], default=default_days) * DAY)


async def retained_until(store: Store) -> dict[int, int]:
    """For each project that retention has been at, the lowest id that an event of it may still have."""
    rows = await store.rows("SELECT name, value FROM note WHERE name LIKE 'retained:%'")
    return {int(row["name"].removeprefix(_RETAINED)): row["value"] for row in rows}


async def note_deleting(store: Store, now: int, default_days: int) -> None:
    """Note for each project which events retention is about to delete. From then on no recount takes what is left of them for all there was,
    wherever retention is interrupted."""
    rows = await store.rows("SELECT id, retention_days FROM project ORDER BY id")
    ends = [(f"{_DELETING}{row['id']}", first_id(now - (row["retention_days"] or default_days) * DAY)) for row in rows]
    await store.change(*((_SET_LATER, note) for note in ends))


async def incomplete_until(snapshot: Snapshot) -> dict[int, int]:
    """For each project of which events were deleted, or were about to be, the id from which on all are there."""
    found: dict[int, int] = {}
    names = "SELECT name, value FROM note WHERE name LIKE {} OR name LIKE {}"
    for name, value in await snapshot.rows(names, f"{_RETAINED}%", f"{_DELETING}%"):
        project = int(name.partition(":")[2])
        found[project] = max(found.get(project, 0), value)
    return found


async def note_retained(store: Store, window: Window) -> None:
    """A window is done."""
    await store.change(*((_SET_LATER, (f"{_RETAINED}{project}", window.end)) for project in sorted(window.projects)))


async def former_marks_until(store: Store) -> int:
    """The time (epoch ms) up to which there may be marks that were made before ids belonged to installs, see `Event.former`; 0 for none."""
    rows = await store.rows("SELECT value FROM note WHERE name = {}", FORMER_MARKS_UNTIL)
    return int(rows[0]["value"]) if rows else 0


async def whole_pass_at(store: Store) -> int:
    """When all events were last looked at, in epoch milliseconds; 0 for never."""
    rows = await store.rows("SELECT value FROM note WHERE name = {}", _PASSED)
    return int(rows[0]["value"]) if rows else 0


async def note_whole_pass(store: Store, now: int) -> None:
    await store.change((_SET_NOTE, (_PASSED, now)))


async def next_stretch(store: Store, after: int, end: int) -> int | None:
    """The id of the last event of the next stretch after an id and below `end`, None where there is none."""
    stretch = "SELECT id FROM event WHERE id > {} AND id < {} ORDER BY id LIMIT {}"
    rows = await store.rows(f"SELECT max(id) AS last FROM ({stretch}) AS stretch", after, end, SCANNED)
    last: int | None = rows[0]["last"]
    return last


async def events_between(store: Store, after: int, last: int, projects: Iterable[int]) -> list[int]:
    """The ids of some projects' events after an id up to another, in order."""
    wanted = ", ".join(str(int(project)) for project in sorted(projects))
    rows = await store.rows(f"SELECT id FROM event WHERE id > {{}} AND id <= {{}} AND project_id IN ({wanted}) ORDER BY id", after, last)
    return [row["id"] for row in rows]


async def delete_events(store: Store, ids: Sequence[int]) -> Change:
    """Delete events, and nothing that was ever counted of them."""
    these = json_lists.unlocked_keys(store.engine_type, "event", ("id",), f"id IN ({json_lists.integers(store.engine_type)})")
    return await store.change((f"DELETE FROM event WHERE id IN ({these})", (_list(ids),)))
