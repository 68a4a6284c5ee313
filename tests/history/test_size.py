"""The history has a maximum size: the oldest segments are evicted first, and questions about their events read the store."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from server.doctor import history_checks
from server.event import DAY
from server.history import History, building, manifest
from server.questions import reader
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import Condition, Question
from server.settings import Settings
from server.storage.engine import Store
from tests.conftest import Server
from tests.history.conftest import NOW

ENGINES = ("sqlite", "postgres")
BOUND = 60_000  # bytes
EVENTS = 2_000


@pytest.fixture
def small(settings: Settings) -> Settings:
    return dataclasses.replace(settings, history_size=BOUND)


@pytest.fixture
async def bounded(store: Store, small: Settings, fill: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[History]:
    """A history that holds a part of the events."""
    monkeypatch.setattr(building, "PIECE", 150)
    await fill(EVENTS)
    history = History(store, small, now=lambda: NOW)
    await history.build()
    yield history
    history.close()


async def test_the_oldest_events_are_evicted_and_no_answer_changes(bounded: History, small: Settings, segments: Any, check: Any) -> None:
    report = bounded.report()
    assert BOUND / 2 < sum(path.stat().st_size for path in segments()) == report.bytes <= report.max_bytes == BOUND
    assert 0 < report.rows < EVENTS
    assert report.since is not None
    assert NOW - 100 * DAY < report.since < NOW - 10 * DAY
    held = [segment for segment in manifest.load(small.history_dir).segments if segment.file]
    assert min(segment.first for segment in held) >= manifest.load(small.history_dir).floor
    assert await check(bounded) + await check(bounded, 2) == EVENTS
    assert not await bounded.build()  # what was evicted is not read again


@pytest.mark.slow
async def test_a_larger_size_reads_evicted_events_again_and_a_smaller_one_evicts_more(
    bounded: History, store: Store, small: Settings, check: Any
) -> None:
    for size, is_whole in ((BOUND // 2, False), (100 * BOUND, True)):
        other = History(store, dataclasses.replace(small, history_size=size), now=lambda: NOW)
        await other.build()
        report = other.report()
        assert report.bytes <= size
        assert (report.since is None, report.rows == EVENTS) == (is_whole, is_whole)
        assert await check(other) + await check(other, 2) == EVENTS
        other.close()


@pytest.mark.slow
async def test_a_question_about_evicted_events_reads_the_store_and_warns(
    bounded: History, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    bounded.tail = 100
    where = (Condition("name", values=("build",)), Condition("os", values=("linux",)), Condition("arch", values=("x64",)))
    recent, whole = (Question(project=1, period=Period(NOW - days * DAY, NOW), where=where) for days in (3, 110))
    answer = await ask(store, recent, history=bounded, now=NOW)
    assert (answer.source, answer.warnings) == ("history", [])
    answer = await ask(store, whole, history=bounded, now=NOW)
    assert answer.source == "events"
    assert answer.rows == (await ask(store, whole, now=NOW)).rows
    (warning,) = answer.warnings
    assert warning.field == "period"
    assert "FOOTFALL_HISTORY_SIZE" in warning.message


@pytest.mark.slow
@pytest.mark.on_sqlite
async def test_doctor_reports_the_start_of_the_history(bounded: History, small: Settings) -> None:
    held, begins = history_checks.history(small)
    assert "of at most" in held.message
    assert (begins.level, begins.fix) == ("warning", "raise FOOTFALL_HISTORY_SIZE")


@pytest.mark.on_sqlite
def test_health_and_metrics_show_the_size_and_its_maximum(make_server: Callable[..., Server]) -> None:
    server = make_server(FOOTFALL_HISTORY_SIZE="1KiB").start()
    server.client.post("/v1/events", json={"name": "build", "installation_id": "i1"})
    assert "0 files" in server.footfall("job", "build-history").stdout
    health = server.client.get("/health").json()["history"]
    assert (health["bytes"], health["max_bytes"], health["complete"]) == (0, 1_024, False)
    metrics = server.client.get("/metrics").text
    assert "footfall_history_bytes 0.0" in metrics
    assert "footfall_history_max_bytes 1024.0" in metrics
    folder: Path = server.folder / "data" / "history"
    assert not list(folder.glob("*.parquet"))
