"""Histograms of durations by day, which are cached because a past day seldom changes.

To look through a month of buckets takes longer than all else of an overview. How many durations a day has is known from a smaller rollup, and
they only ever become more: as long as there are as many as in a histogram that was read before, there is nothing to be read again. So it does
not matter which process wrote them.
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

from server.analytics.answer_cache import shared
from server.analytics.filters import Filter
from server.analytics.sources import conditions, durations, within_days
from server.caching import BoundedDict
from server.event import DAY
from server.questions.periods import Period
from server.questions.sql import read, sql
from server.storage.engine import Store
from server.storage.rollups import bucket_middle

MOST_DAYS = 100  # of a period; what is asked about more of them is added up in the store
_MOST_KEPT = 2_000  # histograms of some 5 KiB
_KEPT_FOR = 600.0  # seconds, after which it is read again: somebody may have mended the rollup

_numbers = msgspec.json.Decoder(list[int])


class Histogram:
    """Events in each bucket (see `rollups.duration_bucket`), without gaps."""

    __slots__ = ("_counts",)

    def __init__(self, counts: array[int]) -> None:
        self._counts = counts

    @classmethod
    def together(cls, numbers: Iterable[int]) -> Histogram:
        """The sum of histograms that are written as numbers, see `number`."""
        total = sum(numbers)
        counts = array("Q")
        counts.frombytes(total.to_bytes((total.bit_length() + 63) // 64 * 8, "little"))
        return cls(_little(counts))

    @staticmethod
    def number(buckets: list[int], events: list[int]) -> int:
        """One large number that stands for a histogram: 64 bits for each bucket. To add two of them is to add all their buckets, which
        takes a microsecond."""
        counts = array("Q", bytes(8 * (max(buckets) + 1)))
        for bucket, count in zip(buckets, events, strict=True):
            counts[bucket] += count
        return int.from_bytes(_little(counts).tobytes(), "little")

    def buckets(self) -> list[tuple[int, int]]:
        """Those that have any events, ascending."""
        return [(bucket, events) for bucket, events in enumerate(self._counts) if events]

    def percentile(self, quantile: float) -> float | None:
        """As `measures.percentile`."""
        up_to = list(itertools.accumulate(self._counts))
        return bucket_middle(bisect.bisect_left(up_to, math.ceil(quantile * up_to[-1]))) if up_to else None


def _little(counts: array[int]) -> array[int]:
    """With the bytes of each count in the order of the processor turned around where that is the other one."""
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
    """The buckets of all that the filter lets through, ascending, and how many events each has."""
    if by_day(filter_):
        return Histogram.together(kept.number for _, kept in await _days(store, filter_)).buckets()
    rows = await read(
        store, sql("SELECT bucket, SUM(events) AS events FROM (", durations(store, filter_), ") AS facts GROUP BY 1 ORDER BY 1")
    )
    return [(int(row["bucket"]), int(row["events"])) for row in rows]


def by_day(filter_: Filter) -> bool:
    """Return True if `histograms` can answer."""
    period = filter_.period
    return period.whole_days and period.last_day - period.first_day < MOST_DAYS and not conditions(filter_) and not filter_.of("name")


async def histograms(store: Store, filter_: Filter, starts: list[int]) -> list[Histogram]:
    """One for each of several steps, which begin at `starts` (epoch milliseconds, ascending), where `by_day` says so."""
    steps: list[list[int]] = [[] for _ in starts]
    for day, kept in await _days(store, filter_):
        steps[bisect.bisect_right(starts, day * DAY) - 1].append(kept.number)
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
    found = {key: kept for key in timed if (kept := known.get(key)) is not None and kept.timed == timed[key] and now < kept.until}
    missing = [day for _, day, _ in timed.keys() - found.keys()]
    if missing:
        async for key, kept in _read(store, filter_.during(Period(min(missing) * DAY, (max(missing) + 1) * DAY))):
            found[key] = kept
            known.keep(key, kept)
    return [(day, kept) for (_, day, _), kept in found.items()]


async def _read(store: Store, filter_: Filter) -> AsyncIterator[tuple[_Key, _Kept]]:
    # A row for each histogram, not for each bucket: there are thousands of buckets.
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
