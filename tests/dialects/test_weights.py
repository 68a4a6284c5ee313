"""Weights of sampled events, in the forms that clients and SDKs use."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects.parsing import is_within_bounds, weight_in, weight_of, weight_of_rate
from server.event import DAY
from server.ingest.privacy.weights import whole_weight

ODD: list[Any] = [0, -0.1, "0.1", True, None, [2], {}]


@pytest.mark.parametrize(
    ("value", "weight"),
    [(1, 1), (10, 10), (2.5, 2.5), (1_000, 1_000), (10**30, 1_000), (0.99, None), *((odd, None) for odd in ODD)],
)
def test_a_weight_is_a_number_from_1(value: Any, weight: float | None) -> None:
    assert weight_of(value) == weight


@pytest.mark.parametrize(
    ("value", "weight"),
    [(1, 1), (0.1, 10), (0.001, 1_000), (1e-300, 1_000), (1.01, None), (10, None), *((odd, None) for odd in ODD)],
)
def test_a_rate_is_a_share(value: Any, weight: float | None) -> None:
    assert weight_of_rate(value) == weight


@pytest.mark.parametrize(
    ("properties", "weight"),
    [
        ({}, 1),
        ({"weight": 70}, 1),
        ({"sample_rate": 0.5}, 2),
        ({"sample_rate": 44_100}, 1),  # of audio
        ({"sample_rate": "half", "$sample_rate": 0.25}, 4),
        ({"$sample_threshold": 0.1, "$sample_type": ["sampleByEvent"]}, 10),
        ({"sampling.threshold": "c"}, 4),  # rejects 0xc0000000000000 of 2**56
        ({"sampling.threshold": "0"}, 1),
        ({"sampling.threshold": "ffffffffffffff"}, 1_000),
        *(({"sampling.threshold": odd}, 1) for odd in ("", "x", "-8", "123456789abcdef", *ODD)),
    ],
)
def test_sdks_report_weights_in_properties(properties: dict[str, Any], weight: float) -> None:
    assert weight_in(properties) == weight


@pytest.mark.parametrize(
    ("weight", "rate", "within"),
    [(None, None, True), (10, 0.1, True), (1_001, None, False), (None, 0.0009, False), ("", None, False), (None, 2, False)],
)
def test_weights_that_are_cut_or_invalid_are_out_of_bounds(weight: Any, rate: Any, within: bool) -> None:
    assert is_within_bounds(weight, rate) is within


def test_fractions_are_rounded_by_the_key_and_right_on_average() -> None:
    rounded = [whole_weight(10 / 3, None, key) for key in range(-5_000, 5_000)]
    assert set(rounded) == {3, 4}
    assert sum(rounded) / len(rounded) == pytest.approx(10 / 3, abs=0.02)
    assert rounded == [whole_weight(10 / 3, None, key) for key in range(-5_000, 5_000)]
    assert whole_weight(10, None, 7) == 10


@pytest.mark.parametrize(("days", "weight"), [(0, 1_000), (1, 100), (30, 3)])
def test_the_weighted_duration_is_100_days_at_most(days: int, weight: int) -> None:
    assert whole_weight(1_000, days * DAY * 1_000, 1) == weight
