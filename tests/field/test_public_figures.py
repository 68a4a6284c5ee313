"""A public dashboard shows no figure for a few installs, and no two figures that differ by a few."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.event import DAY, HOUR

pytestmark = pytest.mark.one_path

OWN_SERVER = True  # anonymous operations have a budget by address
TODAY = time.time_ns() // 1_000_000 // DAY * DAY
PAGE = """query ($slug: String!, $filter: EventFilter, $period: PeriodInput, $step: Step! = DAY) { project(slug: $slug) {
  minimumInstalls
  overview(filter: $filter, period: $period) { events { value } active { all { value } people { value } } new { all { value } } installs { all { value } } }
  series(filter: $filter, period: $period, step: $step) { events failures activeAll activePeople }
  medians(filter: $filter, period: $period) { medians }
  os: breakdown(by: OS, filter: $filter, period: $period) { ...Values }
  versions: breakdown(by: VERSION, filter: $filter, period: $period) { ...Values }
  names: breakdown(by: NAME, filter: $filter, period: $period) { ...Values }
  environments: breakdown(by: ENVIRONMENT, filter: $filter, period: $period) { ...Values }
  activeUsers(filter: $filter, period: $period) { dailyAll weeklyAll monthlyAll }
  newAndReturning(filter: $filter, period: $period) { newAll newPeople returningAll returningPeople }
  retention(filter: $filter, period: $period) { size { all } activeAll }
  adoption: versions(filter: $filter, period: $period) { versions { version all } } } }
fragment Values on Breakdown { rows { value events installs { all people } } otherValues otherEvents otherInstalls { all people } }"""


def event(install: str, days: int = 3, **fields: Any) -> dict[str, Any]:
    at = TODAY - days * DAY + 9 * HOUR
    return {
        "name": "build",
        "installation_id": install,
        "timestamp": at,
        "os": "linux",
        "version": "1.0",
        "environment": "person",
        **fields,
    }


@pytest.fixture
def crowd(field: Any) -> Any:
    """Twelve people on Linux and seven on Windows, four machines, and one install that differs in everything."""
    events = [event(f"l{number}", duration_ms=5) for number in range(12)] + [event(f"w{number}", os="windows") for number in range(7)]
    events += [event(f"c{number}", environment="ci") for number in range(4)]
    odd = [event("odd", days=days, os="plan9", version="0.9", name="deploy", outcome="failure") for days in (1, 2, 4) for _ in range(7)]
    assert field.post(events + odd).status_code == 202
    field.ask("mutation ($s: String!) { updateProject(slug: $s, changes: {public: [DASHBOARD]}) { errors { message } } }", s=field.slug)
    return field


def page(crowd: Any, **variables: Any) -> Any:
    answer = crowd.server.client.post("/graphql", json={"query": PAGE, "variables": {"slug": crowd.slug, **variables}}).json()
    assert "errors" not in answer, answer
    return answer["data"]["project"]


def active(shown: Any) -> Any:
    return shown["overview"]["active"]["all"]["value"]


def test_no_public_answer_shows_a_single_install(crowd: Any) -> None:
    for filter_ in (
        {"os": "plan9"},
        {"version": "0.9"},
        {"names": ["deploy"]},
        {"outcome": "FAILURE"},
        {"os": "plan9", "version": "0.9", "names": ["deploy"]},
    ):
        for step in ("DAY", "HOUR"):
            shown = page(crowd, filter=filter_, step=step)
            assert shown["minimumInstalls"] == 5
            assert {shown["overview"]["events"]["value"], active(shown), *shown["series"]["events"], *shown["series"]["failures"]} == {0}
            assert set(shown["medians"]["medians"]) == {None}
            for chart in ("os", "versions", "names", "environments"):
                assert (shown[chart]["rows"], shown[chart]["otherEvents"]) == ([], 0)
            assert {count for cohort in shown["retention"] for count in (cohort["size"]["all"], *cohort["activeAll"])} == {0}
            assert shown["adoption"]["versions"] == []


@pytest.mark.slow
def test_no_two_public_answers_differ_by_a_few_installs(crowd: Any) -> None:
    everything = page(crowd)
    # The four machines are too few: answers about everything are about people. The odd install only appears among the others.
    assert (active(everything), everything["overview"]["active"]["people"]["value"]) == (20, 20)
    filters = (
        {"os": "linux"},
        {"os": "windows"},
        {"version": "1.0"},
        {"names": ["build"]},
        {"environments": ["CI"]},
        {"environments": ["PERSON"]},
        {"audience": "PEOPLE"},
        {"os": "linux", "version": "1.0"},
        {"os": "windows", "names": ["build"]},
        {"outcome": "NONE"},
    )
    shown = {str(filter_): active(page(crowd, filter=filter_)) for filter_ in filters}
    assert shown["{'version': '1.0'}"] == shown["{'names': ['build']}"] == 0  # the rest would be a single install
    assert shown["{'os': 'linux'}"] == 12
    for one in shown.values():
        for other in (*shown.values(), active(everything)):
            assert abs(one - other) not in range(1, 5)
    for chart in ("os", "versions", "names", "environments"):
        others = everything[chart]["otherInstalls"]
        assert others is None or others["all"] not in range(1, 5), chart
        assert all(row["installs"] is None or row["installs"]["all"] >= 5 for row in everything[chart]["rows"])
    assert [row["value"] for row in everything["os"]["rows"]] == ["linux"]  # Windows is among the others with the odd one
    assert everything["os"]["otherInstalls"] == {"all": 8, "people": 8}
    days = everything["series"]
    assert sorted(filter(None, days["activeAll"])) == [19]
    assert sorted(filter(None, days["events"])) == [19]


def test_public_answers_are_about_fixed_windows_and_few_conditions(crowd: Any) -> None:
    def refused(**variables: Any) -> str:
        answer = crowd.server.client.post("/graphql", json={"query": PAGE, "variables": {"slug": crowd.slug, **variables}}).json()
        return str(answer["errors"][0]["extensions"]["errors"][0]["path"])

    assert refused(period={"last": 8}) == "period"
    assert refused(period={"from": "2026-11-01T05:00:00Z", "to": "2026-11-01T06:00:00Z"}) == "period"
    assert refused(filter={"os": "linux", "version": "1.0", "names": ["build"], "arch": "x64"}) == "filter"
    assert refused(filter={"names": ["build", "deploy"]}) == "filter"


def test_a_login_sees_every_figure(crowd: Any) -> None:
    shown = crowd.ask(PAGE, slug=crowd.slug, filter={"os": "plan9", "version": "0.9", "names": ["deploy"]})["project"]
    assert (shown["minimumInstalls"], shown["overview"]["events"]["value"], active(shown)) == (None, 21, 1)
    shown = crowd.ask(PAGE, slug=crowd.slug)["project"]
    assert {row["value"]: row["installs"]["all"] for row in shown["os"]["rows"]} == {"linux": 16, "windows": 7, "plan9": 1}
