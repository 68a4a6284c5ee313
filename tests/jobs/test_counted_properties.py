"""The job that counts stored events by a property that was named after them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.analytics.breakdown import By, breakdown
from server.analytics.filters import Filter
from server.clock import epoch_ms
from server.event import MINUTE, Event
from server.jobs import Run
from server.jobs.property_job import count_properties
from server.jobs.retention_job import retention
from server.jobs.rollup_jobs import check_rollups
from server.questions.periods import Period
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store
from server.storage.projects import picked_properties, project_changes
from server.storage.rollups import picked_values
from server.storage.upkeep.recount import Recount

ENGINES = ("sqlite", "postgres")
NAMES = ("theme", "tags", "build.stage")
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"theme": "dark", "tags": ["a", "b", "a"], "build": {"stage": "dependencies"}},
    {"theme": True, "tags": [], "build": {"stage": None}},
    {"theme": {"deep": "x"}, "tags": ["b", 7, 1.5, None, {"c": 1}], "build.stage": "flat", "build": {"stage": "bundle"}},
    {"tags": "b", "build": {"stage": ["one", "two"]}},
    {},
)
Send = Callable[..., Awaitable[None]]


@pytest.fixture
def run(store: Store, settings: Settings) -> Run:
    """A run of a job ten minutes from now, when all servers know a new name."""
    return Run(store, settings, now=lambda: epoch_ms() + 10 * MINUTE)


@pytest.fixture
def send(store: Store, event: Callable[..., Event]) -> Send:
    """Stores one event per document, as a server that knows `names` does."""

    async def store_events(*documents: dict[str, Any], names: tuple[str, ...] = (), days: float = 0, **fields: Any) -> None:
        events = [
            event(days=days, properties=json.dumps(each) if each else None, picked=picked_values(each, names), **fields)
            for each in documents
        ]
        await store.commit(Batch(events, target_rules={}))

    return store_events


async def name(*names: str) -> None:
    await project_changes.change(1, dimensions=list(names))


async def counts(store: Store, property_name: str, now: int) -> dict[str | None, int]:
    filter_ = Filter(project=1, period=Period.last_days(30, now))
    found = await breakdown(store, filter_, By.PROPERTY, property_name=property_name)
    return {row.value: row.events for row in found.rows}


async def in_rollups(store: Store, property_name: str) -> dict[str, int]:
    rows = await store.rows(
        "SELECT value, SUM(events) AS events FROM rollup_dimension WHERE dimension = {} GROUP BY value", f"property:{property_name}"
    )
    return {row["value"]: int(row["events"]) for row in rows}


def expected(*documents: dict[str, Any]) -> dict[str, Counter[str]]:
    found = {each: Counter[str]() for each in NAMES}
    for document in documents:
        for property_name, value in picked_values(document, NAMES):
            found[property_name][value] += 1
    return found


def test_the_values_of_arrays_and_nested_properties() -> None:
    assert expected(*DOCUMENTS) == {
        "theme": {"dark": 1, "true": 1},
        "tags": {"a": 1, "b": 3, "7": 1, "1.5": 1},
        "build.stage": {"dependencies": 1, "flat": 1, "one": 1, "two": 1},
    }
    assert len(picked_values({"tags": list(range(1_000))}, ("tags",))) == 50


async def test_a_property_that_is_named_later_has_its_past(store: Store, run: Run, send: Send, now: int) -> None:
    """The figures are right from the first moment: of raw events before the job, of sums after it."""
    await send(*DOCUMENTS)
    await send(*DOCUMENTS[:2], days=3)
    await name(*NAMES)
    await send(*DOCUMENTS[2:], names=NAMES)
    await send(DOCUMENTS[0])  # a server that does not know of the name yet
    everything = expected(*DOCUMENTS, *DOCUMENTS[:2], *DOCUMENTS[2:], DOCUMENTS[0])
    for property_name in NAMES:
        assert await counts(store, property_name, now) == everything[property_name]
    assert "0 properties counted" in await count_properties(dataclasses.replace(run, now=epoch_ms))
    assert await in_rollups(store, "tags") != everything["tags"]
    assert "3 properties counted in 11 events" in await count_properties(run)
    for property_name in NAMES:
        assert await in_rollups(store, property_name) == everything[property_name]
        assert await counts(store, property_name, now) == everything[property_name]
    assert "0 properties counted" in await count_properties(run)
    assert "all agree" in await check_rollups(dataclasses.replace(run, by_hand=True))


async def test_the_nightly_check_repairs_counted_properties(store: Store, run: Run, send: Send, now: int) -> None:
    await name(*NAMES)
    await send(*DOCUMENTS, names=NAMES)
    await count_properties(run)
    await store.change(("UPDATE rollup_dimension SET events = events + 5 WHERE value = {}", ("dark",)))
    by_hand = dataclasses.replace(run, by_hand=True, repair=True)
    assert "1 rows differ and were repaired" in await check_rollups(by_hand)
    assert await counts(store, "theme", now) == expected(*DOCUMENTS)["theme"]


async def test_an_interrupted_run_is_repeated(store: Store, run: Run, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interrupted run has counted some days, of which the next one counts none again."""
    for days in range(4):
        await send(*DOCUMENTS, days=days)
    await name(*NAMES)
    change, left = store.change, 2

    async def stopping(*statements: Any, **options: Any) -> Any:
        nonlocal left
        if "rollup_dimension" in statements[0][0]:
            left -= 1
            if left < 0:
                raise InterruptedError
        return await change(*statements, **options)

    monkeypatch.setattr(store, "change", stopping)
    with pytest.raises(InterruptedError):
        await count_properties(run)
    monkeypatch.undo()
    assert 0 < sum((await in_rollups(store, "tags")).values()) < sum(expected(*DOCUMENTS * 4)["tags"].values())
    await count_properties(run)
    for property_name in NAMES:
        assert await in_rollups(store, property_name) == expected(*DOCUMENTS * 4)[property_name]


async def test_a_property_that_is_named_again_is_recounted(store: Store, run: Run, send: Send) -> None:
    await name("theme")
    await send(DOCUMENTS[0], names=("theme",))
    await count_properties(run)
    await name("tags")
    await send(DOCUMENTS[0], names=("tags",))
    await name("theme", "tags")
    assert await picked_properties.counted(store, 1) == []
    await count_properties(run)
    assert sorted(await picked_properties.counted(store, 1)) == ["tags", "theme"]
    assert await in_rollups(store, "theme") == {"dark": 2}


async def test_counts_of_deleted_events_stay(store: Store, settings: Settings, run: Run, send: Send, now: int) -> None:
    """A property that was counted all along keeps its sums, even for days of which retention has deleted events."""
    await name("theme")
    await send(DOCUMENTS[0], names=("theme",), days=20)
    await send(DOCUMENTS[0], names=("theme",))
    await retention(Run(store, dataclasses.replace(settings, retention_days=10), now=lambda: now))
    await count_properties(run)
    assert await counts(store, "theme", now) == {"dark": 2}
    assert (await store.rows("SELECT COUNT(*) AS n FROM event"))[0]["n"] == 1


async def test_events_that_arrive_meanwhile_count_once(store: Store, run: Run, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job adds the difference of one moment; commits add their own."""
    await send(*DOCUMENTS)
    await name(*NAMES)
    days_kept = Recount.days_kept

    async def after_a_commit(self: Recount, *arguments: Any) -> list[int]:
        await send(*DOCUMENTS, names=NAMES)
        return await days_kept(self, *arguments)

    monkeypatch.setattr(Recount, "days_kept", after_a_commit)
    await count_properties(run)
    for property_name in NAMES:
        assert await in_rollups(store, property_name) == expected(*DOCUMENTS * 2)[property_name]
