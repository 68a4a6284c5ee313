"""Intervals of figures that sampled events make estimates.

The spread of a sum estimates its variance (`server.storage.commit.fold.spread_of`), so its 95 % interval is ±1.96 √spread. The interval of a rate
follows from the spreads of both of its parts by the delta method: for r = a / (a + b), the variance is ((1 - r)² Var a + r² Var b) / (a + b)². For a
rate of 0 or 1, whose sample lacks one part, this is 0. Its other bound is Wilson's, with (a + b)² / (Var a + Var b) as the number of events (Probable
Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927).

A count of 0 has no spread. If each event is sent with the probability 1/w, the probability that none of n events is sent is (1 - 1/w)ⁿ. The bound is
the n for which this is 5 %: about 3w, the rule of three (Hanley and Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, JAMA 249, 1983).
"""

from __future__ import annotations

import math

Interval = tuple[float, float]

_Z = 1.96
_UNLIKELY = 0.05


def of_count(count: float, spread: float) -> Interval | None:
    """Return the interval of a count; None if it is exact."""
    if not spread:
        return None
    half = _Z * math.sqrt(spread)
    return float(max(0, math.floor(count - half))), float(math.ceil(count + half))


def of_none(weight: float) -> Interval | None:
    """Return the interval of a count of 0 among events of this weight; None if all events are sent."""
    return (0.0, float(math.ceil(math.log(_UNLIKELY) / math.log(1 - 1 / weight)))) if weight > 1 else None


def of_rate(part: float, rest: float, part_spread: float, rest_spread: float) -> Interval | None:
    """Return the interval of part / (part + rest), within 0 and 1; None if it is exact, or there is nothing to compute it from."""
    whole = part + rest
    if not whole or not (part_spread or rest_spread):
        return None
    rate = part / whole
    if not part or not rest:
        farthest = _Z**2 / (_Z**2 + whole**2 / (part_spread + rest_spread))
        return (0.0, farthest) if not part else (1 - farthest, 1.0)
    half = _Z * math.sqrt((1 - rate) ** 2 * part_spread + rate**2 * rest_spread) / whole
    return max(0.0, rate - half), min(1.0, rate + half)
