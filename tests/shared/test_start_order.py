"""The order in which workers start tests, and the refusal to run if groups have no effect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_collection_finish


def item(name: str, group: str = "", *, at: str | None = None) -> Any:
    """A test with the name that pytest-xdist gives it in a group."""
    mark = pytest.mark.xdist_group(group).mark if group else None
    suffix = group if at is None else at
    return SimpleNamespace(nodeid=f"{name}@{suffix}" if suffix else name, get_closest_marker=lambda _: mark, name=name)


def session(*items: Any) -> Any:
    return SimpleNamespace(items=[*items], config=SimpleNamespace(option=SimpleNamespace(loadgroup=True)))


def test_long_groups_start_first_then_large_ones_and_single_tests_last() -> None:
    run = session(item("single"), item("small", "b"), item("large", "c"), item("large too", "c"), item("browser", "dashboard"))
    pytest_collection_finish(run)
    assert [each.name for each in run.items] == ["browser", "large", "large too", "small", "single"]


def test_a_run_whose_groups_have_no_effect_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="do not group tests, such as grouped"):
        pytest_collection_finish(session(item("single"), item("grouped", "b", at="")))
