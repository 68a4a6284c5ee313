"""Event ids: 64-bit numbers ordered by time of arrival, shown as UUIDv7.

From the top, a number has 41 bits of milliseconds since 2024, 10 bits of the process and 12 bits of a sequence (the layout of Twitter's
Snowflake). It takes half the size of a UUID in the event table and in each index, includes the time of arrival (so no column repeats it), and
makes a time range an id range. `to_uuid` and `from_uuid` convert to and from RFC 9562's version 7.
"""

from __future__ import annotations

import uuid
from functools import lru_cache

from server.clock import epoch_ms

EPOCH = 1_704_067_200_000  # 2024-01-01T00:00:00Z, in milliseconds
NODES = 1 << 10
SEQUENCES = 1 << 12
_SHIFT = 22


class EventIds:
    """Generator of ids for one process. `node` distinguishes processes that write to one store; see `Store.claim_node`."""

    def __init__(self, node: int) -> None:
        self._node = (node % NODES) << 12
        self._last = 0
        self._sequence = 0

    def take(self, count: int, now: int | None = None) -> range | list[int]:
        """Return `count` new ids, ascending. `now` is epoch milliseconds; ids stay unique if the clock goes back."""
        now = epoch_ms() if now is None else now
        if now > self._last:
            self._last, self._sequence = now, 0
        first = self._sequence
        if first + count <= SEQUENCES:
            self._sequence = first + count
            base = ((self._last - EPOCH) << _SHIFT) | self._node
            return range(base + first, base + first + count)
        # More than 4,096 in one millisecond: use the following milliseconds.
        taken = list(self.take(SEQUENCES - first, self._last)) if first < SEQUENCES else []
        self._last, self._sequence = self._last + 1, 0
        return taken + list(self.take(count - len(taken), self._last))


def received_at(event_id: int) -> int:
    """Return the time of arrival in an id, in epoch milliseconds."""
    return (event_id >> _SHIFT) + EPOCH


def first_id(at: int) -> int:
    """Return the lowest id for a time (epoch ms): `first_id(a) <= id < first_id(b)` is the range from a to b."""
    return max(0, at - EPOCH) << _SHIFT


def to_uuid(event_id: int) -> str:
    """Format an id as a UUIDv7, which has the same order."""
    return _when(event_id >> _SHIFT) + _who(event_id >> 10 & 0xFFF) + _which(event_id & 0x3FF)


def from_uuid(text: str) -> int:
    """Parse the result of `to_uuid`. Raises ValueError for any other text."""
    value = uuid.UUID(text).int
    event_id = (((value >> 80) - EPOCH) << _SHIFT) | (((value >> 64) & 0xFFF) << 10) | ((value >> 52) & 0x3FF)
    if event_id < 0 or to_uuid(event_id) != str(uuid.UUID(text)):
        raise ValueError("not the id of an event")
    return event_id


# The parts of a UUID, cached because formatting is slow: most ids of one second share the first two.
@lru_cache(maxsize=1024)
def _when(since: int) -> str:
    at = since + EPOCH
    return f"{at >> 16:08x}-{at & 0xFFFF:04x}-7"


@lru_cache(maxsize=1024)
def _who(node: int) -> str:
    return f"{node:03x}-"


@lru_cache(maxsize=1024)
def _which(place: int) -> str:
    return f"{0x8000 | place << 4:04x}-000000000000"
