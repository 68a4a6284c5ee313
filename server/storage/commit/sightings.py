"""Which installs were seen just now, so that an event of theirs says nothing new.

An event says of its install when it was last seen and where it runs, and that it was active on that day. Tools send several events in a
row: most of them say what the store already knows, and each would write to three places that are far apart in the file. So the rows of an
install and of its day follow the first of such events at once and the others not at all; `last_seen` may be `FRESH` behind, no more, and
nothing that is counted ever is.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from server.event import DAY, MINUTE
from server.storage.commit.dictionaries import Dictionary

FRESH = 5 * MINUTE


class InstallUpdate(enum.IntEnum):
    """What an event tells of its install that the rows do not say yet."""

    NONE = 0
    SEEN = 1  # when it was seen; its day of activity is known
    FULL = 2


class Sighting(NamedTuple):
    """The newest event that an install's rows tell of: its context's number, when it occurred, and until when (both in epoch ms) another
    one of the same context tells nothing new."""

    context: int
    at: int
    until: int


_NONE = Sighting(0, 0, 0)  # the rows tell of something else
_NOTHING = InstallUpdate.NONE  # looking a member up in its enum takes a while, and each event does


class Sightings(Dictionary[int, Sighting]):
    """The installs that were seen lately, by their hash; bounded, and only what has been committed."""

    def update_for(self, install: int, context: int, at: int) -> InstallUpdate:
        """What of an install's rows changes with an event; if anything, the event is taken for what they will tell."""
        # What this transaction writes is newer than what is known from others.
        seen = self._pending.get(install) or self._known.get(install)
        if seen is None:
            self.add(install, _sighting(context, at))
            return InstallUpdate.FULL
        told, since, until = seen
        if told == context:
            if since <= at < until:
                return _NOTHING
            if at > since:
                self.add(install, _sighting(context, at))
            if at // DAY == since // DAY:
                return InstallUpdate.SEEN
        else:
            # An older event of another context leaves rows that tell a bit of both.
            self.add(install, _sighting(context, at) if at >= since else _NONE)
        return InstallUpdate.FULL

    def reported(self, install: int) -> None:
        """Something else than an event changes the install's row."""
        self.add(install, _NONE)


def _sighting(context: int, at: int) -> Sighting:
    return Sighting(context, at, min(at + FRESH, (at // DAY + 1) * DAY))
