"""A cache of installs that were seen a moment ago, which saves most updates of their rows.

Each event updates the time and the fields of its install, and its install's day of activity. Tools send several events in a row, most of which
would change nothing but write to three distant pages of the file. So the first of these events updates the rows, and the others do not:
`last_seen` may lag by up to `FRESH`, and no count ever does.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from server.event import DAY, MINUTE
from server.storage.commit.dictionaries import Dictionary

FRESH = 5 * MINUTE


class InstallUpdate(enum.IntEnum):
    """The parts of an install's rows that an event changes."""

    NONE = 0
    SEEN = 1  # the time only; the day of activity is stored already
    FULL = 2


class Sighting(NamedTuple):
    """The newest event that an install's rows reflect.

    `context` is its context's number, `at` the time at which it occurred. Until `until`, events of the same context change nothing. Times are
    in epoch milliseconds.
    """

    context: int
    at: int
    until: int


_NONE = Sighting(0, 0, 0)  # the rows reflect something other than one event
_NOTHING = InstallUpdate.NONE  # a global is faster than a lookup in the enum, which every event would pay for


class Sightings(Dictionary[int, Sighting]):
    """The installs that were seen recently, by their hash. Bounded; holds committed rows only."""

    def update_for(self, install: int, context: int, at: int) -> InstallUpdate:
        """Return the part of an install's rows that an event changes, and remember the event if there is any."""
        # Rows of this transaction are newer than those of earlier ones.
        seen = self._pending.get(install) or self._committed.get(install)
        if seen is None:
            self.add(install, _sighting(context, at))
            return InstallUpdate.FULL
        last_context, since, until = seen
        if last_context == context:
            if since <= at < until:
                return _NOTHING
            if at > since:
                self.add(install, _sighting(context, at))
            if at // DAY == since // DAY:
                return InstallUpdate.SEEN
        else:
            # After an older event of another context, the rows are a mix of both.
            self.add(install, _sighting(context, at) if at >= since else _NONE)
        return InstallUpdate.FULL

    def invalidate(self, install: int) -> None:
        """Forget an install: something other than an event changes its row."""
        self.add(install, _NONE)


def _sighting(context: int, at: int) -> Sighting:
    return Sighting(context, at, min(at + FRESH, (at // DAY + 1) * DAY))
