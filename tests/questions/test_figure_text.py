"""Figures and thresholds as text: units, separators, and decimals that do not contradict each other."""

from __future__ import annotations

import pytest

from server.questions.figure_text import beside_threshold, threshold_text
from server.questions.question import Measure


@pytest.mark.parametrize(
    ("measure", "value", "threshold", "texts"),
    [
        (Measure.FAILURE_RATE, 7 / 60, 0.1, ("11.7 %", "10 %")),
        (Measure.FAILURE_RATE, 0.1996, 0.1995, ("19.96 %", "19.95 %")),
        (Measure.FAILURE_RATE, 1.0, 1.0, ("100.0 %", "100 %")),
        (None, 2 / 3, 0.5, ("66.7 %", "50 %")),
        (Measure.EVENTS, 1_234_567, 1_000_000, ("1,234,567", "1,000,000")),
        (Measure.EVENTS, 2.6, 2.5, ("2.6", "2.5")),
        (Measure.PER_INSTALL_MEAN, 1234.56, 1000, ("1,234.6", "1,000")),
        (Measure.P95, 812.4, 800, ("812.4 ms", "800 ms")),
        (Measure.P95, 3_004, 3_001, ("3.004 s", "3.001 s")),
        (Measure.MEAN, 999.99, 1_000, ("1 s", "1 s")),
        (Measure.P50, 754_321.2, 600_000, ("12.57 min", "10 min")),
        (Measure.P99, 5_400_000, 3_600_000, ("1.5 h", "1 h")),
        (Measure.P50, 0, 0, ("0 ms", "0 ms")),
    ],
)
def test_figure_and_threshold(measure: Measure | None, value: float, threshold: float, texts: tuple[str, str]) -> None:
    assert (beside_threshold(measure, value, threshold), threshold_text(measure, threshold)) == texts


@pytest.mark.parametrize("measure", [None, *Measure])
def test_every_measure_has_texts(measure: Measure | None) -> None:
    assert beside_threshold(measure, 0.5, 0.25)
    assert threshold_text(measure, 0.25)
