"""Runs a job under its lease, and records what became of it."""

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
    """What became of one attempt to run a job. `detail` says what it did, what went wrong, or who is at it."""

    became: Became
    detail: str = ""


class LeaseLost(Exception):
    """Somebody else may be running the job by now."""


def _said(error: Exception) -> str:
    """What may be said of an error: of the disk or the store its message, of any other, which may hold what a client sent, its type."""
    if {kind.__name__ for kind in type(error).__mro__} & {"OSError", "OperationalError"}:
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}; the log says where"


def new_holder() -> str:
    """A name for whoever takes leases here: the machine, the process, and something that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class Runner:
    """Runs jobs for one process. `lease` is in milliseconds: how long after a death others wait before they take over."""

    def __init__(self, run: Run, *, lease: int = LEASE, holder: str | None = None) -> None:
        self._run = run
        self._store = run.store
        self._lease = lease
        self._holder = holder or new_holder()

    async def run(self, job: Job, *, only_due: bool = False) -> Outcome:
        """Run a job, if nobody else is at it; with `only_due`, only if it has not run in its present period."""
        if only_due and not self._due(job, (await job_runs.last(self._store)).get(job.name)):
            return Outcome("not due")
        lease = f"job:{job.name}"
        if not await leases.acquire(self._store, lease, self._holder, now=self._run.now(), until=self._run.now() + self._lease):
            return Outcome("busy", await leases.holder_of(self._store, lease, now=self._run.now()) or "")
        try:
            # Asked once more: another may have run it between the first question and the lease.
            if only_due and not self._due(job, (await job_runs.last(self._store)).get(job.name)):
                return Outcome("not due")
            return await self._recorded(job, lease)
        finally:
            await asyncio.shield(self._let_go(lease))

    def _due(self, job: Job, ran: JobRunRecord | None) -> bool:
        now = self._run.now()
        if ran is None or ran.started_at < job.period_of(now):
            return True
        if ran.result in (RUNNING, INTERRUPTED):
            return True  # where it still runs, its lease says so
        return ran.result == FAILED and (ran.ended_at or now) + min(RETRY_FAILED, job.period) <= now

    async def _recorded(self, job: Job, lease: str) -> Outcome:
        now = self._run.now
        number = await job_runs.begin(self._store, job.name, self._holder, now())
        outcome = Outcome("interrupted", "its process was stopped")
        try:
            outcome = await self._guarded(job, lease)
        finally:
            await asyncio.shield(job_runs.end(self._store, number, outcome.became, outcome.detail, now()))
            self._count(job, outcome)
        return outcome

    async def _guarded(self, job: Job, lease: str) -> Outcome:
        try:
            async with self._keeping(lease):
                return Outcome("done", await job.work(self._run))
        except (JobError, ProjectError) as error:
            log.error("job_failed", job=job.name, reason=str(error))
            return Outcome("failed", str(error))
        except LeaseLost:
            log.error("job_lost_its_lease", job=job.name)
            return Outcome("interrupted", "its lease was lost: the machine slept, or the store was not to be had")
        except Exception as error:
            log.error("job_failed", job=job.name, exc_info=error)
            return Outcome("failed", _said(error))

    @contextlib.asynccontextmanager
    async def _keeping(self, lease: str) -> AsyncIterator[None]:
        """Keep a lease while something is done, and stop it where the lease is lost. Raises LeaseLost."""
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
