"""The wait of a test for the next hour."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import hour_boundaries
from tests.conftest import BEFORE_THE_HOUR, time_before_the_hour


@pytest.mark.parametrize(
    ("time_", "waits"), [("23:59:59.5", 0.5), ("23:59:31", 29), ("23:59:29", None), ("00:00:00", None), ("11:59:50", 10)]
)
def test_a_test_waits_only_if_the_hour_ends_soon(time_: str, waits: float | None) -> None:
    slept: list[float] = []
    at = datetime.fromisoformat(f"2026-11-30T{time_}").replace(tzinfo=UTC).timestamp()
    hour_boundaries.wait_for_next_hour(30, clock=lambda: at, sleep=slept.append)
    assert [round(each, 1) for each in slept] == ([] if waits is None else [pytest.approx(waits, abs=0.11)])


def test_packages_that_ask_about_today_wait_before_the_hour_ends(request: pytest.FixtureRequest) -> None:
    assert time_before_the_hour(request.node) == 0
    assert BEFORE_THE_HOUR["dashboard"] >= BEFORE_THE_HOUR["field"] > 0
