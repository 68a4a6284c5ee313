"""Every chart accepts the conditions of questions, and equals a count of the events that meet them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from server.event import DAY, HOUR
from tests.field.conftest import TOKEN

OWN_SERVER = True  # anonymous operations have a budget by address
pytestmark = pytest.mark.one_path

TODAY = time.time_ns() // 1_000_000 // DAY * DAY
PAGE = """query ($slug: String!, $filter: EventFilter, $period: PeriodInput = {last: 7}) { project(slug: $slug) {
  overview(filter: $filter, period: $period) { events { value } active { all { value } people { value } } successRate { value } medianDuration { value } }
  series(filter: $filter, period: $period) { events failures activeAll }
  medians(filter: $filter, period: $period) { medians }
  os: breakdown(by: OS, filter: $filter, period: $period) { ...Values }
  names: breakdown(by: NAME, filter: $filter, period: $period) { ...Values }
  themes: breakdown(by: PROPERTY, property: "theme", filter: $filter, period: $period) { ...Values }
  activeUsers(filter: $filter, period: $period) { weeklyAll }
  newAndReturning(filter: $filter, period: $period) { newAll }
  retention(filter: $filter, period: $period) { size { all } }
  versions(filter: $filter, period: $period) { versions { version all } }
  durations(filter: $filter, period: $period) { total { timed mean } }
  errors(filter: $filter, period: $period) { events installs { all } groups { type } }
  funnel(names: ["init", "build"], filter: $filter, period: $period) { installs { all } }
  experiment(property: "theme", filter: $filter, period: $period) { variants { value } }
  targets(filter: $filter, period: $period) { id events }
  events(filter: $filter, period: $period) { totalCount nodes { name os } }
  failures(filter: $filter, period: $period) { errorType } } }
fragment Values on Breakdown { rows { value events installs { all } } }"""


def event(install: int, name: str = "build", **fields: Any) -> dict[str, Any]:
    shared = {
        "os": ("linux", "darwin", "windows")[install % 3],
        "version": f"2.{install}.0",
        "duration_ms": 10 * install,
        "outcome": "success",
    }
    return {"name": name, "installation_id": f"i{install}", "timestamp": TODAY - DAY + HOUR * install, **shared, **fields}


@pytest.fixture
def tool(field: Any) -> Any:
    """Nine installs on three systems and nine versions; odd ones have a dark theme at a nested stage, and install 5 fails."""
    events = []
    for install in range(1, 10):
        theme = {"theme": "dark" if install % 2 else "light", "build": {"stage": "link" if install > 5 else "compile"}}
        failed: dict[str, Any] = {"outcome": "failure", "error": {"type": "ENOENT"}} if install == 5 else {}
        events += [event(install, "init"), event(install, properties=theme, target={"type": "pack", "id": f"pack-{install}"}, **failed)]
    assert field.post(events).status_code == 202
    return field


def page(tool: Any, *where: dict[str, Any], **variables: Any) -> Any:
    return tool.ask(PAGE, slug=tool.slug, filter={"where": list(where)}, **variables)["project"]


CONDITIONS: dict[str, tuple[list[dict[str, Any]], set[int]]] = {
    "any of two systems": ([{"field": "os", "values": ["linux", "darwin"]}], {1, 3, 4, 6, 7, 9}),
    "not a system": ([{"field": "os", "op": "IS_NOT", "values": ["linux"]}], {1, 2, 4, 5, 7, 8}),
    "a range of versions": ([{"field": "version", "op": "SEMVER", "values": [">=2.3 <2.6"]}], {3, 4, 5}),
    "a property": ([{"field": "properties.theme", "values": ["dark"]}], {1, 3, 5, 7, 9}),
    "a nested property": ([{"field": "properties.build.stage", "op": "PREFIX", "values": ["li"]}], {6, 7, 8, 9}),
    "a long duration": ([{"field": "duration_ms", "op": "ABOVE", "values": ["75"]}], {8, 9}),
    "an error": ([{"field": "error_type", "op": "EXISTS"}], {5}),
    "a part of a target": ([{"field": "target", "op": "CONTAINS", "values": ["k-7"]}], {7}),
    "several": (
        [{"field": "os", "values": ["linux", "windows"]}, {"field": "properties.theme", "op": "EXISTS"}, {"field": "outcome", "op": "IS_NOT", "values": ["failure"]}],
        {2, 3, 6, 8, 9},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("where", "installs"), CONDITIONS.values(), ids=CONDITIONS)
def test_every_chart_counts_the_events_that_meet_the_conditions(tool: Any, where: list[dict[str, Any]], installs: set[int]) -> None:
    found = page(tool, {"field": "name", "values": ["build"]}, *where)
    number = len(installs)
    failed = 5 in installs
    assert found["overview"]["events"]["value"] == number
    assert found["overview"]["active"] == {"all": {"value": number}, "people": {"value": number}}
    assert found["overview"]["successRate"]["value"] == (number - failed) / number
    assert found["overview"]["medianDuration"]["value"] == sorted(10.0 * install for install in installs)[(number - 1) // 2]
    assert (sum(found["series"]["events"]), sum(found["series"]["failures"]), max(found["series"]["activeAll"])) == (number, failed, number)
    assert sum(row["events"] for row in found["os"]["rows"]) == sum(row["installs"]["all"] for row in found["os"]["rows"]) == number
    assert [(row["value"], row["events"]) for row in found["names"]["rows"]] == [("build", number)]
    assert sum(row["events"] for row in found["themes"]["rows"]) == number
    assert found["activeUsers"]["weeklyAll"][-1] == sum(found["newAndReturning"]["newAll"]) == number
    assert sum(cohort["size"]["all"] for cohort in found["retention"]) == number
    assert found["durations"]["total"] == {"timed": number, "mean": sum(10.0 * install for install in installs) / number}
    assert (found["errors"]["events"], [group["type"] for group in found["errors"]["groups"]]) == (failed, ["ENOENT"] * failed)
    assert {target["id"] for target in found["targets"]} == {f"pack-{install}" for install in installs}
    assert found["events"]["totalCount"] == len(found["events"]["nodes"]) == number
    assert len(found["failures"]) == failed


def test_a_bar_shows_the_total_of_its_filter(tool: Any) -> None:
    bars = page(tool)
    for part, field in (("os", "os"), ("names", "name"), ("themes", "properties.theme")):
        for row in bars[part]["rows"]:
            narrowed = page(tool, {"field": field, "values": [row["value"]]})
            assert narrowed["overview"]["events"]["value"] == row["events"], (part, row)
            if row["installs"]:
                assert narrowed["overview"]["active"]["all"]["value"] == row["installs"]["all"]


def test_an_invalid_condition_is_named(tool: Any) -> None:
    for condition, path in (
        ({"field": "sos", "values": ["x"]}, "filter.where[0].field"),
        ({"field": "os", "op": "SEMVER", "values": ["1"]}, "filter.where[0].op"),
        ({"field": "os", "values": []}, "filter.where[0].values"),
    ):
        body = {"query": PAGE, "variables": {"slug": tool.slug, "filter": {"where": [condition]}}}
        answer = tool.server.client.post("/graphql", json=body, headers={"authorization": f"Bearer {TOKEN}"}).json()
        assert path in str(answer["errors"])


def test_a_condition_that_matches_nothing_has_a_warning_with_the_nearest_value(tool: Any) -> None:
    query = "query ($s: String!, $f: EventFilter) { project(slug: $s) { warnings(filter: $f) { path nearest } } }"
    where = [{"field": "properties.theme", "values": ["darc"]}, {"field": "os", "values": ["linux", "windos"]}]
    warnings = tool.ask(query, s=tool.slug, f={"where": where})["project"]["warnings"]
    assert [(each["path"], each["nearest"][:1]) for each in warnings] == [("filter.where", ["dark"]), ("filter.os", ["windows"])]


def test_an_export_takes_conditions_too(tool: Any) -> None:
    answer = tool.get("/v1/export/series?format=jsonl&where=version~>=2.3 <2.6 and properties.theme=dark")
    assert answer.status_code == 200, answer.text
    assert sum(json.loads(line)["events"] for line in answer.text.splitlines()) == 2


def test_a_public_chart_takes_no_private_condition(tool: Any) -> None:
    tool.ask("mutation ($s: String!) { updateProject(slug: $s, changes: {public: [DASHBOARD]}) { errors { message } } }", s=tool.slug)
    query = "query ($s: String!, $f: EventFilter) { project(slug: $s) { overview(filter: $f) { events { value } } } }"
    for condition in (
        {"field": "properties.theme", "values": ["dark"]},
        {"field": "target", "op": "EXISTS"},
        {"field": "os", "op": "PREFIX", "values": ["l"]},
    ):
        body = {"query": query, "variables": {"s": tool.slug, "f": {"where": [condition]}}}
        answer = tool.server.client.post("/graphql", json=body).json()
        assert answer["errors"][0]["extensions"]["code"] in ("UNAUTHENTICATED", "BAD_INPUT"), condition
