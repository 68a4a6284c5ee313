"""Recounts of answers about sequences, of the tables of other client families, and of charts after retention."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.analytics import exact_durations
from server.analytics.breakdown import Breakdown, By, breakdown
from server.analytics.errors import PARTS, Errors, errors
from server.analytics.experiments import experiment
from server.analytics.family_stats import flakedrop_stats, tool_calls, tools
from server.analytics.filters import Filter, equals
from server.analytics.installs import active_users, new_and_returning, version_adoption
from server.analytics.ledger import ledger
from server.analytics.overview import overview, series
from server.analytics.sequences import funnel, retention
from server.analytics.targets import targets, trending
from server.analytics.timings import Of, timings
from server.event import DAY, HOUR, MINUTE, Environment
from server.event_id import received_at
from server.questions.periods import Period, Step
from server.settings import load
from server.storage.engine import Store, open_store
from server.storage.upkeep.trending import WEIGHTS, WINDOWS, refresh_trending
from tests.analytics import recount
from tests.analytics.conftest import Filled
from tests.analytics.dataset import END, MAIN, START

pytestmark = [pytest.mark.timeout(1_800), pytest.mark.xdist_group("recount")]

BASE = Filter(project=MAIN, period=Period(START, END))
FEW = {
    "everything": BASE,
    "a month": BASE.during(Period(END - 30 * DAY, END)),
    "hours, not days": BASE.during(Period(START + 40 * DAY + 5 * HOUR, START + 47 * DAY + 7 * HOUR)),
    "linux in ci": BASE.only(*equals(os="linux", environments=(Environment.CI,))),
    "people": BASE.people(),
}
few_filters = pytest.mark.parametrize("filter_", FEW.values(), ids=FEW)


@few_filters
@pytest.mark.parametrize(
    ("names", "within"),
    [
        (["install_started", "install_completed", "build"], DAY),
        (["install_started", "build"], 10 * MINUTE),
        (["build", "view", "build", "tool_call"], 3 * DAY),
        (["build", "build"], HOUR),
        (["never", "build"], DAY),
    ],
)
async def test_the_funnel_equals_the_recount(full: Store, filled: Filled, filter_: Filter, names: list[str], within: int) -> None:
    found = await funnel(full, filter_, names, within=within)
    everyone = recount.reached(filled.matching(filter_), names, within)
    people = recount.reached(filled.matching(filter_.people()), names, within)
    assert [step.name for step in found] == names
    assert [(step.installs.all, step.installs.people) for step in found] == list(zip(everyone, people, strict=True))
    assert [step.of_first for step in found] == [count / everyone[0] if everyone[0] else None for count in everyone]


@few_filters
@pytest.mark.parametrize("goal", [None, "upgrade"])
async def test_the_experiment_equals_the_recount(full: Store, filled: Filled, filter_: Filter, goal: str | None) -> None:
    found = await experiment(full, filter_, "variant", goal=goal)
    for audience, part in ((filter_, "all"), (filter_.people(), "people")):
        events = filled.matching(audience)
        expected = recount.variants(events, events, "variant", goal)
        results = {variant.value: getattr(variant, part) for variant in found.variants}
        assert {value: (result.installs, result.successes) for value, result in results.items() if result.installs} == expected
        for value, result in results.items():
            if not result.installs:
                continue
            assert result.rate == result.successes / result.installs
            assert result.interval.low <= result.rate <= result.interval.high
            if value == "control" or not results["control"].installs:
                assert (result.difference, result.difference_interval) == (None, None)
            else:
                assert result.difference == pytest.approx(result.rate - results["control"].rate)
                assert result.difference_interval.low <= result.difference <= result.difference_interval.high
    assert found.baseline == "control"


async def test_trending_targets_equal_the_recount(full: Store, filled: Filled) -> None:
    assert await refresh_trending(full, END - 1) > 0
    for window in WINDOWS:
        found = await trending(full, MAIN, window_days=window.days, limit=100)
        expected = recount.trending(filled.events, END // DAY - 1, window.days, window.half_life, WEIGHTS)
        assert {trend.target_id: trend.score for trend in found.targets} == pytest.approx(expected, abs=0.001)
        assert [trend.score for trend in found.targets] == sorted((trend.score for trend in found.targets), reverse=True)
        assert found.refreshed_at == END - 1
        views = Counter(event.target for event in filled.events if event.name == "view")
        assert all(trend.counters.views == views[trend.target_id] for trend in found.targets)
    pages = await trending(full, MAIN, type_="page", limit=3)
    assert [trend.target_type for trend in pages.targets] == ["page"] * 3


async def test_flakedrops_statistics_equal_the_recount(full: Store, filled: Filled) -> None:
    found = await flakedrop_stats(full, MAIN)
    own = [machine.last for machine in filled.machines.values() if machine.last["dialect"] == "flakedrop"]
    assert found.unique_users == len(own)
    assert found.total_events == sum(event.dialect == "flakedrop" for event in filled.events)
    assert found.os_breakdown == Counter(last["os"] for last in own if "os" in last)
    assert found.version_breakdown == Counter(last["version"] for last in own if "version" in last)


async def test_the_tables_of_track_skills_equal_the_recount(full: Store, filled: Filled) -> None:
    period = Period(END - 7 * DAY, END)
    events = filled.matching(Filter(project=MAIN, period=period, where=equals(names=("tool_call",), target_type="tool")))
    total = await tool_calls(full, MAIN, period)
    _, successes, failures = recount.outcomes(events)
    assert (total.calls, total.success_rate) == (len(events), successes / (successes + failures))
    by_tool = recount.grouped(events, lambda event: event.target)
    found = await tools(full, MAIN, period)
    assert {each.tool: each.calls for each in found} == {tool: len(each) for tool, each in by_tool.items()}
    for each in found:
        exact = recount.took(by_tool[each.tool])
        assert each.mean_ms == pytest.approx(sum(exact) / len(exact) / 1000)


async def test_the_ledger_has_every_event_on_its_day_of_arrival(full: Store, filled: Filled) -> None:
    found = await ledger(full, MAIN, Period(START, END + 3 * DAY))
    received = recount.stored(filled.events)
    arrived = Counter(received_at(event.id) // DAY * DAY for event in received)
    assert {day.start: (day.received, day.stored) for day in found} == {
        day.start: (arrived[day.start], arrived[day.start]) for day in found
    }
    assert sum(day.received for day in found) == len(received)


async def test_every_chart_is_unchanged_when_all_raw_events_are_gone(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_durations, "FEW", 0)  # small numbers of durations are read from raw events
    folder = tmp_path / "data"
    shutil.copytree(filled.folder, folder)
    settings = load({"FOOTFALL_DATA_DIR": str(folder)})
    before = await _charts(await open_store(settings))
    with contextlib.closing(sqlite3.connect(settings.sqlite_path)) as connection, connection:
        assert connection.execute("DELETE FROM event").rowcount >= len(recount.stored(filled.events))
    after = await _charts(await open_store(settings))
    for one, other in zip(after, before, strict=True):
        assert one == other, (one, other)


async def _charts(store: Store) -> list[Any]:
    """All answers from rollups, with all filters that rollups support."""
    found: list[Any] = [await flakedrop_stats(store, MAIN), await ledger(store, MAIN, BASE.period)]
    for filter_ in (BASE, FEW["people"], FEW["a month"]):
        found += [
            # A period that has ended: a current one is compared with raw events of the cut day.
            await overview(store, filter_.during(Period(filter_.period.start, min(END, int(time.time()) // 86_400 * DAY - DAY)))),
            *[await series(store, filter_, step) for step in Step],
            *[_without_installs(await breakdown(store, filter_, by, property_name="theme")) for by in By],
            await active_users(store, filter_),
            await new_and_returning(store, filter_, Step.WEEK),
            await retention(store, filter_),
            await version_adoption(store, filter_, Step.WEEK),
            *[await timings(store, filter_, of) for of in Of],
            _without_moments(await errors(store, filter_, parts=PARTS - {"sample"})),
            await targets(store, filter_),
        ]
    await store.close()
    return found


def _without_installs(found: Breakdown) -> Breakdown:
    """A breakdown without its installs, which come from raw events."""
    rows = [msgspec.structs.replace(row, installs=None) for row in found.rows]
    return msgspec.structs.replace(found, rows=rows, other_installs=None)


def _without_moments(found: Errors) -> Errors:
    """The errors without their first and last times, which come from raw events."""
    groups = [msgspec.structs.replace(group, first_seen=None, last_seen=None) for group in found.groups]
    return msgspec.structs.replace(found, groups=groups)
