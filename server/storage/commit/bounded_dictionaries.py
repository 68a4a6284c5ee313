"""Dictionaries that take so many words of a project and no more, and what is remembered so that a full one costs nothing.

A word that is new is looked up, and counted against what the dictionary still takes. Once it is full it is kept in memory, whole: a word that
is not in it is not in the store either, and no statement asks. So what one client sends does not slow down another's commit. No word is ever
deleted from these dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

LOADED = 20_000  # words of a full dictionary that are kept in memory; of a larger one each new word is looked up
REMEMBERED = 32  # full dictionaries that are kept in memory
_SHARE = 8  # of the room left, the part that one of several processes uses before it counts again

Row = tuple[Any, ...]
Place = tuple[str, int, int]  # table, project, and the number of words that the project may have


class Connection(Protocol):
    """What of `server.storage.commit.transaction.Connection` is used here."""

    has_concurrent_writers: bool

    def execute(self, sql: str, arguments: Sequence[Any] = (), /) -> Any: ...

    def lock_dictionaries(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary table: the columns that are the word, and those that are asked for."""

    table: str
    key: tuple[str, ...] = ("text",)
    values: tuple[str, ...] = ("id",)


NAMES = Dictionary("event_name")
ERRORS = Dictionary("error_type")
TARGETS = Dictionary("target", ("type", "external_id"), ("id", "visibility"))


class BoundedDictionaries:
    """The words of bounded dictionaries, for one committing process."""

    def __init__(self) -> None:
        self._room: dict[Place, int] = {}
        self._full: dict[Place, dict[Row, Row] | None] = {}  # None: too large to be kept

    def find(
        self,
        connection: Connection,
        dictionary: Dictionary,
        project: int,
        word: Row,
        most: int,
        *,
        always: bool = False,
        also: Mapping[str, Any] = MappingProxyType({}),
    ) -> Row | None:
        """The values of a word, which is added with the columns of `also` if it is new; None where the dictionary is full.

        `always` adds it to a full dictionary, too.
        """
        place = (dictionary.table, project, most)
        full = self._full.get(place)
        if full is not None and ((row := full.get(word)) is not None or not always):
            return row
        found = _select(connection, dictionary, project, word)
        if found is not None:
            return found
        if place in self._full and not always:
            return None
        connection.lock_dictionaries()
        if not always and not self._has_room(connection, dictionary, place):
            return None
        added = _add(connection, dictionary, project, word, also)
        if full is not None:
            full[word] = added
        elif not always:
            self._room[place] -= 1
        return added

    def _has_room(self, connection: Connection, dictionary: Dictionary, place: Place) -> bool:
        """Whether a word can be added. Counts seldom, and keeps a dictionary that it finds full."""
        if self._room.get(place, 0) > 0:
            return True
        table, project, most = place
        (there,) = connection.execute(f"SELECT count(*) FROM {table} WHERE project_id = ?", (project,)).fetchone()
        if there < most:
            self._room[place] = max(1, (most - there) // _SHARE) if connection.has_concurrent_writers else most - there
            return True
        if len(self._full) >= REMEMBERED:
            del self._full[next(iter(self._full))]
        self._full[place] = _all(connection, dictionary, project) if there <= LOADED else None
        return False

    def settle(self) -> None:
        """The transaction has committed."""

    def revert(self) -> None:
        """The transaction was rolled back, and with it words that it had added."""
        self.forget()

    def forget(self) -> None:
        """Something else changed the tables."""
        self._room.clear()
        self._full.clear()


def _select(connection: Connection, dictionary: Dictionary, project: int, word: Row) -> Row | None:
    same = " AND ".join(f"{column} = ?" for column in dictionary.key)
    find = f"SELECT {', '.join(dictionary.values)} FROM {dictionary.table} WHERE project_id = ? AND {same}"
    found: Row | None = connection.execute(find, (project, *word)).fetchone()
    return found


def _all(connection: Connection, dictionary: Dictionary, project: int) -> dict[Row, Row]:
    columns, width = ", ".join((*dictionary.key, *dictionary.values)), len(dictionary.key)
    rows = connection.execute(f"SELECT {columns} FROM {dictionary.table} WHERE project_id = ?", (project,)).fetchall()
    return {row[:width]: row[width:] for row in rows}


def _add(connection: Connection, dictionary: Dictionary, project: int, word: Row, also: Mapping[str, Any]) -> Row:
    """Add a word, or find it where another process was quicker."""
    row = {"project_id": project, **dict(zip(dictionary.key, word, strict=True)), **also}
    insert = (
        f"INSERT INTO {dictionary.table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        f" ON CONFLICT DO NOTHING RETURNING {', '.join(dictionary.values)}"
    )
    added: Row | None = connection.execute(insert, tuple(row.values())).fetchone()
    found = added or _select(connection, dictionary, project, word)
    assert found is not None
    return found
