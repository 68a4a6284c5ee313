"""The cost of a store on PostgreSQL at 1, 10 and 100 thousand events per second: measured for a small one, computed for the others.

    python -m bench.scale             # prints the tables of docs/scale.md

The measurements are the bytes of an event and of a rollup's row, with indexes, the write-ahead log of an event, and the CPU seconds of a server
for an event. The other figures are computed, with the assumptions that are printed beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import time
from dataclasses import dataclass

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.storage.batch import Batch, TargetRules
from server.storage.postgres.postgres_store import READERS, PostgresStore
from tests.postgres import running

INSTALLS = 20_000
BATCH = 500
RULES = {1: TargetRules(listed_only=False, most=10_000)}
PROPERTIES = '{"durationMs":58986,"template":"starter","success":true,"os":"linux","nodeVersion":"v20.19"}'
PEAK = 3  # the load of the busiest hour, relative to the mean
GB_MONTH = 0.12  # US dollars for a GB of fast disk for a month, at common cloud prices
CORE_MONTH = 25.0  # US dollars for a core with 4 GB of memory
DISTINCT_KEYS_A_DAY = 30_000  # rollup rows that a project with many versions, names and targets adds per day
REPLICA_EVENTS = 5_000  # single posts per second of one server, with a margin; measured in bench/README.md
CONNECTIONS = READERS + 1  # the maximum of one server
SHARD_EVENTS = 15_000  # events per second that one PostgreSQL commits, with a margin


@dataclass(frozen=True)
class Measured:
    """Bytes and seconds of one event."""

    event_bytes: float
    activity_bytes: float
    install_bytes: float
    rollup_row_bytes: float
    wal_bytes: float
    events_a_second: float


async def measure(url: str, events: int) -> Measured:
    """Store events like one server, and measure them."""
    store = await PostgresStore.open(url)
    chance, ids = random.Random(1), EventIds(1)
    contexts = [
        Context(Environment(place % 3 + 1), "ci" if place % 3 == 1 else "", "sonicjs", os=("linux", "darwin", "windows")[place % 3], version=f"2.{place % 7}.0")
        for place in range(30)
    ]  # fmt: skip
    before = await _log_position(store)
    spent = 0.0
    for _ in range(events // BATCH):
        now = time.time_ns() // 1_000_000
        batch = Batch(
            [
                Event(
                    id=id_, project=1, name=f"event_{id_ % 6}", occurred_at=now - chance.randrange(1_000), context=chance.choice(contexts),
                    install=chance.randrange(INSTALLS) * 7_919 + 1, outcome=Outcome(chance.randrange(3)), duration_us=chance.randrange(60_000_000),
                    properties=PROPERTIES,
                )
                for id_ in ids.take(BATCH, now)
            ],
            target_rules=RULES,
        )  # fmt: skip
        began = time.perf_counter()
        await store.commit(batch)
        spent += time.perf_counter() - began
    log = await _log_position(store) - before
    tables = await store.rows(
        "SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    sizes = {}
    for row in tables:
        (counted,) = await store.rows(f"SELECT count(*) AS rows FROM {row['name']}")
        sizes[row["name"]] = (float(row["bytes"]), max(1, counted["rows"]))
    await store.close()
    event = sum(size for name, (size, _) in sizes.items() if name.startswith("event_2"))
    rollups = [pair for name, pair in sizes.items() if name.startswith("rollup_")]
    return Measured(
        event_bytes=event / events,
        activity_bytes=sizes["activity"][0] / sizes["activity"][1],
        install_bytes=sizes["install"][0] / sizes["install"][1],
        rollup_row_bytes=sum(size for size, _ in rollups) / sum(rows for _, rows in rollups),
        wal_bytes=log / events,
        events_a_second=events / spent,
    )


async def _log_position(store: PostgresStore) -> int:
    (row,) = await store.rows("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS position")
    return int(row["position"])


@dataclass(frozen=True)
class Step:
    """One size of the service."""

    rate: int
    daily_installs: int
    kept_days: int

    @property
    def shards(self) -> int:
        """The number of PostgreSQL servers."""
        return max(1, -(-self.rate * PEAK // SHARD_EVENTS))


STEPS = (Step(1_000, 300_000, 90), Step(10_000, 2_000_000, 30), Step(100_000, 15_000_000, 14))


def computed(measured: Measured, step: Step) -> dict[str, str]:
    """The figures of one step."""
    events_day = step.rate * DAY // 1_000
    raw = events_day * step.kept_days * measured.event_bytes
    activity = step.daily_installs * 365 * measured.activity_bytes
    installs = step.daily_installs * 8 * measured.install_bytes
    rollups = DISTINCT_KEYS_A_DAY * 365 * measured.rollup_row_bytes * step.shards
    disk = raw + activity + installs + rollups
    replicas = max(2, -(-step.rate * PEAK // REPLICA_EVENTS))
    cores = replicas + 8 * step.shards
    cost = 2 * disk / 1e9 * GB_MONTH + cores * CORE_MONTH  # twice the disk: there is a standby
    return {
        "events a second (mean, peak)": f"{step.rate:,}, {step.rate * PEAK:,}",
        "events a day": f"{events_day / 1e6:,.0f} million",
        "raw events kept": f"{step.kept_days} days: {events_day * step.kept_days / 1e9:,.1f} billion rows, {raw / 1e12:,.2f} TB",
        "activity, a year": f"{step.daily_installs * 365 / 1e9:,.2f} billion rows, {activity / 1e12:,.2f} TB",
        "installs": f"{step.daily_installs * 8 / 1e6:,.0f} million rows, {installs / 1e9:,.0f} GB",
        "rollups, a year": f"{DISTINCT_KEYS_A_DAY * 365 * step.shards / 1e6:,.0f} million rows, {rollups / 1e9:,.0f} GB",
        "write-ahead log": f"{step.rate * measured.wal_bytes / 1e6:,.1f} MB/s",
        "servers (one core each)": f"{replicas}",
        "connections to PostgreSQL": f"{replicas * CONNECTIONS}",
        "PostgreSQL": "one, 8 cores" if step.shards == 1 else f"Citus, {step.shards} workers of 8 cores",
        "disk, with a standby": f"{2 * disk / 1e12:,.1f} TB",
        "a month": f"${cost:,.0f}",
    }


def main() -> None:
    """Measure, compute and print the tables."""
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    with running(own=True) as postgres:
        measured = asyncio.run(measure(postgres.fresh(), options.events))
    print(f"Measured with {options.events:,} events of {INSTALLS:,} installs in commits of {BATCH}:\n")
    print("| what | measured |\n| --- | --- |")
    for field in dataclasses.fields(measured):
        print(f"| {field.name.replace('_', ' ')} | {getattr(measured, field.name):,.0f} |")
    columns = [computed(measured, step) for step in STEPS]
    print("\nComputed:\n\n| | " + " | ".join(f"{step.rate:,}/s" for step in STEPS) + " |\n|" + " --- |" * (len(STEPS) + 1))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")


if __name__ == "__main__":
    main()
