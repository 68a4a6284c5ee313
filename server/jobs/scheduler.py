"""The scheduler: runs the jobs of the table when they are due."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from server import logs
from server.jobs.run import Job
from server.jobs.runner import LEASE, Runner
from server.tasks import cancel_and_wait

START_AFTER = 10.0  # seconds that a starting server has for itself
APART = 5.0  # seconds between the first checks of two jobs
JITTER = 20.0  # seconds, so that replicas do not all check at once

_AGAIN_AFTER = {"busy": LEASE / 1000 + 1, "failed": 31 * 60.0, "not begun": 60.0}

log = logs.get(__name__)


class _Periods(BaseTrigger):  # type: ignore[misc]
    """Fires at the start of each period of a job."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        begins = self._job.period_of(int(now.timestamp() * 1000)) + self._job.period
        jitter = random.uniform(0, min(JITTER, self._job.period / 10_000))  # noqa: S311
        return datetime.fromtimestamp(begins / 1000 + jitter, UTC)


class Scheduler:
    """Starts jobs when they are due. Jobs that are overdue at start, for example after a night of downtime, run soon after."""

    def __init__(self, runner: Runner, jobs: Iterable[Job], *, start_after: float = START_AFTER, apart: float = APART) -> None:
        self._runner = runner
        self._jobs = tuple(jobs)
        self._start_after = start_after
        self._apart = apart
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})
        self._running: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        for place, job in enumerate(self._jobs):
            self._scheduler.add_job(self._fire, _Periods(job), args=[job], id=job.name)
            self._once(job, self._start_after + place * self._apart)
        self._scheduler.start()

    async def stop(self) -> None:
        """Start no more jobs and cancel the running ones; they resume in the next run. May be called twice."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # the loop's next turn delivers the cancellation
        await cancel_and_wait(self._running)

    def look_after(self, work: Coroutine[Any, Any, object]) -> None:
        """Run a requested coroutine in the background, and cancel it on stop."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _once(self, job: Job, seconds: float) -> None:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        self._scheduler.add_job(self._fire, "date", run_date=at, args=[job], id=f"{job.name}:again", replace_existing=True)

    async def _fire(self, job: Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                became = await self._became(job)
                if became in _AGAIN_AFTER:
                    self._once(job, _AGAIN_AFTER[became])
        finally:
            self._running.discard(task)

    async def _became(self, job: Job) -> str:
        try:
            return (await self._runner.run(job, only_due=True)).became
        except Exception as error:
            # The store is unavailable, so it is unknown whether the job is due. Check again soon: the next period may be a day away.
            log.warning("job_not_begun", job=job.name, error=type(error).__name__)
            return "not begun"
