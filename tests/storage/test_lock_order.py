"""Concurrent commits and jobs never deadlock, in the worst order of keys.

PostgreSQL counts the deadlocks that it resolved. Each server has its keys in a different order, and each job gets its rows shuffled.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.event import DAY, Context, Environment, Event, Install
from server.event_id import EventIds, first_id
from server.storage.batch import Batch, RejectedRow, TargetRules
from server.storage.history import erasure, imports
from server.storage.postgres import partitions, postgres_store
from server.storage.postgres.postgres_store import PostgresStore
from server.storage.upkeep import common_values, common_versions, maintenance, recount, unused_contexts
from tests.conftest import rows_of
from tests.postgres import Postgres
from tests.storage.test_replicas import Overheard

pytestmark = pytest.mark.slow

NOW = 1_795_219_200_000
SERVERS = 3
COMMITS = 8
TIMES = 3  # the minimum for each job, which then repeats until the servers have committed
RULES = {1: TargetRules(listed_only=False, most=1_000)}
ANY = 1 << 62  # greater than any id or number


def committed(chance: random.Random, ids: EventIds) -> Batch:
    """A batch of all kinds of rows with few distinct keys, in random order."""
    events = [
        Event(
            id=ids.take(1, NOW)[0],
            project=1,
            name=f"command_{chance.randrange(6)}",
            occurred_at=NOW - chance.randrange(3) * DAY,
            context=Context(Environment(chance.randrange(3)), os=f"os-{chance.randrange(20)}", version=f"1.{chance.randrange(30)}"),
            install=1 + chance.randrange(40),
            target=("pack", f"pack-{chance.randrange(10)}"),
            error_type=f"Error{chance.randrange(4)}" if chance.random() < 0.4 else None,
            duration_us=chance.randrange(5),
            mark=chance.randrange(3_000),
            viewer=chance.randrange(3_000, 6_000) if chance.random() < 0.2 else None,
        )
        for _ in range(50)
    ]
    reports = [
        Install(id=1 + chance.randrange(40), project=1, first_seen=NOW, last_seen=NOW + chance.randrange(9), context=Context(os="linux"))
        for _ in range(5)
    ]
    refused = [
        RejectedRow(id=new, project=1, route="", dialect="", reason="invalid", errors="[]", excerpt="", size=0) for new in ids.take(20, NOW)
    ]
    addresses = [*range(6)]
    chance.shuffle(addresses)
    return Batch(
        events,
        reports,
        RULES,
        ledger={(1, NOW // DAY, "rejected", reason): 1 for reason in ("malformed", "invalid")},
        refusals={(1, NOW // DAY, address, "limited"): 1 for address in addresses},
        rejected=refused,
    )


class Beside:
    """The concurrent work of other processes. Each method does one round."""

    def __init__(self, store: PostgresStore, chance: random.Random) -> None:
        self.store = store
        self.chance = chance

    def shuffled(self, things: list[Any]) -> list[Any]:
        self.chance.shuffle(things)
        return things

    async def fold(self) -> None:
        day = NOW // DAY - self.chance.randrange(3)
        rows = await self.store.rows(
            "SELECT DISTINCT name_id, value FROM rollup_dimension WHERE project_id = 1 AND day = {} AND dimension = 'version'", day
        )
        for name in {row["name_id"] for row in rows}:
            values = self.shuffled([row["value"] for row in rows if row["name_id"] == name and row["value"] != "(other)"])
            await common_values.fold(self.store, 1, day, name, "version", values[:10])
        runs = await self.store.rows("SELECT install_id, environment, version FROM activity WHERE project_id = 1 AND version IS NOT NULL")
        await common_versions.fold_runs(self.store, 1, day, self.shuffled([tuple(row.values()) for row in runs])[:10])
        pairs = await self.store.rows("SELECT DISTINCT error_id, version FROM rollup_error WHERE project_id = 1 AND version <> '(other)'")
        await common_versions.fold_errors(self.store, 1, day, self.shuffled([tuple(row.values()) for row in pairs])[:10])

    async def contexts(self) -> None:
        numbers = [row["id"] for row in await self.store.rows("SELECT id FROM context")]
        await unused_contexts.add_candidates(self.store, self.shuffled(numbers)[:40])
        listed = self.shuffled(await unused_contexts.candidates_after(self.store, 0, 1_000))
        used = set(await unused_contexts.contexts_between(self.store, 0, ANY))
        await unused_contexts.delete_unused(self.store, [number for number in listed if number not in used])
        await unused_contexts.remove_candidates(self.store, [number for number in listed if number in used])

    async def erase(self) -> None:
        await erasure.erase(self.store, 1, 1 + self.chance.randrange(40))

    async def expire(self) -> None:
        for aged, limit in (
            (maintenance.MARKS, NOW + 40 * DAY),
            (maintenance.REJECTED, first_id(NOW + DAY)),
            (maintenance.REFUSALS, ANY >> 32),
        ):
            keys = self.shuffled(await maintenance.expired_keys(self.store, aged, limit, None, 2_000))
            await maintenance.delete_expired(self.store, aged, limit, keys[:200])

    async def retain(self) -> None:
        ids = self.shuffled(await maintenance.events_between(self.store, 0, ANY, [1]))
        if ids:
            await maintenance.delete_events(self.store, ids[:200])
        await partitions.split_default(self.store)

    async def import_counts(self) -> None:
        counts = {
            (pack, day): imports.PackCount(f"pack-{pack}", NOW // DAY - day, self.chance.randrange(1_000))
            for pack, day in self.shuffled([(pack, day) for pack in range(12) for day in range(3)])[:20]
        }
        await self.bring(imports.ImportBatch(target_rules=RULES, project=1, counts=list(counts.values())))

    async def import_events(self) -> None:
        batch = committed(self.chance, EventIds(100 + self.chance.randrange(900)))
        await self.bring(imports.ImportBatch(batch.events, target_rules=RULES, project=1))

    async def bring(self, batch: imports.ImportBatch) -> None:
        await imports.ImportStore(self.store).commit(batch)

    async def repair(self) -> None:
        hourly = recount.BY_DAY[0]
        rows = await self.store.rows(f"SELECT {', '.join((*hourly.key, *hourly.measures))} FROM {hourly.table}")
        width = len(hourly.key)
        repairs = [
            each
            for row in (tuple(row.values()) for row in self.shuffled(rows)[:20])
            for each in recount.repairs(recount.Difference(hourly, row[:width], row[width:], row[width:]))
        ]
        await self.store.change(*repairs, exclusive=True)


async def test_servers_and_jobs_never_deadlock(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url, overheard = postgres.fresh(), Overheard()
    monkeypatch.setattr(postgres_store, "log", overheard)
    stores = [await PostgresStore.open(url) for _ in range(SERVERS + 1)]
    serving = SERVERS

    async def serve(number: int) -> None:
        nonlocal serving
        chance, ids = random.Random(number), EventIds(number)
        for _ in range(COMMITS):
            await stores[number].commit(committed(chance, ids))
        serving -= 1

    async def again(what: Callable[[], Awaitable[None]]) -> None:
        times = 0
        while serving or times < TIMES:
            await what()
            times += 1
            await asyncio.sleep(0.01)

    jobs = [Beside(store, random.Random(place)) for place, store in enumerate(stores[-2:])]
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(100):
        for store in stores:
            stack.push_async_callback(store.close)
        await asyncio.gather(
            *(serve(number) for number in range(SERVERS)),
            *(
                again(what)
                for one in jobs
                for what in (one.fold, one.contexts, one.erase, one.expire, one.import_counts, one.import_events)
            ),
            *(again(what) for what in (jobs[0].retain, jobs[1].repair)),
        )
    assert overheard.said == []
    # A connection reports its counts when it is closed.
    assert rows_of(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    # Erasure, folding, repair and retention leave all sums unchanged.
    (stored,) = rows_of(url, "SELECT sum(events) FROM ledger WHERE entry = 'stored'")
    (counted,) = rows_of(url, "SELECT coalesce(sum(value), 0) FROM imported_count WHERE day >= 0")
    assert rows_of(url, "SELECT sum(events) FROM rollup_hour") == [(stored[0] + counted[0],)]
    assert rows_of(url, "SELECT sum(events) FROM rollup_dimension WHERE dimension = 'version'") == [stored]
