"""Event ids: 64-bit numbers ordered by time of arrival, shown to the world as UUIDv7.

A number holds, from the top: 41 bits of milliseconds since 2024, 10 bits of the writing process, 12 bits of a sequence
(the layout of Twitter's Snowflake). It is half the size of a UUID in the event table and in each index on it, it carries the time of
arrival (so no column repeats it), and a range of time is a range of ids. `to_uuid` spreads the same bits over the fields of
RFC 9562's version 7, and `from_uuid` brings them back.
"""

from __future__ import annotations

import time
import uuid
from functools import lru_cache

EPOCH = 1_704_067_200_000  # 2024-01-01T00:00:00Z, in milliseconds
NODES = 1 << 10
SEQUENCES = 1 << 12
_SHIFT = 22


class EventIds:
    """Makes ids for one process. `node` sets apart the processes that write to one store; see `Store.claim_node`."""

    def __init__(self, node: int) -> None:
        self._node = (node % NODES) << 12
        self._last = 0
        self._sequence = 0

    def take(self, count: int, now: int | None = None) -> range | list[int]:
        """`count` fresh ids, ascending. `now` is epoch milliseconds; the clock going back makes no id twice."""
        now = time.time_ns() // 1_000_000 if now is None else now
        if now > self._last:
            self._last, self._sequence = now, 0
        first = self._sequence
        if first + count <= SEQUENCES:
            self._sequence = first + count
            base = ((self._last - EPOCH) << _SHIFT) | self._node
            return range(base + first, base + first + count)
        # More than 4,096 in one millisecond: borrow from the milliseconds to come.
        taken = list(self.take(SEQUENCES - first, self._last)) if first < SEQUENCES else []
        self._last, self._sequence = self._last + 1, 0
        return taken + list(self.take(count - len(taken), self._last))


def received_at(event_id: int) -> int:
    """The time of arrival that an id carries, in epoch milliseconds."""
    return (event_id >> _SHIFT) + EPOCH


def first_id(at: int) -> int:
    """The lowest id that can be given at a time (epoch milliseconds): `first_id(a) <= id < first_id(b)` is the range a to b."""
    return max(0, at - EPOCH) << _SHIFT


def to_uuid(event_id: int) -> str:
    """The id as a UUIDv7 string, in the order of the numbers."""
    return _when(event_id >> _SHIFT) + _who(event_id >> 10 & 0xFFF) + _which(event_id & 0x3FF)


def from_uuid(text: str) -> int:
    """The number behind `to_uuid`. ValueError where the text is no UUID, or none of ours."""
    value = uuid.UUID(text).int
    event_id = (((value >> 80) - EPOCH) << _SHIFT) | (((value >> 64) & 0xFFF) << 10) | ((value >> 52) & 0x3FF)
    if event_id < 0 or to_uuid(event_id) != str(uuid.UUID(text)):
        raise ValueError("not the id of an event")
    return event_id


# The parts of a UUID. Numbers are turned to text slowly, and each event is told its id: most of one second share the first two.
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
