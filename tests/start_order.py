"""The order in which workers begin the tests, so that they end together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

# The group that takes longest, and the one that would be the next if it began late.
FIRST_GROUPS = ("dashboard", "recount")


def group_of(item: pytest.Item) -> str:
    """Return the name of a test's group, or an empty text."""
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def start_order(items: Sequence[pytest.Item]) -> Callable[[pytest.Item], tuple[int, int]]:
    """Return a sort key: large groups first, then tests without a group, which keep all workers busy until the end."""
    sizes = Counter(name for name in map(group_of, items) if name)

    def key(item: pytest.Item) -> tuple[int, int]:
        name = group_of(item)
        return FIRST_GROUPS.index(name) if name in FIRST_GROUPS else len(FIRST_GROUPS), -sizes[name]

    return key
