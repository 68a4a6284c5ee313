"""A breakdown shows, for each value, the number of installs that a filter by this value gives."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from server.event import CONTEXT_FIELDS, DAY
from server.storage.rollups import DIMENSIONS

pytestmark = pytest.mark.one_path

TODAY = time.time_ns() // 1_000_000 // DAY * DAY
FIELDS = {"environment": "environment", **{dimension.name: dimension.name for dimension in DIMENSIONS}}
VALUES = {
    "os": ("linux", "darwin", None),
    "arch": ("x64", "arm64", None),
    "runtime": ("node 20", "node 22", None),
    "version": ("1.0.0", "1.1.0", "2.0.0", None),
    "package_manager": ("npm", "pnpm", None),
}
BARS = """query ($slug: String!, $period: PeriodInput!, $by: BreakdownBy!) { project(slug: $slug) {
  breakdown(by: $by, period: $period, first: 50) { rows { value events installs { all people } } otherInstalls { all } since } } }"""
FIGURES = """query ($slug: String!, $period: PeriodInput!, $where: [ConditionInput!]!) { project(slug: $slug) {
  overview(period: $period, filter: {where: $where}) { events { value } active { all { value } people { value } } } } }"""


def test_upgrading_installs_count_under_each_version_that_they_ran(field: Any) -> None:
    """Of three installs, two upgraded: the old version counts all three, as a filter by it does."""
    events = [
        {"name": "build", "installation_id": f"i{install}", "version": version, "os": "linux", "timestamp": TODAY - day * DAY}
        for install, day, version in ((1, 3, "1.0.0"), (2, 3, "1.0.0"), (3, 3, "1.0.0"), (1, 1, "2.0.0"), (2, 1, "2.0.0"))
    ]
    assert field.post(events).status_code == 202
    rows = field.ask(BARS, slug=field.slug, period={"last": 7}, by="VERSION")["project"]["breakdown"]["rows"]
    assert {row["value"]: row["installs"]["all"] for row in rows} == {"1.0.0": 3, "2.0.0": 2}
    exported = field.get("/v1/export/breakdown?by=version&format=jsonl").text.splitlines()
    assert {row["value"]: row["installs_all"] for row in map(json.loads, exported)} == {"1.0.0": 3, "2.0.0": 2}


def test_every_bar_shows_the_total_of_its_filter(field: Any) -> None:
    """Random events over a week, in all fields that a bar can filter by, for all events and for people."""
    assert set(FIELDS) <= {"environment", *CONTEXT_FIELDS}
    rng = random.Random(7)
    events = []
    for _ in range(300):
        said = {name: value for name, values in VALUES.items() if (value := rng.choice(values)) is not None}
        at = TODAY - rng.randrange(6) * DAY - rng.randrange(1, 1_000)
        who = rng.choice((*(f"i{number}" for number in range(25)), None))
        events.append({"name": "build", "timestamp": at, "ci": rng.random() < 0.3, **({"installation_id": who} if who else {}), **said})
    assert field.post(events).status_code == 202
    checked = 0
    for name in FIELDS:
        period = {"last": 7}
        found = field.ask(BARS, slug=field.slug, period=period, by=name.upper())["project"]["breakdown"]
        assert (found["since"], found["otherInstalls"]) == (None, {"all": 0}), name
        for row in found["rows"]:
            value = row["value"] if name != "environment" else row["value"].lower()
            where = {"field": name, "op": "MISSING"} if value is None else {"field": name, "op": "IS", "values": [value]}
            figures = field.ask(FIGURES, slug=field.slug, period=period, where=[where])["project"]["overview"]
            active = {audience: count["value"] for audience, count in figures["active"].items()}
            assert (row["events"], row["installs"]) == (figures["events"]["value"], active), (name, value)
            checked += 1
    assert checked >= 18
