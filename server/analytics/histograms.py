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

DAYS_READ = 100  # days whose histograms are in memory at once, besides those that are cached
_MOST_KEPT = 2_000  # histograms of about 5 KiB
_KEPT_FOR = 600.0  # seconds, after which it is read again, because a repair may have changed the rollup

_numbers = msgspec.json.Decoder(list[int])


class Histogram:
    """Events in each bucket (see `rollups.duration_bucket`), without gaps."""

    def __init__(self, number: int) -> None:
        """Decode a histogram, or the sum of several: see `number`."""
        counts = array("Q")
        counts.frombytes(number.to_bytes((number.bit_length() + 63) // 64 * 8, "little"))
        self._counts = _little(counts)

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
    if filter_.period.whole_days and not conditions(filter_) and not filter_.of("name"):
        (together,) = await histograms(store, filter_, [filter_.period.start])
        return together.buckets()
    rows = await read(store, sql(durations(store, filter_), " ORDER BY 1"))
    return [(int(row["bucket"]), int(row["events"])) for row in rows]


async def histograms(store: Store, filter_: Filter, starts: list[int]) -> list[Histogram]:
    """A histogram for each step of whole days. Steps begin at `starts` (epoch milliseconds, ascending). The filter has conditions on environments only."""
    steps, period = [0] * len(starts), filter_.period
    for first in range(period.first_day, period.last_day + 1, DAYS_READ):
        part = Period(first * DAY, min((first + DAYS_READ) * DAY, period.end))
        for day, entry in await _days(store, filter_.during(part)):
            steps[bisect.bisect_right(starts, day * DAY) - 1] += entry.number
    return [Histogram(number) for number in steps]


@shared
async def _days(store: Store, filter_: Filter) -> list[tuple[int, _Kept]]:
    """Return the entry of each day and environment."""
    known, now = _KEPT.setdefault(store, BoundedDict(_MOST_KEPT)), time.monotonic()
    by_day = " GROUP BY day, environment"
    query = sql("SELECT day, environment, SUM(timed) AS timed FROM rollup_day AS event WHERE ", within_days(store, filter_), by_day)
    timed = {(filter_.project, row["day"], row["environment"]): int(row["timed"]) for row in await read(store, query) if row["timed"]}
    found = {key: entry for key in timed if (entry := known.get(key)) is not None and entry.timed == timed[key] and now < entry.until}
    missing = [day for _, day, _ in timed.keys() - found.keys()]
    if missing:
        span = filter_.during(Period(min(missing) * DAY, (max(missing) + 1) * DAY))
        # A row for each histogram, not for each bucket, because there are thousands of buckets.
        pairs = f"SELECT day, environment, {store.sql.in_a_row('bucket', 'events')} AS pairs FROM rollup_day_duration AS event WHERE "
        for row in await read(store, sql(pairs, within_days(store, span), by_day)):
            numbers = _numbers.decode(f"[{row['pairs']}]")
            buckets, events = numbers[::2], numbers[1::2]
            key = filter_.project, row["day"], row["environment"]
            found[key] = _Kept(sum(events), Histogram.number(buckets, events), now + _KEPT_FOR)
            known.keep(key, found[key])
    return [(day, entry) for (_, day, _), entry in found.items()]
