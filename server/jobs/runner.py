"""The job runner: runs a job under its lease and records the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from server import logs
from server.event import MINUTE
from server.jobs.run import Job, JobError, Run
from server.storage.projects import ProjectError
from server.storage.upkeep import job_runs, leases
from server.storage.upkeep.job_runs import DONE, FAILED, INTERRUPTED, RUNNING, JobRunRecord
from server.tasks import cancel_and_wait

log = logs.get(__name__)

LEASE = MINUTE  # in milliseconds; renewed three times as often
RETRY_FAILED = 30 * MINUTE

Became = Literal["done", "failed", "interrupted", "busy", "not due"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt to run a job. `detail` is its summary, its error, or the holder of the lease."""

    became: Became
    detail: str = ""


NOTHING_TO_DO = Outcome("done")


class LeaseLost(Exception):
    """Another process may be running the job by now."""


def _describe(error: Exception) -> str:
    """A description of an error without client data: the message of a disk or store error, only the type of any other."""
    if {kind.__name__ for kind in type(error).__mro__} & {"OSError", "OperationalError"}:
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}; see the log for details"


def new_holder() -> str:
    """A unique name for a lease holder: the machine, the process, and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class Runner:
    """Runs jobs for one process. `lease` (milliseconds) is how long other processes wait to take over after a crash."""

    def __init__(self, run: Run, *, lease: int = LEASE, holder: str | None = None) -> None:
        self._run = run
        self._store = run.store
        self._lease = lease
        self._holder = holder or new_holder()
        self._began: dict[str, int] = {}

    async def run(self, job: Job, *, only_due: bool = False) -> Outcome:
        """Run a job unless another process is running it. With `only_due`, run it only if it has not run in its current period."""
        if job.each_server:
            return await self._run_here(job, only_due)
        if only_due and not self._due(job, (await job_runs.last(self._store)).get(job.name)):
            return Outcome("not due")
        lease = f"job:{job.name}"
        if not await leases.acquire(self._store, lease, self._holder, now=self._run.now(), until=self._run.now() + self._lease):
            return Outcome("busy", await leases.holder_of(self._store, lease, now=self._run.now()) or "")
        try:
            # Checked again under the lease: another process may have run the job meanwhile.
            if only_due and not self._due(job, (await job_runs.last(self._store)).get(job.name)):
                return Outcome("not due")
            return await self._recorded(job, lease)
        finally:
            await asyncio.shield(self._let_go(lease))

    async def _run_here(self, job: Job, only_due: bool) -> Outcome:
        """Run a job that each server runs for itself, without a lease."""
        now = self._run.now()
        if only_due and self._began.get(job.name, -1) >= job.period_of(now):
            return Outcome("not due")
        self._began[job.name] = now
        return await self._recorded_after(job)

    def _due(self, job: Job, ran: JobRunRecord | None) -> bool:
        now = self._run.now()
        if ran is None or ran.started_at < job.period_of(now):
            return True
        if ran.result in (RUNNING, INTERRUPTED):
            return True  # if it still runs, its lease is held
        return ran.result == FAILED and (ran.ended_at or now) + min(RETRY_FAILED, job.period) <= now

    async def _recorded(self, job: Job, lease: str | None) -> Outcome:
        now = self._run.now
        number = await job_runs.begin(self._store, job.name, self._holder, now())
        outcome = Outcome("interrupted", "its process was stopped")
        try:
            outcome = await self._guarded(job, lease)
        finally:
            await asyncio.shield(job_runs.end(self._store, number, outcome.became, outcome.detail, now()))
            self._count(job, outcome)
        return outcome

    async def _recorded_after(self, job: Job) -> Outcome:
        """Record a run after its end, unless it had nothing to do. Runs of other servers may be recorded as running meanwhile."""
        began = self._run.now()
        outcome = Outcome("interrupted", "its process was stopped")
        try:
            outcome = await self._guarded(job, None)
        finally:
            if outcome != NOTHING_TO_DO:
                record = JobRunRecord(job.name, self._holder, began, self._run.now(), outcome.became, outcome.detail)
                await asyncio.shield(job_runs.add(self._store, record))
            self._count(job, outcome)
        return outcome

    async def _guarded(self, job: Job, lease: str | None) -> Outcome:
        try:
            async with contextlib.nullcontext() if lease is None else self._keeping(lease):
                return Outcome("done", await job.work(self._run))
        except (JobError, ProjectError) as error:
            log.error("job_failed", job=job.name, reason=str(error))
            return Outcome("failed", str(error))
        except LeaseLost:
            log.error("job_lost_its_lease", job=job.name)
            return Outcome("interrupted", "its lease was lost: the machine was suspended, or the store was unavailable")
        except Exception as error:
            log.error("job_failed", job=job.name, exc_info=error)
            return Outcome("failed", _describe(error))

    @contextlib.asynccontextmanager
    async def _keeping(self, lease: str) -> AsyncIterator[None]:
        """Renew a lease during a block, and cancel the block if the lease is lost. Raises LeaseLost."""
        worker = asyncio.current_task()
        assert worker is not None
        lost = False

        async def keep() -> None:
            nonlocal lost
            until = self._run.now() + self._lease
            while True:
                await asyncio.sleep(self._lease / 3000)
                now = self._run.now()
                with contextlib.suppress(Exception):
                    if await leases.renew(self._store, lease, self._holder, now=now, until=now + self._lease):
                        until = now + self._lease
                        continue
                    break
                if now >= until:
                    break
            lost = True
            worker.cancel()

        keeper = asyncio.create_task(keep())
        try:
            yield
        except asyncio.CancelledError:
            if lost and not worker.uncancel():
                raise LeaseLost from None
            raise
        finally:
            await cancel_and_wait([keeper])

    async def _let_go(self, lease: str) -> None:
        with contextlib.suppress(Exception):
            await leases.release(self._store, lease, self._holder)

    def _count(self, job: Job, outcome: Outcome) -> None:
        log.info("job_ended", job=job.name, result=outcome.became)
        if self._run.metrics is not None:
            self._run.metrics.job_runs[job.name, outcome.became] += 1
            if outcome.became == DONE:
                self._run.metrics.job_done_at[job.name] = self._run.now() / 1000
