"""A CLI that sends one run in ten: its events count as several, and figures show their margin of error."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from server.event import DAY

ASK = """query ($slug: String!, $question: QuestionInput!) { project(slug: $slug) { ask(question: $question) {
  source warnings { field message } rows { keys figures { measure all people allLow allHigh peopleLow peopleHigh } } } } }"""
COUNTS = ["EVENTS", "SUCCESSES", "FAILURES", "FAILURE_RATE"]


def run(number: int, **fields: Any) -> dict[str, Any]:
    outcome = "failure" if number % 5 == 0 else "success"
    return {"name": "build", "installation_id": f"i{number % 30}", "version": "2.0", "outcome": outcome, **fields}


def ask(field: Any, **question: Any) -> Any:
    return field.ask(ASK, slug=field.slug, question={"measures": COUNTS, **question})["project"]["ask"]


def figures(answer: Any, row: int = 0) -> dict[str, Any]:
    return {each["measure"]: each["all"][0] for each in answer["rows"][row]["figures"]}


def bounds(answer: Any, row: int = 0) -> dict[str, Any]:
    return {
        each["measure"]: each["allLow"] and (each["allLow"][0], each["allHigh"][0])
        for each in answer["rows"][row]["figures"]
    }  # fmt: skip


def test_a_hundred_events_sampled_at_one_in_ten_count_as_a_thousand(field: Any) -> None:
    sent = [run(number, sample_rate=0.1, duration_ms=number) for number in range(100)]
    assert field.post(sent).json() == {"accepted": 100, "duplicates": 0, "rejected": []}
    for conditions in ([], [{"field": "interactive", "op": "MISSING"}]):  # from rollups, and from events
        answer = ask(field, where=conditions)
        assert figures(answer) == {"EVENTS": 1_000, "SUCCESSES": 800, "FAILURES": 200, "FAILURE_RATE": 0.2}
        # 1.96 * sqrt(100 * 10 * 9) = 185.9
        assert bounds(answer)["EVENTS"] == (814, 1_186)
        assert bounds(answer)["FAILURES"] == (116, 284)
        low, high = bounds(answer)["FAILURE_RATE"]
        assert (round(low, 3), round(high, 3)) == (0.126, 0.274)
    assert (field.ledger()["received"], field.ledger()["stored"]) == (100, 100)


OVERVIEW = """query ($slug: String!, $filter: EventFilter) { project(slug: $slug) { overview(filter: $filter) {
  events { value low high } successRate { value low high } active { all { value low high } } medianDuration { value } } } }"""


def overview(field: Any, **filter_: Any) -> Any:
    return field.ask(OVERVIEW, slug=field.slug, filter=filter_)["project"]["overview"]


def test_the_overview_shows_the_margin_of_a_sample(field: Any) -> None:
    field.post([run(number, weight=10, duration_ms=5) for number in range(100)])
    for filter_ in ({}, {"where": [{"field": "interactive", "op": "MISSING"}]}):
        found = overview(field, **filter_)
        assert found["events"] == {"value": 1_000, "low": 814, "high": 1_186}
        assert (round(found["successRate"]["low"], 3), round(found["successRate"]["high"], 3)) == (0.726, 0.874)
        assert found["active"]["all"] == {"value": 30, "low": None, "high": None}
        assert found["medianDuration"]["value"] == 5
    assert overview(field, names=["other"])["events"] == {"value": 0, "low": 0, "high": 29}


def test_ordinary_events_have_exact_figures(field: Any) -> None:
    field.post([run(number) for number in range(10)])
    assert bounds(ask(field)) == dict.fromkeys(COUNTS)
    assert overview(field)["events"] == {"value": 10, "low": None, "high": None}


def test_figures_of_installs_warn_of_a_sample(field: Any) -> None:
    field.post([run(number) for number in range(10)])
    assert ask(field, measures=["INSTALLS"])["warnings"] == []
    field.post(run(50, sample_rate=0.5))
    (warning,) = ask(field, measures=["INSTALLS"])["warnings"]
    assert warning["field"] == "installs"
    assert ask(field, measures=["EVENTS"])["warnings"] == []
    assert [each["field"] for each in ask(field, measures=["P50", "INSTALLS"])["warnings"]] == ["installs", "durations"]


def test_errors_that_are_always_sent_are_exact_among_sampled_successes(field: Any) -> None:
    sent = [run(number, outcome="success", sample_rate=0.01) for number in range(50)]
    field.post([*sent, *(run(number, outcome="failure") for number in range(7))])
    answer = ask(field)
    assert figures(answer) == {"EVENTS": 5_007, "SUCCESSES": 5_000, "FAILURES": 7, "FAILURE_RATE": 7 / 5_007}
    assert bounds(answer)["FAILURES"] is None
    assert bounds(answer)["SUCCESSES"] == (3_621, 6_379)  # 1.96 * sqrt(50 * 100 * 99) = 1379


def test_durations_count_as_often_as_their_events(field: Any) -> None:
    field.post([*(run(1, duration_ms=100, weight=8) for _ in range(1)), *(run(1, duration_ms=1) for _ in range(3))])
    answer = ask(field, measures=["P50", "MEAN", "PER_INSTALL_MEAN"])
    assert figures(answer) == {"P50": 100, "MEAN": (8 * 100 + 3) / 11, "PER_INSTALL_MEAN": 11}


def test_an_invalid_weight_counts_as_one(field: Any) -> None:
    odd = [0, -1, 0.5, "many", [2], {"n": 2}, True]
    answer = field.post([run(1, weight=value) for value in odd] + [run(1, sample_rate=value) for value in (0, -0.1, 2, "10 %", False)])
    assert answer.json()["accepted"] == 12
    assert answer.json()["ignored"] == ["weight", "sample_rate"]
    assert {event["weight"] for event in field.events()} == {1}
    assert figures(ask(field))["EVENTS"] == 12


def test_one_event_counts_as_a_thousand_at_most(field: Any) -> None:
    assert field.post(run(1, weight=10**9)).json()["ignored"] == ["weight"]
    assert field.post(run(1, sample_rate=1e-9)).json()["ignored"] == ["sample_rate"]
    assert figures(ask(field))["EVENTS"] == 2_000


def test_fractions_are_right_on_average(field: Any) -> None:
    field.post([run(number, id=f"e{number}", sample_rate=0.3) for number in range(600)])
    assert {event["weight"] for event in field.events()} == {3, 4}
    assert figures(ask(field))["EVENTS"] == pytest.approx(2_000, abs=60)  # five standard deviations
    field.post([run(number, id=f"e{number}", sample_rate=0.3) for number in range(600)])
    assert field.ledger()["duplicates"] == 600


def test_sampled_downloads_count_for_their_target(field: Any) -> None:
    field.post([{"name": "download", "target": {"type": "pack", "id": "peon"}, "weight": 10} for _ in range(3)])
    assert field.get("/counts/peon").json()["total"] == 30
    (row,) = ask(field, by=[{"field": "target"}], measures=["EVENTS"])["rows"]
    assert (row["keys"], row["figures"][0]["all"], row["figures"][0]["allLow"]) == (["peon"], [30], [0])


@pytest.mark.one_path
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/batch", {"batch": [{"event": "run", "distinct_id": "d", "properties": {"$sample_threshold": 0.1, "weight": 70}}]}),
        ("/v1/track", {"event": "run", "anonymousId": "a", "properties": {"sample_rate": 0.1}}),
        ("/2/httpapi", {"events": [{"event_type": "run", "device_id": "d", "event_properties": {"sample_rate": 0.1, "weight": 3}}]}),
    ],
)
def test_sdks_report_their_sample_rate_in_a_property(field: Any, path: str, body: Any) -> None:
    assert field.post(body, path, content_type="application/json").status_code == 200
    (event,) = field.events()
    assert event["weight"] == 10


@pytest.mark.one_path
def test_log_records_that_a_collector_sampled_count_as_several(field: Any) -> None:
    attributes = [{"key": "sampling.threshold", "value": {"stringValue": "c"}}]
    record = {"eventName": "run", "timeUnixNano": str(time.time_ns()), "attributes": attributes}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert field.post(body, "/v1/logs", content_type="application/json").status_code == 200
    assert [event["weight"] for event in field.events()] == [4]


EVENTS = "query ($slug: String!) { project(slug: $slug) { events(first: 5) { totalCount nodes { name weight } } } }"


def test_the_list_of_events_has_each_that_arrived_with_its_weight(field: Any) -> None:
    field.post([run(1, name="one"), run(2, name="two", weight=7)])
    events = field.ask(EVENTS, slug=field.slug)["project"]["events"]
    assert (events["totalCount"], {node["name"]: node["weight"] for node in events["nodes"]}) == (2, {"one": 1, "two": 7})


@pytest.mark.one_path
def test_files_have_the_bounds_of_estimates(field: Any) -> None:
    field.post([*(run(number, weight=10, os="linux") for number in range(100)), run(1, os="darwin")])
    answer = field.get("/v1/export/ask?format=jsonl&measure=events,p50&by=os")
    linux, darwin = (json.loads(line) for line in answer.text.splitlines())
    assert (linux["events_all"], linux["events_all_low"], linux["events_all_high"]) == (1_000, 814, 1_186)
    assert (darwin["events_all"], darwin["events_all_low"], darwin["events_all_high"]) == (1, None, None)
    assert "p50_all_low" not in linux


@pytest.mark.one_path
def test_a_sample_without_failures_does_not_prove_that_there_are_none(field: Any) -> None:
    field.post([run(1 + 5 * number, weight=100) for number in range(10)])
    answer = ask(field)
    assert figures(answer)["FAILURE_RATE"] == 0
    low, high = bounds(answer)["FAILURE_RATE"]
    assert (low, round(high, 3)) == (0, 0.276)  # Wilson's for none of 10.1
    field.post([{**run(number, weight=100), "name": "deploy", "outcome": "failure"} for number in range(10)])
    answer = ask(field, where=[{"field": "name", "values": ["deploy"]}])
    low, high = bounds(answer)["FAILURE_RATE"]
    assert (round(low, 3), high) == (0.724, 1)


def test_a_count_of_none_in_a_sample_has_an_upper_bound(field: Any) -> None:
    field.post([run(1 + 5 * number, weight=100, os="linux") for number in range(10)])
    for where in ([], [{"field": "interactive", "op": "MISSING"}]):
        found = bounds(ask(field, where=where))
        assert (found["FAILURES"], found["EVENTS"]) == ((0, 299), (383, 1_617))  # 0.99 ** 299 = 0.05
    assert bounds(ask(field, where=[{"field": "os", "values": ["windows"]}]))["EVENTS"] == (0, 299)
    steps = ask(field, over="DAY", measures=["FAILURES"], period={"last": 3})["rows"][0]["figures"][0]
    assert (steps["all"], steps["allLow"], steps["allHigh"]) == ([0, 0, 0], [None, None, 0], [None, None, 299])


PATHS = """query ($slug: String!) { project(slug: $slug) { askPaths(paths: {event: [{field: "name", values: ["build"]}]}) {
  total { counts { eventsAll } } warnings { field message } } } }"""
CHARTS = "query ($slug: String!) { project(slug: $slug) { warnings { path message } } }"


def test_paths_and_charts_say_that_they_are_of_a_sample(field: Any) -> None:
    field.post(run(1))
    assert field.ask(CHARTS, slug=field.slug)["project"]["warnings"] == []
    field.post(run(2, weight=10))
    paths = field.ask(PATHS, slug=field.slug)["project"]["askPaths"]
    assert [each["field"] for each in paths["warnings"]] == ["installs", "paths"]
    (warning,) = field.ask(CHARTS, slug=field.slug)["project"]["warnings"]
    assert warning["path"] == "period"
    assert "estimates" in warning["message"]


COMPARED = """query ($slug: String!, $question: QuestionInput!) { project(slug: $slug) { ask(question: $question) {
  rows { figures { measure all allBefore } } } } }"""


def test_a_compared_period_counts_its_sampled_events_as_several(field: Any) -> None:
    now = time.time_ns() // 1_000_000
    days = [(now // DAY - back) * DAY + 1 for back in (1, 2)]
    field.post([run(number, weight=weight, timestamp=at) for number in range(10) for at, weight in zip(days, (2, 10), strict=True)])
    for where in ([], [{"field": "interactive", "op": "MISSING"}]):
        start, end = (time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(at // 1_000)) for at in (days[0], days[0] + DAY))
        question = {"measures": ["EVENTS", "FAILURES"], "where": where, "period": {"from": start, "to": end}, "compare": "PREVIOUS"}
        (row,) = field.ask(COMPARED, slug=field.slug, question=question)["project"]["ask"]["rows"]
        assert [(each["all"], each["allBefore"]) for each in row["figures"]] == [([20], [100]), ([4], [20])]


def test_no_event_of_a_sample_is_missing_where_the_outcome_rules_it_out(field: Any) -> None:
    field.post([*(run(number, outcome="success", weight=10) for number in range(20)), run(50, outcome="failure", weight=10)])
    rows = ask(field, by=[{"field": "outcome"}], measures=["SUCCESSES", "FAILURES"])["rows"]
    found = {row["keys"][0]: {each["measure"]: (each["all"][0], each["allHigh"]) for each in row["figures"]} for row in rows}
    assert (found["success"]["FAILURES"], found["failure"]["SUCCESSES"]) == ((0, None), (0, None))
    assert found["failure"]["FAILURES"][1] is not None
