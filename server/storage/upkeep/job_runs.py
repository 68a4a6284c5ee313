"""The record of what jobs did: the last runs of each, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from piccolo.querystring import QueryString

from server.storage.engine import Store

KEPT = 50  # runs of a job
DETAIL = 500  # characters

RUNNING = "running"
DONE = "done"
FAILED = "failed"
INTERRUPTED = "interrupted"  # its process stopped, or its lease was lost
RESULTS = (RUNNING, DONE, FAILED, INTERRUPTED)

_CUT_OFF = "UPDATE job_run SET result = {}, ended_at = {} WHERE name = {} AND result = {}"
_BEGIN = "INSERT INTO job_run (name, holder, started_at, result, detail) VALUES ({}, {}, {}, {}, '') RETURNING id"
_END = "UPDATE job_run SET result = {}, detail = {}, ended_at = {} WHERE id = {}"
_TRIM = "DELETE FROM job_run WHERE name = {} AND id <= (SELECT id FROM job_run WHERE name = {} ORDER BY id DESC LIMIT 1 OFFSET {})"
_LAST = """SELECT name, holder, started_at, ended_at, result, detail FROM job_run
    WHERE id IN (SELECT max(id) FROM job_run GROUP BY name)"""


@dataclass(frozen=True, slots=True)
class JobRunRecord:
    """One run of a job. Times are epoch milliseconds, `result` is one of RESULTS, `detail` what the job says of itself."""

    name: str
    holder: str
    started_at: int
    ended_at: int | None
    result: str
    detail: str


async def begin(store: Store, name: str, holder: str, now: int) -> int:
    """Record that a run begins; its number. Only for whoever has the job's lease: a run that is still on record as running was cut off."""
    await store.change((_CUT_OFF, (INTERRUPTED, now, name, RUNNING)), (_TRIM, (name, name, KEPT - 1)))
    rows = await store.engine.run_querystring(QueryString(_BEGIN, name, holder, now, RUNNING))
    return int(rows[0]["id"])


async def end(store: Store, number: int, result: str, detail: str, now: int) -> None:
    """Record how a run ended."""
    await store.change((_END, (result, detail[:DETAIL], now, number)))


async def last(store: Store) -> dict[str, JobRunRecord]:
    """The last run of each job that ever ran, by the job's name."""
    return {row["name"]: JobRunRecord(**row) for row in await store.rows(_LAST)}


async def history(store: Store) -> dict[str, list[JobRunRecord]]:
    """All runs that are kept, by the job's name, the newest first."""
    found: dict[str, list[JobRunRecord]] = {}
    for row in await store.rows("SELECT name, holder, started_at, ended_at, result, detail FROM job_run ORDER BY id DESC"):
        found.setdefault(row["name"], []).append(JobRunRecord(**row))
    return found
