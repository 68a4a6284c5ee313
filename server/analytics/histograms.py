"""Histograms of durations by day, which are cached because a past day seldom changes.

Reading a month of buckets takes longer than the rest of an overview. A smaller rollup has the number of durations of each day, which never decreases:
while it equals the number in a cached histogram, that histogram is current, whichever process wrote the durations.
"""

from __future__ import annotations

import bisect
import itertools
import math
import sys
import time
from array import array
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from server.analytics.filters import Filter
from server.analytics.sources import conditions, durations, within_days
from server.caching import BoundedDict
from server.event import DAY
from server.questions.answer_cache import shared
from server.questions.periods import Period
from server.questions.sql import read, sql
from server.storage.engine import Store
from server.storage.rollups import bucket_middle

MOST_DAYS = 100  # of a period; longer periods are added up in the store
_MOST_KEPT = 2_000  # histograms of about 5 KiB
_KEPT_FOR = 600.0  # seconds, after which it is read again, because a repair may have changed the rollup

_numbers = msgspec.json.Decoder(list[int])


class Histogram:
    """Events in each bucket (see `rollups.duration_bucket`), without gaps."""

    __slots__ = ("_counts",)

    def __init__(self, counts: array[int]) -> None:
        self._counts = counts

    @classmethod
    def together(cls, numbers: Iterable[int]) -> Histogram:
        """The sum of histograms that are encoded as numbers, see `number`."""
        total = sum(numbers)
        counts = array("Q")
        counts.frombytes(total.to_bytes((total.bit_length() + 63) // 64 * 8, "little"))
        return cls(_little(counts))

    @staticmethod
    def number(buckets: list[int], events: list[int]) -> int:
        """Encode a histogram as one large number with 64 bits for each bucket. The sum of two numbers adds all their buckets, in a microsecond."""
        counts = array("Q", bytes(8 * (max(buckets) + 1)))
        for bucket, count in zip(buckets, events, strict=True):
            counts[bucket] += count
        return int.from_bytes(_little(counts).tobytes(), "little")

    def buckets(self) -> list[tuple[int, int]]:
        """The buckets that have events, ascending."""
        return [(bucket, events) for bucket, events in enumerate(self._counts) if events]

    def percentile(self, quantile: float) -> float | None:
        """Like `measures.percentile`."""
        up_to = list(itertools.accumulate(self._counts))
        return bucket_middle(bisect.bisect_left(up_to, math.ceil(quantile * up_to[-1]))) if up_to else None


def _little(counts: array[int]) -> array[int]:
    """Convert counts between the processor's byte order and little-endian, in place."""
    if sys.byteorder == "big":
        counts.byteswap()
    return counts


class _Kept(NamedTuple):
    """One day in one environment: the number of `timed` durations, their histogram as a number, and the time until which it is valid."""

    timed: int
    number: int
    until: float


_Key = tuple[int, int, int]  # project, day, environment
_KEPT: WeakKeyDictionary[Store, BoundedDict[_Key, _Kept]] = WeakKeyDictionary()


async def histogram(store: Store, filter_: Filter) -> list[tuple[int, int]]:
    """The buckets of the matching events, ascending, each with its number of events."""
    if by_day(filter_):
        return Histogram.together(entry.number for _, entry in await _days(store, filter_)).buckets()
    rows = await read(
        store, sql("SELECT bucket, SUM(events) AS events FROM (", durations(store, filter_), ") AS facts GROUP BY 1 ORDER BY 1")
    )
    return [(int(row["bucket"]), int(row["events"])) for row in rows]


def by_day(filter_: Filter) -> bool:
    """Return True if `histograms` can answer."""
    period = filter_.period
    return period.whole_days and period.last_day - period.first_day < MOST_DAYS and not conditions(filter_) and not filter_.of("name")


async def histograms(store: Store, filter_: Filter, starts: list[int]) -> list[Histogram]:
    """A histogram for each step. Steps begin at `starts` (epoch milliseconds, ascending). Requires `by_day`."""
    steps: list[list[int]] = [[] for _ in starts]
    for day, entry in await _days(store, filter_):
        steps[bisect.bisect_right(starts, day * DAY) - 1].append(entry.number)
    return [Histogram.together(step) for step in steps]


@shared
async def _days(store: Store, filter_: Filter) -> list[tuple[int, _Kept]]:
    """Return the entry of each day and environment."""
    known, now = _KEPT.setdefault(store, BoundedDict(_MOST_KEPT)), time.monotonic()
    query = sql(
        "SELECT day, environment, SUM(timed) AS timed FROM rollup_day AS event WHERE ",
        within_days(store, filter_),
        " GROUP BY day, environment",
    )
    timed = {(filter_.project, row["day"], row["environment"]): int(row["timed"]) for row in await read(store, query) if row["timed"]}
    found = {key: entry for key in timed if (entry := known.get(key)) is not None and entry.timed == timed[key] and now < entry.until}
    missing = [day for _, day, _ in timed.keys() - found.keys()]
    if missing:
        async for key, entry in _read(store, filter_.during(Period(min(missing) * DAY, (max(missing) + 1) * DAY))):
            found[key] = entry
            known.keep(key, entry)
    return [(day, entry) for (_, day, _), entry in found.items()]


async def _read(store: Store, filter_: Filter) -> AsyncIterator[tuple[_Key, _Kept]]:
    # A row for each histogram, not for each bucket, because there are thousands of buckets.
    pairs = store.sql.in_a_row("bucket", "events")
    query = sql(
        f"SELECT day, environment, {pairs} AS pairs FROM rollup_day_duration AS event WHERE ",
        within_days(store, filter_),
        " GROUP BY day, environment",
    )
    until = time.monotonic() + _KEPT_FOR
    for row in await read(store, query):
        found = _numbers.decode(f"[{row['pairs']}]")
        buckets, events = found[::2], found[1::2]
        yield (filter_.project, row["day"], row["environment"]), _Kept(sum(events), Histogram.number(buckets, events), until)
