"""A request of a simulated client, and the state that the simulated clients share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple, TypeVar

import msgspec

from server.demo.simulated_installs import Draw, Period

T = TypeVar("T")
Headers = tuple[tuple[bytes, bytes], ...]

SECOND = 1_000
JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)
encode = msgspec.json.Encoder().encode


class Call(NamedTuple):
    """One request: its time of arrival (epoch milliseconds), its path below the project, and its number of events."""

    at: int
    family: str
    path: str
    body: bytes
    headers: Headers
    address: str
    events: int = 1


@dataclass(slots=True)
class Story:
    """Shared state of the simulated clients: the month, the random generator, and counters that schedule regular mishaps."""

    period: Period
    draw: Draw
    counts: Counter[str] = field(default_factory=Counter)

    def every(self, what: str, visits: int) -> bool:
        """Return True once in `visits` calls."""
        self.counts[what] += 1
        return self.counts[what] % visits == visits // 2

    def rising(self, values: tuple[T, ...], rise: tuple[T, float, float], at: int) -> T:
        """Draw a value by Zipf's law, earlier values more often; one of them is trending."""
        risen, since, times = rise
        more = max(0.0, (self.period.share(at) - since) / (1 - since)) * (times - 1)
        weights = [(1 + more * (value == risen)) / (rank + 1.3) for rank, value in enumerate(values)]
        return self.draw.of(values, list(accumulate(weights)))


def iso(at: int) -> str:
    """A time in the format of JavaScript's `toISOString`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
