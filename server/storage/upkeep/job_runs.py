"""The record of the last runs of each job, with their results."""

from __future__ import annotations

from dataclasses import dataclass

from piccolo.querystring import QueryString

from server.storage.engine import Store

KEPT = 50  # runs of a job
DETAIL = 500  # characters

RUNNING = "running"
DONE = "done"
FAILED = "failed"
INTERRUPTED = "interrupted"  # the process stopped, or lost the lease
RESULTS = (RUNNING, DONE, FAILED, INTERRUPTED)

_INTERRUPT = "UPDATE job_run SET result = {}, ended_at = {} WHERE name = {} AND result = {}"
_BEGIN = "INSERT INTO job_run (name, holder, started_at, result, detail) VALUES ({}, {}, {}, {}, '') RETURNING id"
_ADD = "INSERT INTO job_run (name, holder, started_at, ended_at, result, detail) VALUES ({}, {}, {}, {}, {}, {})"
_END = "UPDATE job_run SET result = {}, detail = {}, ended_at = {} WHERE id = {}"
_TRIM = "DELETE FROM job_run WHERE name = {} AND id <= (SELECT id FROM job_run WHERE name = {} ORDER BY id DESC LIMIT 1 OFFSET {})"
_LAST = """SELECT name, holder, started_at, ended_at, result, detail FROM job_run
    WHERE id IN (SELECT max(id) FROM job_run GROUP BY name)"""


@dataclass(frozen=True, slots=True)
class JobRunRecord:
    """One run of a job. Times are in epoch milliseconds, `result` is one of RESULTS, `detail` is a summary by the job itself."""

    name: str
    holder: str
    started_at: int
    ended_at: int | None
    result: str
    detail: str


async def begin(store: Store, name: str, holder: str, now: int) -> int:
    """Record the start of a run and return its number. The caller must hold the job's lease: runs still recorded as running were interrupted."""
    await store.change((_INTERRUPT, (INTERRUPTED, now, name, RUNNING)), (_TRIM, (name, name, KEPT - 1)))
    rows = await store.engine.run_querystring(QueryString(_BEGIN, name, holder, now, RUNNING))
    return int(rows[0]["id"])


async def end(store: Store, number: int, result: str, detail: str, now: int) -> None:
    """Record the result of a run."""
    await store.change((_END, (result, detail[:DETAIL], now, number)))


async def add(store: Store, record: JobRunRecord) -> None:
    """Record a run that has ended."""
    values = (record.name, record.holder, record.started_at, record.ended_at, record.result, record.detail[:DETAIL])
    await store.change((_ADD, values), (_TRIM, (record.name, record.name, KEPT)))


async def last(store: Store) -> dict[str, JobRunRecord]:
    """Return the last run of each job, by the job's name."""
    return {row["name"]: JobRunRecord(**row) for row in await store.rows(_LAST)}


async def history(store: Store) -> dict[str, list[JobRunRecord]]:
    """Return all recorded runs by the job's name, newest first."""
    found: dict[str, list[JobRunRecord]] = {}
    for row in await store.rows("SELECT name, holder, started_at, ended_at, result, detail FROM job_run ORDER BY id DESC"):
        found.setdefault(row["name"], []).append(JobRunRecord(**row))
    return found
