"""Long durations of very many events: their sum has an upper bound, so that later events are still stored."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.storage.rollups import MAX_SUM
from tests.conftest import change_in

pytestmark = pytest.mark.engine_matters  # engines have different ranges of numbers

ASK = """query ($slug: String!) { project(slug: $slug) {
  overview { events { value } } ask(question: {measures: [EVENTS, MEAN]}) { rows { figures { measure all } } } } }"""
LONG = {"name": "sleep", "installation_id": "i1", "target": {"type": "tool", "id": "t"}, "weight": 3, "duration_ms": 30 * 86_400_000}
OWN_SERVER = True  # its tables are changed as a whole
MOST = MAX_SUM["duration_us"]
ROLLUPS = ("rollup_hour", "rollup_day", "rollup_target_day", "rollup_target_total")


@pytest.mark.one_path
def test_durations_that_add_up_to_more_than_64_bits_lose_no_event(field: Any) -> None:
    field.post([LONG])
    for table in ROLLUPS:
        change_in(field.server.store, f"UPDATE {table} SET duration_us = {MOST - 1_000}")
    assert field.post([LONG] * 5).json() == {"accepted": 5, "duplicates": 0, "rejected": []}
    assert field.post([LONG]).json()["accepted"] == 1
    deadline = time.monotonic() + 60
    while len(field.rows("SELECT 1 FROM event")) < 7 and time.monotonic() < deadline:
        time.sleep(0.05)
    for table in ROLLUPS:
        sums = field.rows(f"SELECT timed, duration_us FROM {table}")
        assert sums == [(21, MOST)], table
    project = field.ask(ASK, slug=field.slug)["project"]
    assert project["overview"]["events"]["value"] == 21
    # The mean is read from events.
    assert [each["all"] for each in project["ask"]["rows"][0]["figures"]] == [[21], [LONG["duration_ms"]]]
