"""Words that events share, kept once and referred to by small integers: names, contexts, targets, types of errors.

The cache is filled by commits. What a transaction adds is `pending` until it commits, and forgotten when it rolls back, so that no cache
ever holds a number that the store does not.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")

NAMES_A_PROJECT = 10_000
ERRORS_A_PROJECT = 2_000  # types of errors: free text, of which some clients make a new one each time
_MOST = 50_000


class Dictionary(Generic[Key, Entry]):
    """A bounded cache of one dictionary table."""

    def __init__(self) -> None:
        self._known: dict[Key, Entry] = {}
        self._pending: dict[Key, Entry] = {}

    def get(self, key: Key) -> Entry | None:
        """The entry, if it is known to be in the store or was added in this transaction."""
        entry = self._known.get(key)
        return self._pending.get(key) if entry is None and self._pending else entry

    def add(self, key: Key, entry: Entry) -> None:
        """An entry that this transaction read or wrote."""
        self._pending[key] = entry

    def settle(self) -> None:
        """The transaction has committed."""
        if self._pending:
            if len(self._known) + len(self._pending) > _MOST:
                self._known.clear()
            self._known.update(self._pending)
            self._pending.clear()

    def revert(self) -> None:
        """The transaction was rolled back."""
        self._pending.clear()

    def forget(self) -> None:
        """Somebody else changed the table."""
        self._known.clear()
