"""New words that wait for a second sender, once half of a dictionary is used.

One client that sends endless new words would fill a dictionary forever, and new words of all others would count as `(other)`. So the first half is
open to any word, and the second half to words that came from two addresses. An address is represented by a number that only this process can compute,
and only while it runs.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable

from server.caching import BoundedDict
from server.storage.batch import TRUSTED

SMALLEST = 1_000  # words of a dictionary with a second half; a smaller one is not worth filling
WAITING = 20_000  # words of all projects that wait; about 5 MiB
OF_ONE = 500  # words that one sender can have waiting, so that no sender displaces the words of others
_SENDERS = 10_000


class Sight(enum.Enum):
    """The state of a waiting word: `FIRST` when it is first seen, `CONFIRMED` by a second sender, `AGAIN` from the same sender or one with too many."""

    FIRST = enum.auto()
    AGAIN = enum.auto()
    CONFIRMED = enum.auto()


class Candidates:
    """The waiting words that one committing process has seen."""

    def __init__(self) -> None:
        self._sender: BoundedDict[Hashable, int] = BoundedDict(WAITING)
        self._number: BoundedDict[Hashable, int] = BoundedDict(_SENDERS)

    def see(self, place: Hashable, word: Hashable, sender: int) -> Sight:
        """Record a word of a dictionary."""
        if sender == TRUSTED:
            return Sight.CONFIRMED
        key = (place, word)
        first = self._sender.get(key)
        if first == sender:
            return Sight.AGAIN
        if first is not None:
            self._confirm(place, key, first)
            return Sight.CONFIRMED
        waiting = self._number.get((place, sender), 0)
        if waiting >= OF_ONE:
            return Sight.AGAIN
        self._number.keep((place, sender), waiting + 1)
        self._sender.keep(key, sender)
        return Sight.FIRST

    def _confirm(self, place: Hashable, key: Hashable, first: int) -> None:
        """Confirm a word, which no longer counts against its first sender. It stays confirmed even if the transaction that adds it is repeated."""
        if first != TRUSTED:
            self._sender[key] = TRUSTED
            if (waiting := self._number.get((place, first), 0)) > 0:
                self._number[place, first] = waiting - 1


def open_words(most: int) -> int:
    """Return how many words of a dictionary with at most `most` are open to any sender."""
    return most // 2 if most >= SMALLEST else most
