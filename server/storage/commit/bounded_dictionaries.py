"""Dictionaries with a maximum number of words per project, and a cache that makes full ones free of cost.

A new word is looked up, and counted against the remaining room. Once half of a dictionary is used, it is cached as a whole, and a new word
needs a second sender (see `candidates`): the words of one client neither fill it nor run a statement each. Words are never deleted from these
dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from server.caching import BoundedDict
from server.storage.batch import TRUSTED
from server.storage.commit.candidates import Candidates, Sight, open_words
from server.storage.commit.writer_connection import Connection

LOADED = 20_000  # words of a crowded dictionary that are cached; in a larger one, each word is looked up
REMEMBERED = 32  # crowded dictionaries that are cached
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


class _Crowded:
    """A dictionary that only accepts words from two senders, or no words if it is full. `rows` is None if it is too large to cache."""

    __slots__ = ("is_full", "rows")

    def __init__(self, rows: dict[Row, Row] | None) -> None:
        self.rows = rows
        self.is_full = False


class BoundedDictionaries:
    """The bounded dictionaries, as one committing process sees them."""

    def __init__(self) -> None:
        self._room: dict[Place, int] = {}
        self._crowded: BoundedDict[Place, _Crowded] = BoundedDict(REMEMBERED)
        self._candidates = Candidates()

    def find(
        self,
        connection: Connection,
        dictionary: DictionaryTable,
        project: int,
        word: Row,
        most: int,
        *,
        sender: int = TRUSTED,
        always: bool = False,
        also: Mapping[str, Any] = MappingProxyType({}),
    ) -> Row | None:
        """Return the values of a word, or None if it is new and the dictionary has no room for it.

        A new word is added with the columns of `also`. `always` adds it even to a full dictionary. `sender`: see `candidates`.
        """
        place = (dictionary.table, project, most)
        crowded = self._crowded.get(place)
        may_add = True
        if crowded is not None and crowded.rows is not None:
            known = crowded.rows.get(word)
            if known is not None or (crowded.is_full and not always):
                return known
        if crowded is not None and not always:
            sight = Sight.FIRST if crowded.is_full else self._candidates.see(place, word, sender)
            if sight is Sight.AGAIN and crowded.rows is not None:
                return None
            may_add = sight is Sight.CONFIRMED
        found = _select(connection, dictionary, project, word)
        if found is None and may_add:
            found = self._add(connection, dictionary, place, word, also, always=always)
        crowded = self._crowded.get(place)
        if found is not None and crowded is not None and crowded.rows is not None:
            crowded.rows[word] = found  # another process may have added it
        return found

    def _add(
        self, connection: Connection, dictionary: DictionaryTable, place: Place, word: Row, also: Mapping[str, Any], *, always: bool
    ) -> Row | None:
        connection.lock_dictionaries()
        if not always and not self._has_room(connection, dictionary, place):
            return None
        added = _add(connection, dictionary, place[1], word, also)
        if not always:
            self._room[place] -= 1
        return added

    def _has_room(self, connection: Connection, dictionary: DictionaryTable, place: Place) -> bool:
        """Return True if a word can be added. Counts rows only when the known room is used up, and caches a dictionary that is crowded."""
        if self._room.get(place, 0) > 0:
            return True
        table, project, most = place
        (there,) = connection.execute(f"SELECT count(*) FROM {table} WHERE project_id = ?", (project,)).fetchone()
        limit = open_words(most)
        if there >= limit:
            crowded = self._crowded.get(place)
            if crowded is None:
                crowded = _Crowded(_all(connection, dictionary, project) if there <= LOADED else None)
                self._crowded.keep(place, crowded)
            crowded.is_full = there >= most
            limit = most
        if there >= limit:
            return False
        self._room[place] = max(1, (limit - there) // _SHARE) if connection.has_concurrent_writers else limit - there
        return True

    def settle(self) -> None:
        """Do nothing: a committed transaction changes no cached state."""

    def revert(self) -> None:
        """Drop the caches: the transaction that added words was rolled back."""
        self.forget()

    def forget(self) -> None:
        """Drop the caches: something else changed the tables."""
        self._room.clear()
        self._crowded.clear()


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
