"""Figures of the dashboard that equal a count of the events by hand."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.dialects.reading.times import iso
from server.event import DAY

pytestmark = pytest.mark.one_path

NOW = time.time_ns() // 1_000_000

ERRORS = """query ($slug: String!, $filter: EventFilter, $period: PeriodInput) { project(slug: $slug) {
  errors(filter: $filter, period: $period) {
    types events failures installs { all } groups { type events share installs { all } firstSeen lastSeen firstEver names versions { version } } }
  failures(filter: $filter, errorType: "") { errorType } } }"""


def fail(install: str, error: str | None = None, **fields: Any) -> dict[str, Any]:
    failure = {"name": "build", "installation_id": install, "outcome": "failure", **fields}
    return failure if error is None else {**failure, "error": {"type": error}}


def test_failures_without_a_type_have_a_row_of_their_own(field: Any) -> None:
    events = [fail(f"w{number % 3}", version="2.0") for number in range(11)] + [fail(f"l{number}", "ENOENT") for number in range(39)]
    recovered = {"name": "build", "installation_id": "l0", "outcome": "success", "error": {"type": "ENOENT"}}
    assert field.post([*events, recovered, {"name": "build", "installation_id": "l0", "outcome": "success"}]).status_code == 202
    told = field.ask(ERRORS, slug=field.slug)["project"]
    assert (told["errors"]["types"], told["errors"]["events"], told["errors"]["failures"]) == (2, 51, 50)
    assert told["errors"]["installs"] == {"all": 42}
    rows = {group["type"]: (group["events"], group["share"], group["installs"]["all"]) for group in told["errors"]["groups"]}
    assert rows == {"ENOENT": (40, 40 / 51, 39), None: (11, 11 / 51, 3)}
    assert told["errors"]["groups"][1]["versions"] == [{"version": "2.0"}]
    assert told["failures"] == [{"errorType": None}] * 11
    told = field.ask(ERRORS, slug=field.slug, filter={"version": "2.0"})["project"]
    assert [(group["type"], group["share"]) for group in told["errors"]["groups"]] == [(None, 1.0)]


def test_first_and_last_seen_are_those_of_what_is_shown(field: Any) -> None:
    today = NOW // DAY * DAY
    times = {"1.0": (today - 9 * DAY, today - 5 * DAY), "2.0": (today - 4 * DAY, today - DAY)}
    events = [
        fail("a", "ENOENT", version=version, timestamp=at, os="linux")
        for version, (first, last) in times.items()
        for at in (first, last, first + 5)
    ]
    assert field.post(events).status_code == 202
    for filter_ in ({"version": "1.0"}, {"version": "1.0", "os": "linux"}):
        (group,) = field.ask(ERRORS, slug=field.slug, filter=filter_)["project"]["errors"]["groups"]
        assert (group["firstSeen"], group["lastSeen"]) == tuple(map(iso, times["1.0"]))
        assert group["firstEver"] == iso(times["1.0"][0])
    (group,) = field.ask(ERRORS, slug=field.slug, period={"last": 6})["project"]["errors"]["groups"]
    assert (group["firstSeen"], group["lastSeen"]) == (iso(times["1.0"][1]), iso(times["2.0"][1]))
    assert group["firstEver"] == iso(times["1.0"][0])
