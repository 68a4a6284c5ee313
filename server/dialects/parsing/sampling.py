"""Weights of events: the number of events that one stands for, if a client sends only a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from server.event import MAX_WEIGHT

# Properties with the share of events that a client sends: those of programs, and that of posthog-js.
_RATES = ("sample_rate", "$sample_rate", "$sample_threshold")
_THRESHOLD = "sampling.threshold"  # of OpenTelemetry's probabilistic sampler for log records
RATES = frozenset({*_RATES, _THRESHOLD})
_THRESHOLD_DIGITS = 14  # hexadecimal digits of 56 bits


def weight_of(value: Any) -> float | None:
    """Return a weight of 1 or more, at most MAX_WEIGHT; None for any other value."""
    return min(value, MAX_WEIGHT) if _is_number(value) and value >= 1 else None


def weight_of_rate(value: Any) -> float | None:
    """Return the weight of events of which this share was sent, at most MAX_WEIGHT; None for an invalid share."""
    return min(1 / value, MAX_WEIGHT) if _is_number(value) and 0 < value <= 1 else None


def weight_in(properties: Mapping[str, Any]) -> float:
    """Return the weight of an event by the properties of SDKs. `weight` is a program's own property and does not count."""
    for name in _RATES:
        if name in properties and (found := weight_of_rate(properties[name])) is not None:
            return found
    return _weight_of_threshold(properties[_THRESHOLD]) if _THRESHOLD in properties else 1


def is_within_bounds(weight: Any, rate: Any) -> bool:
    """Return True if both are missing, or valid and not above MAX_WEIGHT."""
    if weight is not None and weight_of(weight) != weight:
        return False
    return rate is None or (weight_of_rate(rate) is not None and 1 / rate <= MAX_WEIGHT)


def _weight_of_threshold(value: Any) -> float:
    """Return the weight of a rejection threshold: OpenTelemetry's t-value, in hexadecimal without trailing zeros."""
    if type(value) is not str or not 0 < len(value) <= _THRESHOLD_DIGITS:
        return 1
    try:
        rejected = int(value.ljust(_THRESHOLD_DIGITS, "0"), 16)
    except ValueError:
        return 1
    whole = 1 << 4 * _THRESHOLD_DIGITS
    return min(whole / (whole - rejected), MAX_WEIGHT) if 0 <= rejected < whole else 1


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))
