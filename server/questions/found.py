"""The figures that a reader has found, before they become an answer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.questions.counting import Cell
from server.questions.question import Measure

# For each place and step the figures, as `{measure}_{audience}`.
Cells = dict[Cell, dict[str, float | None]]


class Found(msgspec.Struct, frozen=True):
    """The figures of one period. `gone` is true for each step of which retention has deleted all events; `folded` cells count as others.

    `spreads` are the spreads of its counts, by the same names; see `intervals`. It is empty if all of them are exact. `weights` are the mean weights
    of events in each step, empty if there are no sampled events. `hidden` are the cells in which a measure is not shown.
    """

    cells: Cells
    gone: list[bool]
    folded: frozenset[Cell] = frozenset()
    spreads: Cells = {}
    weights: list[float] = []
    hidden: Mapping[Measure, set[Cell]] = {}
