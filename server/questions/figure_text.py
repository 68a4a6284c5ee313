"""Figures as text for readers: rates in percent, durations with a unit, counts with separators."""

from __future__ import annotations

from server.questions.question import COUNTS, DURATIONS, Measure

NOT_COUNTED = "-"
_COUNTED = frozenset(COUNTS) - {Measure.FAILURE_RATE}
_UNITS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))
_DIGITS = 4  # significant digits of a duration
_MOST_DECIMALS = 4


def figure(measure: Measure, value: float | None) -> str:
    """Return a figure as text, without the unit of a duration, which is in the head of its column."""
    if value is None:
        return NOT_COUNTED
    if measure is Measure.FAILURE_RATE:
        return percent(value)
    return f"{value:,.0f}" if measure in _COUNTED or abs(value) >= 100 else f"{value:,.1f}"


def percent(rate: float | None) -> str:
    """Return a rate from 0 to 1 in percent."""
    return NOT_COUNTED if rate is None else f"{rate * 100:.1f} %"


def beside_threshold(measure: Measure | None, value: float, threshold: float) -> str:
    """Return a figure with its unit, for a sentence that names a threshold. `measure` is None for the conversion of a funnel.

    The figure has at least the decimals of the threshold: rounded further, it could contradict the sentence.
    """
    if measure in DURATIONS:
        return _duration(value)
    if measure in (None, Measure.FAILURE_RATE):
        return f"{value * 100:,.{max(1, _decimals(threshold * 100))}f} %"
    return f"{value:,.{max(_decimals(threshold), 0 if measure in _COUNTED else 1)}f}"


def threshold_text(measure: Measure | None, threshold: float) -> str:
    """Return a threshold with the unit of its measure. `measure` is None for the conversion of a funnel."""
    if measure in DURATIONS:
        return _duration(threshold)
    if measure in (None, Measure.FAILURE_RATE):
        return percent_threshold(threshold * 100)
    return f"{threshold:,.{_decimals(threshold)}f}"


def percent_threshold(threshold: float) -> str:
    """Return a threshold that is in percent."""
    return f"{threshold:,.{_decimals(threshold)}f} %"


def _decimals(value: float) -> int:
    return len(f"{value:.{_MOST_DECIMALS}f}".rstrip("0").partition(".")[2])


def _duration(ms: float) -> str:
    rounded = float(f"{ms:.{_DIGITS}g}")
    size, unit = next((each for each in _UNITS if rounded >= each[0]), _UNITS[-1])
    value = float(f"{ms / size:.{_DIGITS}g}")
    return f"{value:,.{_decimals(value)}f} {unit}"
