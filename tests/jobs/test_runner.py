"""A job runs on one replica at a time, another one takes over after a crash, and each run is recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from server.event import DAY, HOUR, MINUTE
from server.jobs import JOBS, Job, JobError, Outcome, Run, Runner, Scheduler
from server.jobs import scheduler as scheduler_module
from server.metrics import Metrics
from server.settings import Settings
from server.storage.engine import Store, open_store
from server.storage.upkeep import job_runs, leases

Make = Callable[..., Any]
SECOND = 1_000

ENGINES = ("sqlite", "postgres")


class Work:
    """A job that counts its runs, and its concurrent runs."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.began = self.ended = self.most_at_once = 0
        self._seconds = seconds
        self._error = error

    async def __call__(self, run: Run) -> str:
        self.began += 1
        self.most_at_once = max(self.most_at_once, self.began - self.ended)
        try:
            await asyncio.sleep(self._seconds)
            if self._error is not None:
                raise self._error
        finally:
            self.ended += 1
        return f"run {self.began}"

    def job(self, period: int = HOUR) -> Job:
        return Job("work", self, period, 0, "a job of a test")


@pytest.fixture
async def other(settings: Settings, store: Store) -> AsyncIterator[Store]:
    """A second connection to the store, like that of another replica."""
    opened = await open_store(settings)
    yield opened
    await opened.close()


async def last(store: Store) -> job_runs.JobRunRecord:
    return (await job_runs.last(store))["work"]


async def test_a_run_of_a_job_is_recorded_with_its_summary(run: Run, store: Store, now: int) -> None:
    metrics = Metrics("test")
    work = Work()
    assert await Runner(dataclasses.replace(run, metrics=metrics), holder="me").run(work.job()) == Outcome("done", "run 1")
    assert await last(store) == job_runs.JobRunRecord("work", "me", now, now, "done", "run 1")
    assert metrics.job_runs["work", "done"] == 1
    assert b'footfall_job_runs_total{job="work",result="done"} 1.0' in metrics.exposition()
    assert await store.rows("SELECT * FROM lease") == []


async def test_only_the_last_fifty_runs_are_kept(run: Run, store: Store) -> None:
    runner, work = Runner(run), Work()
    for _ in range(60):
        await runner.run(work.job())
    rows = await store.rows("SELECT detail FROM job_run ORDER BY id")
    assert [row["detail"] for row in rows] == [f"run {number}" for number in range(11, 61)]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (JobError("the disk is full"), "the disk is full"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (ValueError("user@example.org"), "ValueError; see the log for details"),
    ],
)
async def test_a_failed_job_reports_its_reason_without_client_data(run: Run, store: Store, error: Exception, detail: str) -> None:
    assert await Runner(run).run(Work(error=error).job()) == Outcome("failed", detail)
    assert (await last(store)).result == "failed"
    assert await Runner(run).run(Work().job()) == Outcome("done", "run 1")


async def test_only_runs_that_worked_or_failed_are_recorded_for_jobs_of_each_server(run: Run, store: Store, now: int) -> None:
    summaries = iter(("", "read 3 events", "", "the disk is full"))

    async def work(_: Run) -> str:
        summary = next(summaries)
        if "full" in summary:
            raise JobError(summary)
        return summary

    job = Job("work", work, HOUR, 0, "a job of a test", each_server=True)
    metrics = Metrics("test")
    runner = Runner(dataclasses.replace(run, metrics=metrics), holder="me")
    assert [(await runner.run(job)).became for _ in range(4)] == ["done", "done", "done", "failed"]
    assert [(each.result, each.detail) for each in (await job_runs.history(store))["work"]] == [
        ("failed", "the disk is full"),
        ("done", "read 3 events"),
    ]
    assert (await last(store)) == job_runs.JobRunRecord("work", "me", now, now, "failed", "the disk is full")
    assert metrics.job_runs == {("work", "done"): 3, ("work", "failed"): 1}


async def test_two_runners_do_not_run_a_job_at_once(run: Run, other: Store) -> None:
    work = Work(0.3)
    here, there = Runner(run, holder="here"), Runner(dataclasses.replace(run, store=other), holder="there")
    first = asyncio.create_task(here.run(work.job()))
    await asyncio.sleep(0.1)
    assert await there.run(work.job()) == Outcome("busy", "here")
    assert (await first).became == "done"
    assert (await there.run(work.job())).became == "done"
    assert (work.began, work.most_at_once) == (2, 1)


async def test_two_schedulers_run_a_job_once_in_a_period(run: Run, other: Store) -> None:
    work = Work(0.05)
    job = work.job(DAY)
    runs = [dataclasses.replace(run, store=store, now=lambda: int(time.time() * 1000)) for store in (run.store, other)]
    schedulers = [Scheduler(Runner(each), [job], start_after=0.05) for each in runs for _ in range(2)]
    for scheduler in schedulers:
        await scheduler.start()
    await asyncio.sleep(1.0)
    for scheduler in schedulers:
        await scheduler.stop()
    assert (work.began, work.ended) == (1, 1)


async def test_a_scheduler_runs_a_job_in_each_period(run: Run) -> None:
    work = Work()
    scheduler = Scheduler(Runner(dataclasses.replace(run, now=lambda: int(time.time() * 1000))), [work.job(SECOND)], start_after=0.01)
    await scheduler.start()
    await asyncio.sleep(3.2)
    await scheduler.stop()
    assert 3 <= work.began <= 5
    began = work.began
    await asyncio.sleep(1.2)
    assert work.began == began


async def test_a_job_that_could_not_start_without_the_store_starts_once_it_is_back(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    monkeypatch.setitem(scheduler_module._AGAIN_AFTER, "not begun", 0.1)
    scheduler = Scheduler(Runner(dataclasses.replace(run, now=lambda: int(time.time() * 1000))), [work.job(DAY)], start_after=0.01)
    await store.change(("ALTER TABLE job_run RENAME TO gone", ()))
    await scheduler.start()
    await asyncio.sleep(0.5)
    assert work.began == 0
    await store.change(("ALTER TABLE gone RENAME TO job_run", ()))
    async with asyncio.timeout(60):
        while not work.ended:
            await asyncio.sleep(0.05)
    await scheduler.stop()
    assert work.began == 1


async def test_a_job_is_due_once_in_its_period_again_after_it_failed_and_when_it_was_cut_off(run: Run, store: Store, now: int) -> None:
    at = now // DAY * DAY + 3 * HOUR  # a job that is due at three o'clock
    work = Work()
    job = dataclasses.replace(work.job(DAY), at=3 * HOUR)

    async def due(when: int) -> bool:
        return (await Runner(dataclasses.replace(run, now=lambda: when)).run(job, only_due=True)).became != "not due"

    assert await due(at - 5 * HOUR)  # never ran
    assert not await due(at - MINUTE)
    assert await due(at + MINUTE)
    assert not await due(at + 2 * MINUTE)
    assert not await due(at + DAY - 1)
    assert await due(at + DAY)
    await store.change(("UPDATE job_run SET result = 'failed'", ()))
    assert not await due(at + DAY + 29 * MINUTE)
    assert await due(at + DAY + 30 * MINUTE)
    for cut_off in ("running", "interrupted"):
        await store.change(("UPDATE job_run SET result = {}, ended_at = NULL", (cut_off,)))
        assert await due(at + DAY + 31 * MINUTE)


async def test_a_job_whose_lease_is_lost_stops(run: Run, other: Store) -> None:
    work = Work(600)
    runner = Runner(dataclasses.replace(run, now=lambda: int(time.time() * 1000)), lease=300, holder="me")
    task = asyncio.create_task(runner.run(work.job()))
    while not work.began:
        await asyncio.sleep(0.01)
    await other.change(("UPDATE lease SET holder = 'another'", ()))
    outcome = await asyncio.wait_for(task, 60)
    assert outcome.became == "interrupted"
    assert await other.rows("SELECT holder FROM lease") == [{"holder": "another"}]


async def test_a_job_longer_than_its_lease_keeps_it(run: Run, other: Store) -> None:
    clock = dataclasses.replace(run, now=lambda: int(time.time() * 1000))
    task = asyncio.create_task(Runner(clock, lease=1_500).run(Work(3).job()))
    await asyncio.sleep(2)
    assert (await Runner(dataclasses.replace(clock, store=other)).run(Work().job())).became == "busy"
    assert (await task).became == "done"


async def test_stopping_the_scheduler_cancels_running_jobs_and_releases_their_leases(run: Run, store: Store) -> None:
    work = Work(30)
    scheduler = Scheduler(Runner(dataclasses.replace(run, now=lambda: int(time.time() * 1000))), [work.job()], start_after=0.01)
    await scheduler.start()
    while not work.began:
        await asyncio.sleep(0.01)
    await scheduler.stop()
    await scheduler.stop()
    assert (work.began, work.ended) == (1, 1)
    assert (await last(store)).result == "interrupted"
    assert await store.rows("SELECT * FROM lease") == []


PROGRAM = """
import asyncio, os
from server.jobs import Job, Run, Runner
from server.settings import load
from server.storage.engine import open_store

async def forever(run):
    print("working", flush=True)
    await asyncio.sleep(60)

async def main():
    settings = load(os.environ)
    store = await open_store(settings)
    await Runner(Run(store, settings), lease=1500, holder="the dead").run(Job("work", forever, 3_600_000, 0, ""))

asyncio.run(main())
"""


@pytest.mark.engine_matters
async def test_after_a_kill_another_takes_over_when_the_lease_has_ended(run: Run, store: Store, settings: Settings) -> None:
    env = {**os.environ, "FOOTFALL_DATA_DIR": str(settings.data_dir)}
    if settings.database_url and settings.secret:
        env |= {"FOOTFALL_DATABASE_URL": settings.database_url, "FOOTFALL_SECRET": settings.secret}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "working\n"
    here, work = Runner(dataclasses.replace(run, now=lambda: int(time.time() * 1000)), holder="the living"), Work()
    assert await here.run(work.job(), only_due=True) == Outcome("busy", "the dead")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    killed = time.monotonic()
    while (await here.run(work.job(), only_due=True)).became == "busy":
        assert time.monotonic() - killed < 60
        await asyncio.sleep(0.05)
    assert work.began == 1
    rows = await store.rows("SELECT holder, result FROM job_run ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("the dead", "interrupted"), ("the living", "done")]


async def test_a_lease_has_one_holder_who_alone_renews_it_until_it_expires(store: Store) -> None:
    assert await leases.acquire(store, "x", "a", now=100, until=200)
    assert not await leases.acquire(store, "x", "b", now=150, until=250)
    assert not await leases.acquire(store, "x", "a", now=150, until=250)
    assert await leases.acquire(store, "y", "b", now=150, until=250)
    assert not await leases.renew(store, "x", "b", now=150, until=300)
    assert await leases.renew(store, "x", "a", now=150, until=300)
    assert await leases.holder_of(store, "x", now=299) == "a"
    assert not await leases.renew(store, "x", "a", now=300, until=400)
    assert await leases.acquire(store, "x", "b", now=300, until=400)
    await leases.release(store, "x", "a")
    assert await leases.holder_of(store, "x", now=350) == "b"
    await leases.release(store, "x", "b")
    assert await leases.holder_of(store, "x", now=350) is None


async def test_one_of_many_concurrent_callers_gets_the_lease(store: Store, other: Store) -> None:
    asked = [leases.acquire(each, "x", f"{number}", now=100, until=200) for number in range(20) for each in (store, other)]
    assert sum(await asyncio.gather(*asked)) == 1


def test_every_job_has_a_name_of_its_own_and_a_period() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    for job in JOBS:
        assert job.period >= MINUTE
        assert 0 <= job.at < job.period
        assert job.about


async def test_each_job_twice_changes_nothing_more(run: Run, store: Store, commit: Make, varied: Make, tables: Make) -> None:
    await commit([*varied(300, 400), *varied(300, 1)])
    by_hand = dataclasses.replace(run, by_hand=True)
    listed = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        "postgres": "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace",
    }
    everything = [row["name"] for row in await store.rows(listed[store.engine_type])]
    compared = [name for name in everything if name not in ("job_run", "unused_context", "context")]
    for job in JOBS:
        assert (await Runner(by_hand).run(job)).became == "done"
        first = tables(*compared)
        assert (await Runner(by_hand).run(job)).became == "done"
        assert tables(*compared) == first, job.name
