"""Answers over raw events, some of which retention has deleted: no invented rows, and one population in each answer."""

from __future__ import annotations

from typing import Any

import pytest

from server.analytics.breakdown import By, breakdown
from server.analytics.filters import Filter, equals
from server.analytics.overview import overview
from server.event import DAY, Context, Event
from server.event_id import first_id
from server.jobs import Run
from server.jobs.retention_job import retention
from server.questions import intervals
from server.questions.periods import Period
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store

ENGINES = ("sqlite", "postgres")
NOW = 1_795_219_200_000
LAST_YEARS = Period((NOW // DAY - 390) * DAY, (NOW // DAY + 1) * DAY)


@pytest.fixture(autouse=True)
async def retained(store: Store, settings: Settings) -> None:
    """Two events of one kind, of which retention has deleted one."""
    context = Context(dialect="native", os="linux", version="1.0")
    for place, days in enumerate((380, 1), 1):
        at = NOW - days * DAY
        event = Event(id=first_id(at), project=1, name="build", occurred_at=at, context=context, install=place)
        await store.commit(Batch([event], target_rules={}))
    await retention(Run(store, settings, now=lambda: NOW))


async def test_a_breakdown_has_no_row_for_deleted_events(store: Store) -> None:
    found = await breakdown(store, Filter(project=1, period=LAST_YEARS, where=equals(version="1.0")), By.OS)
    assert [(row.value, row.events, row.installs and row.installs.all) for row in found.rows] == [("linux", 1, 1)]


@pytest.mark.parametrize("filter_", [{"names": ("build",)}, {"version": "1.0"}])
async def test_events_and_installs_are_counted_from_the_same_events(store: Store, filter_: dict[str, Any]) -> None:
    figures = await overview(store, Filter(project=1, period=LAST_YEARS, where=equals(**filter_)))
    assert (figures.events.value, figures.active.all.value) == (1, 1)
    for by in (By.OS, By.VERSION, By.ENVIRONMENT):
        found = await breakdown(store, Filter(project=1, period=LAST_YEARS, where=equals(**filter_)), by)
        assert [(row.events, row.installs and row.installs.all) for row in found.rows] == [(1, 1)], by


async def test_figures_from_rollups_reach_back_beyond_retention(store: Store) -> None:
    figures = await overview(store, Filter(project=1, period=LAST_YEARS))
    assert (figures.events.value, figures.active.all.value) == (2, 2)


async def test_the_interval_of_an_estimate_counts_the_events_of_the_figure(store: Store, settings: Settings) -> None:
    for days in (380, 1):
        at = NOW - days * DAY
        event = Event(id=first_id(at) + 1, project=1, name="test", occurred_at=at, context=Context(), weight=10)
        await store.commit(Batch([event], target_rules={}))
    await retention(Run(store, settings, now=lambda: NOW))
    events = (await overview(store, Filter(project=1, period=LAST_YEARS, where=equals(names=("test",))))).events
    assert (events.value, events.low, events.high) == (10, *(intervals.of_count(10, 90) or ()))


async def test_a_period_before_all_events_that_are_left_has_nothing(store: Store) -> None:
    before = Filter(project=1, period=Period(LAST_YEARS.start, LAST_YEARS.start + 20 * DAY), where=equals(names=("build",)))
    figures = await overview(store, before)
    assert (figures.events.value, figures.active.all.value) == (0, 0)
    assert (await breakdown(store, before, By.OS)).rows == []
