"""Parameters of tests, the first of which are enough for `make test`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first(values: Iterable[Any], number: int = 1) -> list[Any]:
    """Return the values as parameters. Those after the first `number` have the mark `slow`."""
    return [pytest.param(value, marks=[] if place < number else [pytest.mark.slow]) for place, value in enumerate(values)]
