"""Whole weights of sampled events."""

from __future__ import annotations

import hashlib

# The longest time that one event may add to a sum of durations: 100 days. Sums of a million such events fit into 64 bits.
_MAX_WEIGHTED_US = 100 * 86_400_000_000


def whole_weight(weight: float, duration_us: int | None, key: int) -> int:
    """Round a weight up with the probability of its fraction, else down: sums are whole numbers, and right on average.

    The number `key` decides, so a repeated event has the same weight. The weighted duration is at most 100 days.
    """
    whole = int(weight)
    if weight != whole:
        drawn = int.from_bytes(hashlib.blake2b(key.to_bytes(8, "big", signed=True), digest_size=8).digest(), "big")
        whole += drawn < (weight - whole) * 2.0**64
    return min(whole, max(1, _MAX_WEIGHTED_US // duration_us)) if duration_us else whole
