"""SQLite against PostgreSQL, and one server against two: single posts and batches of a hundred, over HTTP."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.load import BATCH, SINGLE, Result, Server, footfall, measure
from tests.postgres import Postgres, running

SECRET = "a secret that all servers of a benchmark share"


def lines(rounds: int, seconds: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Rows of subject, our figure, reference, ratio and details. The reference is one server on SQLite, measured in the same run."""
    with ExitStack() as stack:
        postgres: Postgres = stack.enter_context(running(own=True))
        env = {"FOOTFALL_DATABASE_URL": postgres.fresh(), "FOOTFALL_SECRET": SECRET}
        sqlite = [stack.enter_context(footfall())]
        servers = [stack.enter_context(footfall(None, **env)) for _ in range(2)]
        for what, script, connections, events in (("single posts", SINGLE, 64, 1), ("events in batches of 100", BATCH, 16, 100)):
            rates: dict[str, list[float]] = {"sqlite": [], "one": [], "two": []}
            p99: dict[str, list[float]] = {"sqlite": [], "one": [], "two": []}
            for _ in range(rounds):
                for name, those in (("sqlite", sqlite), ("one", servers[:1]), ("two", servers)):
                    results = _together(those, script, connections, seconds)
                    rates[name].append(sum(result.rate for result in results) * events)
                    p99[name].append(max(result.p99 for result in results))
            middle = {name: statistics.median(each) for name, each in rates.items()}
            reference = f"SQLite: {middle['sqlite']:,.0f}/s"
            for name, said in (("one", "one server on PostgreSQL"), ("two", "two servers on PostgreSQL")):
                more = f"p99 {statistics.median(p99[name]):.0f} ms (SQLite {statistics.median(p99['sqlite']):.0f})"
                yield f"{what}, {said}", f"{middle[name]:,.0f}/s", reference, f"{middle[name] / middle['sqlite']:.2f}", more


def _together(servers: list[Server], script: str, connections: int, seconds: int) -> list[Result]:
    """Load several servers at once, with the connections divided between them."""
    with ThreadPoolExecutor(len(servers)) as pool:
        waiting = [pool.submit(measure, server, script, connections=connections // len(servers), seconds=seconds) for server in servers]
        return [each.result() for each in waiting]
