"""Caches of the dictionary tables, which give names, contexts, targets and error types their numbers.

Commits fill the cache. Entries of a transaction are pending until it commits, and are dropped if it rolls back: the cache never holds a number
that is not in the store.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from server.caching import BoundedDict

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")

MAX_NAMES = 10_000
MAX_ERROR_TYPES = 2_000  # error types are free text, and some clients send a new one each time
_MAX_ENTRIES = 50_000


class Dictionary(Generic[Key, Entry]):
    """A bounded cache of one dictionary table."""

    def __init__(self) -> None:
        self._committed: BoundedDict[Key, Entry] = BoundedDict(_MAX_ENTRIES)
        self._pending: dict[Key, Entry] = {}

    def get(self, key: Key) -> Entry | None:
        """Return the entry, if it is committed or was added in this transaction."""
        entry = self._committed.get(key)
        return self._pending.get(key) if entry is None and self._pending else entry

    def add(self, key: Key, entry: Entry) -> None:
        """Add an entry that this transaction read or wrote."""
        self._pending[key] = entry

    def settle(self) -> None:
        """Keep the pending entries: the transaction has committed."""
        if self._pending:
            self._committed.keep_all(self._pending)
            self._pending.clear()

    def revert(self) -> None:
        """Drop the pending entries: the transaction was rolled back."""
        self._pending.clear()

    def forget(self) -> None:
        """Drop all committed entries: something else changed the table."""
        self._committed.clear()
