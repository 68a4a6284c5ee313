"""Warnings about conditions and splits on properties that no event has: they suggest names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.event import DAY, Context, Environment, Event
from server.event_id import EventIds
from server.history import History
from server.questions import reader
from server.questions.ask import ask
from server.questions.cohorts import Retention, retention
from server.questions.funnel import Funnel, funnel
from server.questions.paths import Paths, paths
from server.questions.periods import Period
from server.questions.question import By, Condition, Op, Question, Segment
from server.questions.suggestions import property_names
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store
from server.storage.projects import picked_properties

ENGINES = ("sqlite", "postgres")
NOW = 1_795_219_200_000
WEEK = Period.last_days(7, NOW)


@pytest.fixture
async def history(
    store: Store, settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[History | None]:
    """The history of the store, if the test is about it: it answers even few events then."""
    if request.param == "events":
        yield None
        return
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    opened = History(store, settings)
    yield opened
    opened.close()


async def send(store: Store, *documents: str | None) -> None:
    """Store an event of each document of properties."""
    context = Context(Environment.PERSON, "reported", "native")
    events = [
        Event(id=each, project=1, occurred_at=NOW - DAY, name="build", context=context, install=1, properties=document)
        for each, document in zip(EventIds(1).take(len(documents), NOW - DAY), documents, strict=True)
    ]
    await store.commit(Batch(events, target_rules={}))


THEMES = json.dumps({"theme": "dark", "build": {"stage": "bundle"}, "size": 3})
THEME = ("properties.thme", ["properties.theme"], "No event in this period has `properties.thme`. Did you mean `properties.theme`?")


@pytest.mark.parametrize("history", ["events", "history"], indirect=True)
@pytest.mark.parametrize(
    "where",
    [
        Condition("properties.thme", Op.IS, ("dark",)),
        Condition("properties.thme", Op.IS, ("dark", "light")),
        Condition("properties.thme", Op.PREFIX, ("da",)),
        Condition("properties.thme", Op.EXISTS),
        Condition("properties.thme", Op.ABOVE, ("1",)),
    ],
    ids=lambda where: f"{where.op.value}-{len(where.values)}",
)
async def test_a_condition_on_a_mistyped_property_suggests_names(store: Store, history: History | None, where: Condition) -> None:
    await send(store, THEMES)
    answer = await ask(store, Question(project=1, period=WEEK, where=(where,)), history=history, now=NOW)
    assert [(each.field, each.nearest_fields, each.message) for each in answer.warnings] == [THEME]
    assert answer.warnings[0].nearest == []


@pytest.mark.parametrize("history", ["events", "history"], indirect=True)
async def test_a_split_by_a_mistyped_property_suggests_names(store: Store, history: History | None) -> None:
    await send(store, THEMES)
    steps = (Segment("build", (Condition("name", Op.IS, ("build",)),)),) * 2
    split: dict[str, Any] = {"period": WEEK, "by": (By("properties.thme"),)}
    found: list[Any] = [
        await ask(store, Question(project=1, **split), history=history, now=NOW),
        await funnel(store, Funnel(project=1, steps=steps, **split), history=history),
        await retention(store, Retention(project=1, **split), history=history, now=NOW),
        await paths(store, Paths(project=1, event=steps[0].where, **split), history=history),
    ]
    for answer in found:
        warnings = [(each.field, each.nearest_fields, each.message) for each in answer.warnings]
        assert warnings.count(THEME) == 1
    known = await ask(store, Question(project=1, period=WEEK, by=(By("properties.build.stage"),)), history=history, now=NOW)
    assert known.warnings == []


async def test_a_property_that_some_events_have_is_not_mistyped(store: Store) -> None:
    await send(store, THEMES, None, None)
    question = Question(project=1, period=WEEK, by=(By("properties.theme"),), first=1)  # the largest group is that of events without it
    assert (await ask(store, question, now=NOW)).warnings == []


async def test_counted_properties_are_known_without_raw_events(store: Store) -> None:
    await picked_properties.rename(1, ["theme"], NOW)
    assert await property_names(store, 1, WEEK) == []
    await picked_properties.note_counted(store, 1, {"theme": NOW}, NOW)
    assert await property_names(store, 1, WEEK) == ["theme"]
