"""Changes to stored events that a history (`server.history`) may already have read.

A history reads events below an id that it *seals* first: the note `history_sealed` holds the highest sealed id. From then on, every
transaction that adds events below it, or deletes events, records their days of arrival in `changed_day`, under the next number of the note
`history_changes`. A part of a history is valid while none of its days has a higher number than the one at which it was read. No clock is
involved: `seal` waits for running commits, and each later commit sees the note.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from server.event import DAY
from server.event_id import EPOCH, first_id, received_at
from server.storage.changes import Change
from server.storage.store_sql import StoreSql

_SEALED = "SELECT value FROM note WHERE name = 'history_sealed'"
_NUMBER = "history_changes"
_STORE = "history_store"
_SEAL = (
    "INSERT INTO note (name, value) VALUES ('history_sealed', {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    " WHERE note.value < excluded.value"
)
_IDENTIFY = "INSERT INTO note (name, value) VALUES ({}, {}) ON CONFLICT (name) DO NOTHING"
_NEXT = f"INSERT INTO note (name, value) VALUES ('{_NUMBER}', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1"
_CURRENT = f"(SELECT value FROM note WHERE name = '{_NUMBER}')"
_ON_CONFLICT = "ON CONFLICT (day) DO UPDATE SET number = excluded.number"
_DAY_OF_ID = f"((id / {first_id(EPOCH + 1)} + {EPOCH}) / {DAY})"

Statement = tuple[str, tuple[Any, ...]]


class _Connection(Protocol):
    sql: StoreSql

    def execute(self, sql: str, arguments: Any = (), /) -> Any: ...


class _Store(Protocol):
    sql: StoreSql

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]: ...

    async def change(self, *statements: Statement, exclusive: bool = False) -> Change: ...


class _Snapshot(Protocol):
    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class ChangeState:
    """The changes of a store at one moment: its identity, the last number, the sealed id, and the days with a number above the one asked for."""

    store: int
    number: int
    sealed: int
    days: dict[int, int]


def record_added(connection: _Connection, sealed: int, ids: list[int]) -> None:
    """Record the days of ids that a commit adds below the sealed one. Run it last in the transaction."""
    if not ids or min(ids) >= sealed:
        return
    days = sorted({received_at(id_) // DAY for id_ in ids if id_ < sealed})
    connection.execute(_NEXT)
    listed = connection.sql.integers("?")
    connection.execute(_add_days(f"SELECT value, {_CURRENT} FROM ({listed}) AS days WHERE true"), (_list(days),))


def of_events(condition: str, arguments: tuple[Any, ...]) -> tuple[Statement, ...]:
    """Return statements that record the days of events, to run before these are deleted in the same change."""
    return (_NEXT, ()), (_add_days(f"SELECT DISTINCT {_DAY_OF_ID}, {_CURRENT} FROM event WHERE {condition}"), arguments)


def of_ids(sql: StoreSql, first: int, end: int) -> tuple[Statement, ...]:
    """Return statements that record all days of a half-open range of ids, for changes of whole partitions."""
    days = _list(range(received_at(first) // DAY, received_at(end - 1) // DAY + 1))
    listed = sql.integers()
    return (_NEXT, ()), (_add_days(f"SELECT value, {_CURRENT} FROM ({listed}) AS days WHERE true"), (days,))


def _add_days(select: str) -> str:
    return f"INSERT INTO changed_day (day, number) {select} {_ON_CONFLICT}"


def _list(values: Iterable[int]) -> str:
    return msgspec.json.encode(list(values)).decode()


async def seal(store: _Store, before: int) -> int:
    """Seal the ids below `before` after running commits have ended. Return the sealed id, which is at most one above the newest event's."""
    (row,) = await store.rows("SELECT COALESCE(MAX(id), -1) AS newest FROM event")
    before = min(before, int(row["newest"]) + 1)
    sealed = await _sealed(store)
    if sealed is not None and sealed >= before:
        return sealed
    await store.change((_IDENTIFY, (_STORE, secrets.randbits(62))), (_SEAL, (before,)), exclusive=True)
    return await _sealed(store) or 0


async def _sealed(store: _Store) -> int | None:
    rows = await store.rows(_SEALED)
    return int(rows[0]["value"]) if rows else None


async def state(snapshot: _Snapshot, above: int) -> ChangeState:
    """Return the changes of a store with a number above another."""
    notes = dict(await snapshot.rows("SELECT name, value FROM note WHERE name IN ({}, {}, {})", _STORE, _NUMBER, "history_sealed"))
    number = notes.get(_NUMBER, 0)
    days = dict(await snapshot.rows("SELECT day, number FROM changed_day WHERE number > {}", above)) if number > above else {}
    return ChangeState(notes.get(_STORE, 0), number, notes.get("history_sealed", 0), days)
