"""Figures on the dashboard that equal a count of the events by hand."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.dialects.parsing.times import iso
from server.event import DAY
from tests.field.conftest import TOKEN

pytestmark = pytest.mark.one_path

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
    today = time.time_ns() // 1_000_000 // DAY * DAY
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


ADOPTION = """query ($slug: String!, $first: Int!) { project(slug: $slug) { versions(first: $first) {
  versions { version all failureRate standsOut } } } }"""


def test_the_newest_release_and_one_that_fails_have_a_line_of_their_own(field: Any) -> None:
    def run(install: str, version: str, *, failures: int = 0) -> list[dict[str, Any]]:
        outcomes = ["failure"] * failures + ["success"] * (4 - failures)
        return [{"name": "build", "installation_id": install, "version": version, "outcome": outcome} for outcome in outcomes]

    events = [event for minor in range(8) for number in range(12 - minor) for event in run(f"{minor}-{number}", f"1.{minor}.0")]
    events += [event for number in range(5) for event in run(f"bad-{number}", "1.8.1", failures=2)]
    events += [event for number in range(2) for event in run(f"new-{number}", "1.10.0")] + run("one", "2.0.0-alpha")
    assert field.post(events).status_code == 202
    found = field.ask(ADOPTION, slug=field.slug, first=6)["project"]["versions"]["versions"]
    named = [adoption["version"] for adoption in found]
    assert named == ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.8.1", "1.10.0", None]
    assert sum(found[-1]["all"]) == 8 + 7 + 6 + 5 + 1
    assert [(each["version"], each["failureRate"]) for each in found if each["standsOut"]] == [("1.8.1", 0.5)]


TIMES = """query ($slug: String!) { project(slug: $slug) {
  overview { medianDuration { value before exact } p95Duration { value } } medians { medians exact }
  durations { total { percentiles { p50 p99 exact } } groups { label percentiles { p50 p95 exact } } } } }"""


def test_durations_are_exact_while_they_are_few(field: Any) -> None:
    events = [{"name": "lint", "installation_id": "a", "duration_ms": 5}] + [
        {"name": "build", "installation_id": "a", "duration_ms": took} for took in (811, 812, 813)
    ]
    assert field.post(events).status_code == 202
    told = field.ask(TIMES, slug=field.slug)["project"]
    assert told["overview"] == {"medianDuration": {"value": 811, "before": None, "exact": True}, "p95Duration": {"value": 813}}
    assert (told["medians"]["medians"][-1], told["medians"]["exact"]) == (811, True)
    assert told["durations"]["total"]["percentiles"] == {"p50": 811, "p99": 813, "exact": True}
    assert {group["label"]: group["percentiles"] for group in told["durations"]["groups"]} == {
        "lint": {"p50": 5, "p95": 5, "exact": True},
        "build": {"p50": 812, "p95": 813, "exact": True},
    }
    many = [{"name": "lint", "installation_id": "a", "duration_ms": 900} for _ in range(500)]
    assert [field.post(many).status_code for _ in range(2)] == [202, 202]
    told = field.ask(TIMES, slug=field.slug)["project"]
    assert (told["medians"]["exact"], told["durations"]["total"]["percentiles"]["exact"]) == (False, False)
    assert abs(told["overview"]["medianDuration"]["value"] - 900) <= 18
    exact = {group["label"]: group["percentiles"]["exact"] for group in told["durations"]["groups"]}
    assert exact == {"lint": False, "build": True}


def test_a_filter_that_nothing_meets_is_a_warning_with_the_nearest_values(field: Any) -> None:
    def warnings(**filter_: Any) -> dict[str, list[str]]:
        query = "query ($s: String!, $f: EventFilter) { project(slug: $s) { overview(filter: $f) { events { value } } warnings(filter: $f) { path nearest } } }"
        answer = field.server.client.post(
            "/graphql",
            json={"query": query, "variables": {"s": field.slug, "f": filter_}},
            headers={"authorization": f"Bearer {TOKEN}"},
        ).json()
        asked = {each["path"]: each["nearest"] for each in answer["data"]["project"]["warnings"]}
        told = {each["path"]: each["nearest"] for each in answer.get("extensions", {}).get("warnings", [])}
        assert asked == told
        return told

    events = [
        {
            "name": "deploy",
            "installation_id": "a",
            "version": version,
            "runtime": "node 20.1",
            "os": "linux",
            "target": {"type": "pack", "id": "peon"},
        }
        for version in ("2.7.0", "2.7.1", "1.0.0")
    ]
    assert field.post(events).status_code == 202
    assert warnings(version="2.7") == {"filter.version": ["2.7.0", "2.7.1"]}
    assert warnings(runtime="node 20") == {"filter.runtime": ["node 20.1"]}
    assert warnings(names=["deply"]) == {"filter.names": ["deploy"]}
    assert warnings(target={"type": "pack", "id": "poen"}) == {"filter.target": ["peon"]}
    assert warnings(targetType="packs") == {"filter.targetType": ["pack"]}
    assert warnings(environments=["CI"], os="Linux") == {"filter.environments": [], "filter.os": ["linux"]}
    assert warnings(version="2.7.0", names=["deploy"], os="linux", target={"type": "pack", "id": "peon"}) == {}


PROPERTIES = """query ($s: String!) { project(slug: $s) { events { nodes { properties propertiesText } } } }"""


def test_properties_have_all_their_digits_as_text(field: Any) -> None:
    assert field.post({"name": "run", "installation_id": "a", "properties": {"n": 9_007_199_254_740_993}}).status_code == 202
    (node,) = field.ask(PROPERTIES, s=field.slug)["project"]["events"]["nodes"]
    assert node == {"properties": {"n": 9_007_199_254_740_993}, "propertiesText": '{"n":9007199254740993}'}


DOWNLOADS = """query ($s: String!, $names: [String!], $f: EventFilter) { project(slug: $s) { packs { pack total }
  targetTotals(names: $names) { type id events } targets(filter: $f) { id events total } } }"""


def test_downloads_are_downloads(field: Any) -> None:
    for pack, times in (("peon", 3), ("orc", 2)):
        for _ in range(times):
            assert field.post("", f"/dl/{pack}").status_code == 202
    assert field.post("", "/preview/orc").status_code == 202
    downloads = {"names": ["download"]}
    told = field.ask(DOWNLOADS, s=field.slug, names=["download"], f=downloads)["project"]
    assert [(each["id"], each["events"]) for each in told["targetTotals"]] == [("peon", 3), ("orc", 2)]
    assert {each["id"]: each["events"] for each in told["targetTotals"]} == {each["pack"]: each["total"] for each in told["packs"]}
    assert {each["id"]: (each["events"], each["total"]) for each in told["targets"]} == {"peon": (3, 3), "orc": (2, 2)}
    told = field.ask(DOWNLOADS, s=field.slug, f={**downloads, "os": "linux"})["project"]
    assert all(each["total"] is None for each in told["targets"])  # which is not known under such a filter
    assert {each["id"]: each["events"] for each in told["targetTotals"]}["orc"] == 3
