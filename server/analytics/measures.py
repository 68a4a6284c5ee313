"""Parts of answers: counts of installs, rates, changes, and percentiles of durations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from server.questions.answer import Figures
from server.questions.intervals import Interval
from server.storage.rollups import bucket_middle


class Installs(msgspec.Struct, frozen=True):
    """A count of installs: all, and those of people (see `server.event.PEOPLE`).

    An install that ran both for a person and in CI counts once in `all` and once in `people`.
    """

    all: int = 0
    people: int = 0


class Change(msgspec.Struct, frozen=True):
    """A number and its value in the preceding period. `change` is relative: 0.25 is an increase by a quarter.

    `value` and `before` are None if there is no data. `change` is None in this case, and if the preceding period is empty. If sampled events make `value` an
    estimate, `low` and `high` are the bounds of its 95 % interval.
    """

    value: float | None
    before: float | None
    change: float | None
    low: float | None = None
    high: float | None = None


class InstallsChange(msgspec.Struct, frozen=True):
    """A `Change` for all installs, and one for people's installs."""

    all: Change
    people: Change


class DurationChange(Change, frozen=True, kw_only=True):
    """A `Change` of a duration in microseconds. If not `exact`, each value is within 2 %."""

    exact: bool


class Percentiles(msgspec.Struct, frozen=True):
    """Durations in microseconds; all None if there are no durations. If not `exact`, each is within 2 % of the exact value: see `percentile`."""

    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    exact: bool = False


def change(value: float | None, before: float | None, interval: Interval | None = None) -> Change:
    """Compare a number with that of the preceding period."""
    relative = None if value is None or not before else (value - before) / before
    return Change(value, before, relative, *(interval or ()))


def duration_change(value: float | None, before: float | None, *, exact: bool) -> DurationChange:
    """Compare a duration with that of the preceding period."""
    compared = change(value, before)
    return DurationChange(compared.value, compared.before, compared.change, exact=exact)


def installs_change(value: Installs, before: Installs) -> InstallsChange:
    return InstallsChange(change(value.all, before.all), change(value.people, before.people))


def rate(successes: int, failures: int) -> float | None:
    """The share of successes among events with an outcome, from 0 to 1; None if there are none."""
    return successes / (successes + failures) if successes + failures else None


def share(part: int, whole: int) -> float | None:
    """A part of a whole, from 0 to 1; None if the whole is 0."""
    return part / whole if whole else None


def installs(row: Mapping[str, Any]) -> Installs:
    """The count in a row with the columns `everyone` and `people`."""
    return Installs(int(row["everyone"]), int(row["people"]))


def total(counts: Iterable[Installs | None]) -> Installs | None:
    """The sum of the known counts; None if there are none."""
    known = [count for count in counts if count is not None]
    return Installs(sum(count.all for count in known), sum(count.people for count in known)) if known else None


def by_step(figures: Figures) -> list[Installs]:
    """The counts of installs in each step of an answer of the question model; 0 in steps without events."""
    return [Installs(int(everyone or 0), int(people or 0)) for everyone, people in zip(figures.all, figures.people, strict=True)]


def percentile(buckets: Sequence[tuple[int, int]], quantile: float) -> float | None:
    """The duration in microseconds at or below which a share of the events lies; None if there are no events.

    `buckets` holds (bucket, events), ascending. The nearest-rank method selects the value at rank ceil(quantile * n). Only its bucket is known, so
    the result is the middle of the bucket: exact below 64 µs, within 1.6 % above (`rollups.bucket_middle`). Interpolation within the bucket would
    look smoother, and could be 3 % off.
    """
    rank = math.ceil(quantile * sum(events for _, events in buckets))
    for bucket, events in buckets:
        rank -= events
        if rank <= 0 and events:
            return bucket_middle(bucket)
    return None


def nearest_rank(ordered: Sequence[int], quantile: float) -> int | None:
    """The value of an ascending list at or below which a share of the values lies; None for an empty list."""
    return ordered[math.ceil(quantile * len(ordered)) - 1] if ordered else None


_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def percentiles(buckets: Sequence[tuple[int, int]], exact: Sequence[int] | None = None) -> Percentiles:
    """The percentiles of an answer, from all values in ascending order if they are known, otherwise from buckets."""
    if exact is not None:
        return Percentiles(**{name: nearest_rank(exact, quantile) for name, quantile in _QUANTILES.items()}, exact=True)
    return Percentiles(**{name: percentile(buckets, quantile) for name, quantile in _QUANTILES.items()}, exact=False)
