"""Contention of servers that commit to one PostgreSQL.

All commits of one project update the same rows of its rollups, and a transaction locks these rows until it is on the disk. So the same work is
measured twice: with one project, where all servers update the same rows, and with one project for each server, where no rows are shared. The
difference is the cost of the row locks.

    python -m bench.replicas
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from typing import NamedTuple

from server.event import Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.storage.batch import Batch, TargetRules
from server.storage.postgres.postgres_store import PostgresStore
from tests.postgres import Postgres, running

SECONDS = 5.0
INSTALLS = 20_000
OPEN = TargetRules(listed_only=False, most=1_000)


class Measured(NamedTuple):
    """Events per second of all servers together, and milliseconds of a commit."""

    rate: float
    median: float
    slow: float


def batches(ids: EventIds, project: int, size: int, seed: int) -> Iterator[Batch]:
    """An endless iterator of batches with a realistic mixture."""
    chance = random.Random(seed)
    contexts = [
        Context(Environment.PERSON, "asked", "native", os=os, arch="x64", runtime="node 22", version=version)
        for os, version in itertools.product(("linux", "macos", "windows"), ("1.0.0", "1.1.0", "1.2.0"))
    ]
    while True:
        now = time.time_ns() // 1_000_000
        yield Batch(
            [
                Event(
                    id=id_,
                    project=project,
                    name=chance.choice(("run", "build", "test", "deploy")),
                    occurred_at=now,
                    context=chance.choice(contexts),
                    install=chance.randrange(INSTALLS) * 7_919 + project,
                    mark=id_,
                    outcome=Outcome.SUCCESS,
                    duration_us=chance.randrange(1, 3_000_000),
                )
                for id_ in ids.take(size)
            ],
            target_rules={project: OPEN},
        )


def commit_for(url: str, project: int, size: int, node: int, barrier: Barrier, said: multiprocessing.Queue[list[float]]) -> None:
    """Commit batches in a loop, like one server. Return the time of each."""

    async def work() -> list[float]:
        store = await PostgresStore.open(url)
        taken = []
        made = batches(EventIds(node), project, size, node)
        await store.commit(next(made))
        await asyncio.to_thread(barrier.wait)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            batch = next(made)
            started = time.perf_counter()
            await store.commit(batch)
            taken.append(time.perf_counter() - started)
        await store.close()
        return taken

    said.put(asyncio.run(work()))


def measure(postgres: Postgres, *, servers: int, size: int, together: bool) -> Measured:
    """Run servers that commit batches, all to one project or each to its own."""
    url = postgres.fresh()
    barrier = multiprocessing.Barrier(servers)
    said: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=commit_for, args=(url, 1 if together else 1 + node, size, node, barrier, said))
        for node in range(servers)
    ]
    for process in processes:
        process.start()
    taken = sorted(itertools.chain.from_iterable(said.get() for _ in processes))
    for process in processes:
        process.join()
    return Measured(len(taken) * size / SECONDS, statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    multiprocessing.set_start_method("spawn")
    print("| servers | events a commit | rows | events a second | a commit: median | 99 % |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    with running(own=True) as postgres:
        postgres.fresh()
        for size, (servers, together) in itertools.product((1, 30, 300), ((1, True), (2, True), (2, False), (3, True), (3, False))):
            found = [measure(postgres, servers=servers, size=size, together=together) for _ in range(rounds)]
            middle = sorted(found)[rounds // 2]
            rows = "the same" if together else "its own"
            print(
                f"| {servers} | {size} | {rows} | {middle.rate:,.0f} | {middle.median:.1f} ms | {middle.slow:.1f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
