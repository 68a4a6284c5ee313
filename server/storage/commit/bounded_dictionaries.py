"""Dictionaries with a maximum number of words per project, and a cache that makes full ones free of cost.

A new word is looked up, and counted against the remaining room. Once a dictionary is full, it is cached as a whole: a word that is not in the
cache is not in the store either, so no statement runs. A client that sends endless new words thus does not slow down the commits of others.
Words are never deleted from these dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from server.caching import BoundedDict
from server.storage.commit.writer_connection import Connection

LOADED = 20_000  # words of a full dictionary that are cached; in a larger one, each word is looked up
REMEMBERED = 32  # full dictionaries that are cached
_SHARE = 8  # one of several processes uses 1/_SHARE of the room before it counts again

Row = tuple[Any, ...]
Place = tuple[str, int, int]  # table, project, maximum number of words


@dataclass(frozen=True, slots=True)
class DictionaryTable:
    """A dictionary table: the columns that hold the word, and those that a lookup returns."""

    table: str
    key: tuple[str, ...] = ("text",)
    values: tuple[str, ...] = ("id",)


NAMES = DictionaryTable("event_name")
ERRORS = DictionaryTable("error_type")
TARGETS = DictionaryTable("target", ("type", "external_id"), ("id", "visibility"))


class BoundedDictionaries:
    """The bounded dictionaries, as one committing process sees them."""

    def __init__(self) -> None:
        self._room: dict[Place, int] = {}
        self._full: BoundedDict[Place, dict[Row, Row] | None] = BoundedDict(REMEMBERED)  # None: too large to be cached

    def find(
        self,
        connection: Connection,
        dictionary: DictionaryTable,
        project: int,
        word: Row,
        most: int,
        *,
        always: bool = False,
        also: Mapping[str, Any] = MappingProxyType({}),
    ) -> Row | None:
        """Return the values of a word, or None if it is new and the dictionary is full.

        A new word is added with the columns of `also`. `always` adds it even to a full dictionary.
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

    def _has_room(self, connection: Connection, dictionary: DictionaryTable, place: Place) -> bool:
        """True if a word can be added. Counts rows only when the known room is used up, and caches a dictionary that is full."""
        if self._room.get(place, 0) > 0:
            return True
        table, project, most = place
        (there,) = connection.execute(f"SELECT count(*) FROM {table} WHERE project_id = ?", (project,)).fetchone()
        if there < most:
            self._room[place] = max(1, (most - there) // _SHARE) if connection.has_concurrent_writers else most - there
            return True
        self._full.keep(place, _all(connection, dictionary, project) if there <= LOADED else None)
        return False

    def settle(self) -> None:
        """Do nothing: a committed transaction changes no cached state."""

    def revert(self) -> None:
        """Drop the caches: the transaction that added words was rolled back."""
        self.forget()

    def forget(self) -> None:
        """Drop the caches: something else changed the tables."""
        self._room.clear()
        self._full.clear()


def _select(connection: Connection, dictionary: DictionaryTable, project: int, word: Row) -> Row | None:
    same = " AND ".join(f"{column} = ?" for column in dictionary.key)
    find = f"SELECT {', '.join(dictionary.values)} FROM {dictionary.table} WHERE project_id = ? AND {same}"
    found: Row | None = connection.execute(find, (project, *word)).fetchone()
    return found


def _all(connection: Connection, dictionary: DictionaryTable, project: int) -> dict[Row, Row]:
    columns, width = ", ".join((*dictionary.key, *dictionary.values)), len(dictionary.key)
    rows = connection.execute(f"SELECT {columns} FROM {dictionary.table} WHERE project_id = ?", (project,)).fetchall()
    return {row[:width]: row[width:] for row in rows}


def _add(connection: Connection, dictionary: DictionaryTable, project: int, word: Row, also: Mapping[str, Any]) -> Row:
    """Add a word, or find it if another process added it first."""
    row = {"project_id": project, **dict(zip(dictionary.key, word, strict=True)), **also}
    insert = (
        f"INSERT INTO {dictionary.table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        f" ON CONFLICT DO NOTHING RETURNING {', '.join(dictionary.values)}"
    )
    added: Row | None = connection.execute(insert, tuple(row.values())).fetchone()
    found = added or _select(connection, dictionary, project, word)
    assert found is not None
    return found
