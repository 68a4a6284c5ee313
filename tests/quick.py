"""Tests that `make test` leaves to `make test-all`: further parameters, and the second engine."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

import pytest


def first(values: Iterable[Any], number: int = 1) -> list[Any]:
    """Return the values as parameters. Those after the first `number` have the mark `slow`."""
    return [pytest.param(value, marks=[] if place < number else [pytest.mark.slow]) for place, value in enumerate(values)]


def is_second_run(item: pytest.Item, collected: Set[str]) -> bool:
    """Return whether this is a test on PostgreSQL, of what has little to do with the engine, that was also collected on SQLite."""
    module, _, parameters = item.nodeid.partition("[")
    if "postgres" not in parameters or item.get_closest_marker("engine_matters"):
        return False
    return f"{module}[{parameters.replace('postgres', 'sqlite')}" in collected
