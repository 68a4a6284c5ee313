"""Intervals of figures that sampled events make estimates.

The spread of a sum estimates its variance (`server.storage.commit.fold.spread_of`), so its 95 % interval is ±1.96 √spread. That of a rate
follows from the spreads of both of its parts by the delta method: for r = a / (a + b), the variance is ((1 - r)² Var a + r² Var b) / (a + b)².
For a rate of 0 or 1, in whose sample one part is missing, this is 0. Its other bound is Wilson's, with (a + b)² / (Var a + Var b) as the number of
events (Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927).
"""

from __future__ import annotations

import math

Interval = tuple[float, float]

_Z = 1.96


def of_count(count: float, spread: float) -> Interval | None:
    """Return the interval of a count; None if it is exact."""
    if not spread:
        return None
    half = _Z * math.sqrt(spread)
    return float(max(0, math.floor(count - half))), float(math.ceil(count + half))


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
