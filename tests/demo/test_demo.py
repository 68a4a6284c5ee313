"""A first try of Footfall without a client: `footfall demo` fills a project with consistent data."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from server.demo import Summary, fill, filling, scenario
from server.demo.calls import Call
from server.demo.simulated_installs import Period
from server.event import DAY, Environment
from server.event_id import received_at
from server.settings import Settings, load
from server.storage.engine import open_store
from server.storage.projects import ProjectError, create_project, ensure_default
from server.storage.tables import Project
from tests.files import contents

EVENTS, DAYS = 600, 5
FAMILIES = {"native", "sonicjs", "downloads", "flakedrop", "engagement", "trackskills"}
MONTH = Period(1_793_836_800_000, 1_793_836_800_000 + 30 * DAY)


class Filled(NamedTuple):
    """A data folder after one small demo, and what was sent to the server for it."""

    folder: Path
    summary: Summary
    calls: list[Call]
    progress: list[tuple[int, int]]

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / "footfall.sqlite3")
        try:
            return connection.execute(sql, arguments).fetchall()
        finally:
            connection.close()

    def number(self, sql: str, *arguments: Any) -> Any:
        return self.rows(sql, *arguments)[0][0]


def settings_of(folder: Path) -> Settings:
    return load({"FOOTFALL_DATA_DIR": str(folder), "FOOTFALL_RATE_LIMIT": "1/hour"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("demo") / "data"
    calls: list[Call] = []
    progress: list[tuple[int, int]] = []
    simulate = filling.simulate

    def recorded(*arguments: Any) -> Iterator[Call]:
        for call in simulate(*arguments):
            calls.append(call)
            yield call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "simulate", recorded)
        summary = asyncio.run(
            fill(settings_of(folder), days=DAYS, events=EVENTS, progress=lambda done, total: progress.append((done, total)))
        )
    return Filled(folder, summary, calls, progress)


def test_every_client_family_is_in_the_demo_and_uses_its_own_dialect(filled: Filled) -> None:
    assert filled.summary.sent.keys() == FAMILIES
    assert filled.summary.events == EVENTS
    dialects = {row[0] for row in filled.rows("SELECT DISTINCT dialect FROM event JOIN context ON context.id = event.context_id")}
    assert dialects == FAMILIES


def test_the_ledger_adds_up_and_has_refusals_and_duplicates(filled: Filled) -> None:
    ledger = dict(filled.rows("SELECT entry, SUM(events) FROM ledger JOIN project ON id = project_id WHERE slug = 'demo' GROUP BY 1"))
    assert sum(ledger.values()) == EVENTS
    assert filled.summary.ledger == {"stored": 0, "duplicate": 0, "rejected": 0, "limited": 0, "opted_out": 0} | ledger
    assert all(ledger[entry] > 0 for entry in ("stored", "duplicate", "rejected", "opted_out"))
    assert ledger["stored"] == filled.number("SELECT count(*) FROM event") > 0.9 * EVENTS


def test_the_demo_is_not_subject_to_the_configured_limits(filled: Filled) -> None:
    assert filled.summary.ledger["limited"] == 0


@pytest.mark.parametrize(
    ("rollup", "events"),
    [
        ("SELECT SUM(events) FROM rollup_hour", "SELECT count(*) FROM event"),
        ("SELECT SUM(failures) FROM rollup_hour", "SELECT count(*) FROM event WHERE outcome = 2"),
        ("SELECT SUM(duration_us) FROM rollup_hour", "SELECT SUM(duration_us) FROM event"),
        ("SELECT SUM(events) FROM rollup_day_duration", "SELECT count(*) FROM event WHERE duration_us IS NOT NULL"),
        ("SELECT SUM(events) FROM rollup_target_day", "SELECT count(*) FROM event WHERE target_id IS NOT NULL"),
        ("SELECT SUM(events) FROM rollup_target_total", "SELECT count(*) FROM event WHERE target_id IS NOT NULL"),
        (
            "SELECT SUM(events) FROM rollup_dimension WHERE dimension = 'os'",
            "SELECT count(*) FROM event JOIN context ON context.id = context_id WHERE os IS NOT NULL",
        ),
        (
            "SELECT SUM(events) FROM rollup_dimension WHERE dimension = 'property:shell'",
            "SELECT count(*) FROM event WHERE json_extract(properties, '$.shell') IS NOT NULL",
        ),
    ],
)
def test_the_rollups_count_what_is_stored(filled: Filled, rollup: str, events: str) -> None:
    assert filled.number(rollup) == filled.number(events) > 0


def test_events_are_spread_over_the_period_and_end_now(filled: Filled) -> None:
    by_day = dict(filled.rows("SELECT occurred_at / ?, count(*) FROM event GROUP BY 1", DAY))
    assert DAYS <= len(by_day) <= DAYS + 1
    assert all(count > 0.04 * EVENTS for count in list(by_day.values())[1:-1])
    arrivals = [received_at(row[0]) for row in filled.rows("SELECT id FROM event ORDER BY id")]
    assert (DAYS - 1) * DAY < arrivals[-1] - arrivals[0] <= DAYS * DAY


def test_clients_without_a_clock_are_filed_under_the_day_on_which_they_called(filled: Filled) -> None:
    days = Counter(call.at // DAY for call in filled.calls if call.path.startswith("/dl/") and call.path[4:] in scenario.PACKS)
    sql = """SELECT occurred_at / ?, count(*) FROM event JOIN event_name name ON name.id = name_id JOIN target ON target.id = target_id
        WHERE name.text = 'download' AND target.type = 'pack' GROUP BY 1"""
    assert dict(filled.rows(sql, DAY)) == days


def test_each_environment_is_one_that_the_client_reported(filled: Filled) -> None:
    found = filled.rows("SELECT DISTINCT environment, reason FROM event JOIN context ON context.id = context_id")
    assert {environment for environment, _ in found} == {int(environment) for environment in Environment}
    assert {reason for environment, reason in found if environment} == {"environment", "ci"}


def test_no_personal_data_reaches_the_disk(filled: Filled) -> None:
    identifiers = {identifier for call in filled.calls for identifier in _identifiers(call)}
    assert len(identifiers) > 100
    stored = b"".join(content for name, content in contents(filled.folder).items() if name != "secret")
    assert [identifier for identifier in identifiers if identifier.encode() in stored] == []


def _identifiers(call: Call) -> Iterator[str]:
    yield call.address
    for name, value in call.headers:
        if name in (b"authorization", b"mcp-session-id") and value != b"Bearer":
            yield value.decode().removeprefix("Bearer ")
    if call.body:
        yield from _named(msgspec.json.decode(call.body))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in ("installation_id", "session_id", "user_id", "userId", "sessionId") and inner:
                yield inner
            yield from _named(inner)


def test_progress_reaches_the_requested_number_of_events(filled: Filled) -> None:
    assert filled.progress[-1] == (EVENTS, EVENTS)
    assert filled.progress == sorted(filled.progress)


def test_the_demo_creates_no_key(filled: Filled) -> None:
    assert filled.number("SELECT count(*) FROM api_key") == 0


def test_the_summary_counts_events_by_family_and_result(filled: Filled) -> None:
    assert str(filled.summary).startswith(f"{EVENTS} events over {DAYS} days into project demo")
    assert f"{filled.summary.ledger['stored']} stored" in str(filled.summary)


async def test_a_second_demo_adds_as_many_again_to_the_same_project(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    first = await fill(settings, days=3, events=120)
    second = await fill(settings, days=3, events=120)
    assert (first.created, second.created) == (True, False)
    assert sum(second.ledger.values()) == 120
    assert second.ledger["stored"] > 100


@pytest.mark.slow
def test_a_demo_that_is_served_again_is_not_filled_again(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("demo", "--events", "50").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "server", "demo", "--serve"], env=server.env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
    assert first.startswith("demo already has ")


async def test_a_project_that_requires_keys_is_not_changed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    store = await open_store(settings)
    await ensure_default()
    await create_project("ours", requires_key=True)
    await store.close()
    with pytest.raises(ProjectError, match="ours"):
        await fill(settings, slug="ours", events=10)
    store = await open_store(settings)
    assert await store.rows("SELECT * FROM ledger") == []
    assert await Project.count() == 2
    await store.close()


async def test_a_demo_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await fill(settings_of(tmp_path / "data"), events=0)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("events", "days"), [(1, 1), (7, 30), (333, 1), (2_000, 30)])
def test_the_demo_has_as_many_events_as_were_requested(events: int, days: int) -> None:
    period = Period(MONTH.end - days * DAY, MONTH.end)
    calls = list(filling.simulate(period, events, 1))
    assert sum(call.events for call in calls) == events
    assert [call.at for call in calls] == sorted(call.at for call in calls)
    assert all(period.start <= call.at <= period.end for call in calls)


def test_a_seed_determines_the_events() -> None:
    assert list(filling.simulate(MONTH, 1_000, 1)) == list(filling.simulate(MONTH, 1_000, 1))
    assert list(filling.simulate(MONTH, 1_000, 1)) != list(filling.simulate(MONTH, 1_000, 2))


@pytest.fixture(scope="module")
def kelp() -> list[dict[str, Any]]:
    """The events of kelp in a month, each once."""
    found: dict[str, dict[str, Any]] = {}
    for call in filling.simulate(MONTH, 20_000, 1):
        if call.family == "native":
            body = msgspec.json.decode(call.body)
            events = body if isinstance(body, list) else body.get("events") or [body.get("data", body)]
            found.update((event.get("id") or str(call), event) for event in events if "outcome" in event)
    return list(found.values())


def failing(events: list[dict[str, Any]], **fields: str) -> float:
    """The failure rate of events with these fields."""
    outcomes = Counter(event["outcome"] for event in events if all(event.get(name) == value for name, value in fields.items()))
    return outcomes["failure"] / outcomes.total()


def test_the_month_has_a_failing_release_and_its_fix(kelp: list[dict[str, Any]]) -> None:
    assert failing(kelp, name="build", version=scenario.BAD_VERSION) > 0.5
    others = [release.version for release in scenario.RELEASES["native"] if release.version != scenario.BAD_VERSION]
    assert all(failing(kelp, name="build", version=version) < 0.1 for version in others)


def test_a_release_makes_builds_faster_and_deployments_worse(kelp: list[dict[str, Any]]) -> None:
    def median(version: str) -> float:
        return statistics.median(event["duration_ms"] for event in kelp if event["name"] == "build" and event["version"] == version)

    assert median("2.9.0") < 0.7 * median("2.8.1")
    assert failing(kelp, name="deploy", version="2.9.0") > 2 * failing(kelp, name="deploy", version="2.8.1")


def test_builds_on_windows_on_arm_with_an_old_runtime_fail_at_their_dependencies_until_a_fix(kelp: list[dict[str, Any]]) -> None:
    machine = {"name": "build", "os": "win32", "arch": "arm64", "runtime": "node 18.20"}
    before = [event for event in kelp if event["version"] != "2.9.0"]
    assert failing(before, **machine) > 0.3 > 0.1 > failing(before, name="build", os="linux")
    stages = Counter(
        event["properties"]["build"]["stage"]
        for event in before
        if event["outcome"] == "failure" and all(event[name] == value for name, value in machine.items())
    )
    assert stages.most_common(1)[0][0] == "dependencies"


def test_every_step_from_init_to_deploy_loses_installs(kelp: list[dict[str, Any]]) -> None:
    names: dict[str, set[str]] = {}
    for event in kelp:
        names.setdefault(event["installation_id"], set()).add(event["name"])
    begun = [used for used in names.values() if "init" in used]
    built = [used for used in begun if "build" in used]
    deployed = [used for used in built if "deploy" in used]
    assert 0.95 * len(begun) > len(built) > 1.3 * len(deployed) > 100


def test_more_installs_stay_on_one_system_than_on_another(kelp: list[dict[str, Any]]) -> None:
    days: dict[tuple[str, str], set[int]] = {}
    for event in kelp:
        if event.get("environment") == "person" and isinstance(event["timestamp"], str):
            days.setdefault((event["os"], event["installation_id"]), set()).add(int(event["timestamp"][8:10]))

    def staying(system: str) -> float:
        return statistics.mean(len(each) > 3 for (os, _), each in days.items() if os == system)

    assert staying("darwin") > 1.3 * staying("win32") > 0


def test_properties_are_flat_nested_and_lists_and_agents_run_more_and_more(kelp: list[dict[str, Any]]) -> None:
    builds = [event["properties"] for event in kelp if event["name"] == "build"]
    assert {build["build"]["cache"] for build in builds} == {"warm", "cold", "off"}
    assert {len(build.get("plugins", [])) for build in builds} == {0, 1, 2, 3}
    halves = [[event for event in kelp if (event["version"] == "2.7.0") is early] for early in (True, False)]
    shares = [statistics.mean("agent" in event for event in half if event["version"] != "2.6.4") for half in halves]
    assert 0 < shares[0] < shares[1]
