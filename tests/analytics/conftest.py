"""Shared fixtures: the data set of `dataset`, stored once for all tests that only read it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from server.analytics.filters import Filter
from server.event import Environment, Outcome
from server.questions import sql
from server.questions.question import Condition, Op
from server.settings import load
from server.storage.engine import Store, open_store
from server.storage.projects import create_project, ensure_default, picked_properties
from server.storage.tables import Project
from tests.analytics import dataset, recount

# The promise is about a million events. `make test-all` counts 100,000; FOOTFALL_TEST_EVENTS=1000000 counts all.
EVENTS = int(os.environ.get("FOOTFALL_TEST_EVENTS", "10000"))


class Filled(NamedTuple):
    """A data folder with the events of the main project, in order of arrival, and its installs."""

    folder: Path
    events: list[recount.Raw]
    machines: dict[int, recount.Machine]
    kept: dict[Filter, list[recount.Raw]]

    def __repr__(self) -> str:
        """Keep it short: pytest shows the arguments of a failed test, and a million events are gigabytes of text."""
        return f"Filled({len(self.events):,} events)"

    def matching(self, filter_: Filter) -> list[recount.Raw]:
        """The events that match a filter."""
        if filter_ not in self.kept:
            self.kept[filter_] = [event for event in self.events if lets_through(filter_, event)]
        return self.kept[filter_]


def lets_through(filter_: Filter, event: recount.Raw) -> bool:
    """Return True if an event matches a filter, evaluated in plain Python."""
    return (
        filter_.period.start <= event.at < filter_.period.end
        and (filter_.audience.value == "everything" or event.environment in recount.PEOPLE)
        and all(meets(condition, event) for condition in filter_.where)
    )


def meets(condition: Condition, event: recount.Raw) -> bool:
    """Return True if an event meets a condition, evaluated in plain Python."""
    if condition.field.startswith("properties."):
        value = json.loads(event.properties or "{}").get(condition.field.removeprefix("properties."))
    elif condition.field in ("environment", "outcome"):
        names = {"environment": Environment, "outcome": Outcome}
        value = names[condition.field](getattr(event, condition.field)).name.lower()
    else:
        value = getattr(event, condition.field)
    if condition.op is Op.IS_NOT:
        return value not in condition.values
    tests = {Op.IS: str.__eq__, Op.PREFIX: str.startswith, Op.CONTAINS: str.__contains__}
    return value is not None and any(tests[condition.op](value, each) for each in condition.values)  # type: ignore[operator]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("filled") / "data"
    settings = load({"FOOTFALL_DATA_DIR": str(folder)})

    async def fill() -> None:
        store = await open_store(settings)
        await ensure_default()
        await create_project("other")
        await Project.update({Project.dimensions: '["theme"]'}, force=True)
        await picked_properties.sync(now=1)
        for project, named in (await picked_properties.waiting(store, before=1)).items():
            await picked_properties.note_counted(store, project, named, now=1)  # there are no events yet
        started = time.perf_counter()
        await dataset.fill(store, EVENTS)
        print(f"\n{EVENTS:,} events stored in {time.perf_counter() - started:.1f} s")
        await store.close()

    asyncio.run(fill())
    events = [event for event in recount.load(settings.sqlite_path) if event.project == dataset.MAIN]
    return Filled(folder, events, recount.machines(events), {})


@pytest.fixture
async def full(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The filled store, open. Queries of raw events have no time limit here."""
    monkeypatch.setattr(sql, "RAW_SECONDS", 100.0)
    store = await open_store(load({"FOOTFALL_DATA_DIR": str(filled.folder)}))
    yield store
    await store.close()
