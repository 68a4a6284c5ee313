"""Retention deletes old raw events, keeps their rollups, and does not block ingest."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from server.event import DAY, Context, Event, Receipt
from server.event_id import EventIds, first_id
from server.ingest.event_writer import Writer
from server.jobs import Run
from server.jobs.pace import AIM, Pace
from server.jobs.retention_job import expire, retention
from server.metrics import Metrics
from server.settings import Settings
from server.storage.batch import Batch, RejectedRow, TargetRules
from server.storage.engine import Store, open_store
from server.storage.projects import LiveProject, create_project
from server.storage.tables import Project

ENGINES = ("sqlite", "postgres")

# The promise is about 500,000 events: FOOTFALL_TEST_RETENTION_EVENTS=500000, which takes a minute.
OLD_EVENTS = int(os.environ.get("FOOTFALL_TEST_RETENTION_EVENTS", "50000"))
CLIENTS = 50

Make = Callable[..., Any]


def by_hand(run: Run) -> Run:
    return dataclasses.replace(run, by_hand=True)


async def ids(store: Store) -> list[int]:
    return [row["id"] for row in await store.rows("SELECT id FROM event ORDER BY id")]


@pytest.mark.engine_matters
async def test_events_are_deleted_after_a_year_and_every_sum_stays(run: Run, commit: Make, varied: Make, tables: Make, count: Make) -> None:
    await commit([*varied(500, 400), *varied(500, 366), *varied(500, 364), *varied(500, 1)])
    before = tables()
    assert "1,000 events" in await retention(run)
    assert count("event") == 1_000
    assert tables() == before


async def test_each_project_keeps_its_events_as_long_as_it_says(run: Run, store: Store, commit: Make, event: Make) -> None:
    await create_project("brief")
    await create_project("long")
    await Project.update({Project.retention_days: 7}).where(Project.slug == "brief")
    await Project.update({Project.retention_days: 1_000}).where(Project.slug == "long")
    await commit(event(days, project=project) for days in (900, 400, 300, 8, 6) for project in (1, 2, 3))
    await retention(run)
    left = await store.rows("SELECT project_id, count(*) AS n FROM event GROUP BY 1 ORDER BY 1")
    assert [(row["project_id"], row["n"]) for row in left] == [(1, 3), (2, 1), (3, 5)]


async def test_age_is_that_of_the_arrival_to_the_millisecond(run: Run, store: Store, commit: Make, event: Make, now: int) -> None:
    cutoff = now - 365 * DAY
    await commit([event(at=cutoff - 1, occurred_at=now), event(at=cutoff, occurred_at=cutoff - 20 * DAY)])
    await retention(run)
    assert [row["occurred_at"] for row in await store.rows("SELECT occurred_at FROM event")] == [cutoff - 20 * DAY]


async def test_nightly_retention_checks_newly_expired_events_and_weekly_all_events(
    run: Run, store: Store, commit: Make, event: Make, now: int
) -> None:
    await retention(run)
    await commit([event(500), event(364.5)])  # the first one was imported, and is older than the last retention
    tomorrow = dataclasses.replace(run, now=lambda: now + DAY)
    await retention(tomorrow)
    assert len(await ids(store)) == 1
    assert (await ids(store))[0] < first_id(now - 499 * DAY)
    await retention(dataclasses.replace(run, now=lambda: now + 7 * DAY))
    assert await ids(store) == []


async def test_a_manual_retention_run_checks_all_events(run: Run, store: Store, commit: Make, event: Make) -> None:
    await retention(run)
    await commit([event(500)])
    await retention(run)
    assert len(await ids(store)) == 1
    await retention(by_hand(run))
    assert await ids(store) == []


async def test_a_longer_retention_stops_further_deletions(run: Run, store: Store, commit: Make, event: Make) -> None:
    await commit([event(300), event(100)])
    await Project.update({Project.retention_days: 200}).where(Project.id == 1)
    await retention(run)
    await Project.update({Project.retention_days: 365}).where(Project.id == 1)
    await retention(run)
    await retention(by_hand(run))
    assert len(await ids(store)) == 1


async def test_a_second_run_changes_nothing(run: Run, commit: Make, varied: Make, tables: Make) -> None:
    await commit([*varied(300, 400), *varied(300)])
    await retention(run)
    first = tables("event", "context", "event_name", "target", "note")
    assert "0 events" in await retention(run)
    assert tables("event", "context", "event_name", "target", "note") == first


async def test_expired_refusals_and_rejected_events_are_deleted(run: Run, store: Store, now: int, tables: Make) -> None:
    today = now // DAY
    rejected = [
        RejectedRow(id=first_id(now - days * DAY), project=1, route="/", dialect="", reason="invalid", errors="[]", excerpt="", size=1)
        for days in (8, 6)
    ]
    refusals = {(project, today - days, address, "limited"): 1 for project in (1, 2) for days in (40, 31, 30, 0) for address in (-5, 7)}
    await store.commit(Batch(refusals=refusals))
    for row in rejected:  # separately: a commit trims by its newest event
        await store.change(
            (
                "INSERT INTO rejected (id, project_id, route, dialect, reason, errors, excerpt, size) VALUES ({}, 1, '', '', '', '', '', 1)",
                (row.id,),
            )
        )
    assert "9 rejected events" in await retention(run)
    assert {row[1] for row in tables("refusal")["refusal"]} == {today - 30, today}
    assert [row[0] for row in tables("rejected")["rejected"]] == [rejected[1].id]


async def test_expired_marks_are_deleted(run: Run, commit: Make, event: Make, tables: Make, store: Store) -> None:
    await commit(event(days, mark=number) for number, days in enumerate((40, 31, 29, 0)))
    await commit([event(0.5, viewer=-9)])
    assert "3 marks" in await expire(run)
    assert {row[1] for row in tables("mark")["mark"]} == {2, 3}
    assert "0 marks" in await expire(run)
    again = await store.commit(Batch([event(0, mark=2), event(0, mark=0)]))
    assert again.exceptions == {0: Receipt.DUPLICATE}


@pytest.mark.slow
async def test_space_is_given_back_and_a_little_kept(run: Run, store: Store, settings: Settings, commit: Make, varied: Make) -> None:
    if store.engine_type == "postgres":
        return  # autovacuum does this
    padding = '{"padding": "' + "x" * 300 + '"}'
    await commit([*varied(20_000, 400, properties=padding), *varied(1_000)])
    await store.checkpoint()
    before = settings.sqlite_path.stat().st_size
    said = await retention(run)
    space = await store.space()
    assert settings.sqlite_path.stat().st_size < before / 2, said
    assert 0 < space.free <= 256
    assert "0 pages freed" in await retention(run)


async def test_unused_contexts_are_deleted_in_two_runs_and_used_ones_stay(
    run: Run, store: Store, commit: Make, event: Make, tables: Make
) -> None:
    await commit([*(event(400, context=Context(version=f"old {number}")) for number in range(50)), event(context=Context(version="new"))])
    await retention(by_hand(run))
    assert len(tables("context")["context"]) == 51
    assert "50 contexts" in await retention(by_hand(run))
    assert [row[7] for row in tables("context")["context"]] == ["new"]
    assert tables("unused_context")["unused_context"] == []
    assert "0 contexts" in await retention(by_hand(run))


async def versions(store: Store) -> list[str]:
    rows = await store.rows("SELECT context.version FROM event LEFT JOIN context ON context.id = event.context_id ORDER BY event.id")
    return [row["version"] for row in rows]


async def test_a_cached_context_that_was_purged_is_created_again(run: Run, store: Store, commit: Make, event: Make) -> None:
    known = Context(version="remembered")
    await commit([event(400, context=known)])
    await retention(by_hand(run))
    await retention(by_hand(run))
    assert await store.rows("SELECT id FROM context") == []
    # Another target takes the freed number: a stale cache entry would now mean this one.
    await commit([event(context=Context(version="other"))])
    await commit([event(context=known)])
    assert await versions(store) == ["other", "remembered"]


async def test_a_context_that_another_process_has_cached_is_created_again_there(
    run: Run, store: Store, settings: Settings, commit: Make, event: Make
) -> None:
    other = await open_store(settings)
    try:
        rules = {1: TargetRules(False, 10)}
        await other.commit(Batch([event(400, context=Context(version="theirs"))], target_rules=rules))
        await retention(by_hand(run))
        await retention(by_hand(run))
        await commit([event(context=Context(version="ours"))])
        await other.commit(Batch([event(context=Context(version="theirs"))], target_rules=rules))
    finally:
        await other.close()
    assert await versions(store) == ["ours", "theirs"]


@pytest.mark.parametrize("process", ["the same", "another"])
async def test_a_context_used_again_between_the_two_runs_stays(
    run: Run, store: Store, settings: Settings, commit: Make, event: Make, process: str
) -> None:
    known = Context(version="back again")
    other = store if process == "the same" else await open_store(settings)
    try:
        await other.commit(Batch([event(400, context=known)]))
        await retention(by_hand(run))  # listed as unused
        back = event(400, context=known)
        await other.commit(Batch([back]))
        # Its event is deleted immediately, as if it arrived after the scan: only the list shows that it is in use.
        await store.change(("DELETE FROM event WHERE id = {}", (back.id,)))
        await retention(by_hand(run))
        await other.commit(Batch([event(context=known)]))
    finally:
        if other is not store:
            await other.close()
    assert await versions(store) == ["back again"]
    assert len(await store.rows("SELECT id FROM context")) == 1


async def test_changes_grow_while_they_are_quick_and_shrink_when_they_are_slow(store: Store) -> None:
    pace = Pace(store, first=100, least=10, most=200)
    for _ in range(20):
        await pace.took(0.001)
    assert pace.size == 200
    await pace.took(AIM * 4)
    assert pace.size == 50
    for _ in range(5):
        await pace.took(AIM * 4)
    assert pace.size == 10
    assert pace.longest == AIM * 4
    await pace.took(AIM * 0.7)
    assert pace.size == 10


@pytest.mark.slow
async def test_ingest_is_fast_and_refuses_nothing_while_events_are_deleted(
    run: Run, store: Store, commit: Make, varied: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Delete within one process, while clients wait for their commits."""
    await commit(varied(OLD_EVENTS, 400))
    writer = Writer(store, Metrics("test"), max_queue=20_000, slug=lambda _: "default")
    project, fresh = LiveProject(1, "default", False, None, None, TargetRules(False, 100), (), (), ()), EventIds(9)
    waits: list[float] = []
    posting = True

    async def client(number: int) -> None:
        while posting:
            began = time.perf_counter()
            new = Event(id=fresh.take(1, run.now())[0], project=1, name="run", occurred_at=run.now(), context=Context(), install=number)
            receipts, _ = await writer.submit(project, [new])
            waits.append(time.perf_counter() - began)
            assert receipts == [Receipt.STORED]
            await asyncio.sleep(0.005)

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    began = time.perf_counter()
    said = await retention(run)
    took = time.perf_counter() - began
    posting = False
    await asyncio.gather(*clients)
    await writer.close()
    waits.sort()
    with capsys.disabled():
        print(
            f"\n  {OLD_EVENTS:,} events deleted in {took:.1f} s beside {len(waits):,} posts of {CLIENTS} clients;"
            f" median {waits[len(waits) // 2] * 1000:.1f} ms, slowest {waits[-1] * 1000:.0f} ms; {said}"
        )
    assert f"{OLD_EVENTS:,} events" in said
    (row,) = await store.rows("SELECT count(*) AS n FROM event")
    assert row["n"] == len(waits)
