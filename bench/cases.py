"""The benchmarks by name: each goal for speed, size and memory with its reference."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import load
from bench.engines import lines as engine_lines
from bench.filled import fill
from bench.load import BATCH, COUNTS, DOWNLOAD, SINGLE, Result, Server, footfall, measure, median, reference
from bench.questions import lines
from bench.steps import steps
from server.settings import bundled

A_BATCH = 100


class Effort(NamedTuple):
    """The sizes of a run: `events` and `few` of the large and the small store, `requests` of the profile. `soak` is in seconds."""

    rounds: int
    seconds: int
    events: int
    few: int
    requests: int
    soak: int


class Row(NamedTuple):
    """A row of the table."""

    what: str
    ours: str
    reference: str
    figure: str
    goal: str
    met: bool | None
    more: str = ""

    def line(self) -> str:
        """Render the row as Markdown."""
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return f"| {self.what} | {self.ours} | {self.reference} | **{self.figure}** | {self.goal} | {met} | {self.more} |"


Case = Callable[[Effort], Iterator[Row]]


def _against_stock(
    what: str, script: str, goal: float, effort: Effort, *, connections: int, prepare: Callable[[Server], None] = lambda _: None
) -> Row:
    """Measure Footfall and the stock handler alternately. Return the medians of both."""
    ours, stock = [], []
    with reference() as stock_server, footfall() as server:
        prepare(server)
        for served, its in ((stock_server, SINGLE), (server, script)):
            measure(served, its, connections=connections, seconds=1)  # warms up both
        for _ in range(effort.rounds):
            stock.append(measure(stock_server, SINGLE, connections=connections, seconds=effort.seconds))
            ours.append(measure(server, script, connections=connections, seconds=effort.seconds))
    one, other = median(ours), median(stock)
    ratio, cpu = one.rate / other.rate, other.cpu / one.cpu
    more = f"p50 {one.p50:.1f} ms, p99 {one.p99:.1f} ms (stock {other.p50:.1f}, {other.p99:.1f}); per CPU second {cpu:.2f} times as many"
    return Row(f"{what}, {connections} connections", _rate(one), _rate(other), f"{ratio:.2f}", f"≥ {goal}", ratio >= goal, more)


def _rate(result: Result) -> str:
    return f"{result.rate:,.0f}/s, {result.cpu:.0f} µs"


def single(effort: Effort) -> Iterator[Row]:
    """Goal 1."""
    for connections in (32, 64, 256):
        yield _against_stock("single posts", SINGLE, 1.0, effort, connections=connections)


def downloads(effort: Effort) -> Iterator[Row]:
    """Goal 3."""
    for connections in (32, 64):
        yield _against_stock("POST /dl/{pack}", DOWNLOAD, 1.3, effort, connections=connections)


def counts(effort: Effort) -> Iterator[Row]:
    """Goal 4, its first half."""
    yield _against_stock("GET /counts with 1,000 packs", COUNTS, 0.8, effort, connections=64, prepare=_thousand_packs)


def _thousand_packs(server: Server) -> None:
    script = 'local n = 0; request = function() n = n % 1000 + 1; return wrk.format("POST", "/dl/pack" .. n) end'
    measure(server, script, connections=8, seconds=2)
    assert load.get(f"{server.url}/counts").count(b"total") == 1_000


def batches(effort: Effort) -> Iterator[Row]:
    """Goal 2."""
    for connections in (8, 32):
        yield _against_rows(effort, connections)


def _against_rows(effort: Effort, connections: int) -> Row:
    ours, bare = [], []
    with footfall() as server, tempfile.TemporaryDirectory() as folder:
        measure(server, BATCH, connections=connections, seconds=1)
        for _ in range(effort.rounds):
            command = [sys.executable, "-m", "bench.rows", folder, str(effort.seconds)]
            done = subprocess.run(command, preexec_fn=load.pin(load.SERVER_CORE), capture_output=True, text=True, check=True)
            bare.append([float(figure) for figure in done.stdout.split()])
            ours.append(measure(server, BATCH, connections=connections, seconds=effort.seconds))
    one = median(ours)
    rows, other, other_cpu = one.rate * A_BATCH, *(statistics.median(figures) for figures in zip(*bare, strict=True))
    return Row(
        f"events in batches of {A_BATCH}, {connections} connections",
        f"{rows:,.0f} rows/s, {one.cpu / A_BATCH:.1f} µs",
        f"`executemany`: {other:,.0f} rows/s, {other_cpu:.1f} µs",
        f"{rows / other:.2f}",
        "≥ 0.5",
        rows / other >= 0.5,
        f"p50 {one.p50:.1f} ms, p99 {one.p99:.1f} ms a batch; per CPU second {other_cpu / (one.cpu / A_BATCH):.2f} times as many",
    )


def profile(effort: Effort) -> Iterator[Row]:
    """Goal 8: the time of the steps within one process, as shares of a request's time in a server."""
    runs, whole = [], []
    with footfall() as server:
        measure(server, SINGLE, connections=64, seconds=1)
        for _ in range(effort.rounds):
            runs.append(steps(effort.requests))
            whole.append(measure(server, SINGLE, connections=64, seconds=effort.seconds))
    request = median(whole).cpu
    for step in runs[0]:
        spent = statistics.median(run[step] for run in runs)
        share, goal = spent / request, step in ("gate", "limiter", "dialect")
        what = f"the {step} in a single post"
        yield Row(what, f"{spent:.1f} µs", f"{request:.1f} µs", f"{share:.1%}", "< 10 %" if goal else "", share < 0.1 if goal else None)


def size(effort: Effort) -> Iterator[Row]:
    """Goal 5: the pages of the event table and its indexes."""
    events = effort.events // 5
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), events)
        with contextlib.closing(sqlite3.connect(Path(folder) / "footfall.sqlite3", isolation_level=None)) as connection:
            before = _pages_in_use(connection)
            connection.execute("DROP TABLE event")  # with its indexes
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            each = (before - _pages_in_use(connection)) * page_size / events
    yield Row("size of an event with its indexes", f"{each:.0f} bytes", "", f"{each:.0f} bytes", "≤ 150 bytes", each <= 150)


def _pages_in_use(connection: sqlite3.Connection) -> int:
    (pages,), (free,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count"))
    return int(pages) - int(free)


def filled(effort: Effort) -> Iterator[Row]:
    """Goals 6 and 7 and the second half of goal 4: Footfall with a large store."""
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        with footfall() as server:
            measure(server, SINGLE, connections=1, seconds=1)
            load.get(f"{server.url}/graphql", b'{"query": "{me {kind}}"}')  # waits for the parts that startup defers
            memory = server.memory()
        yield Row("memory after start", f"{memory:.0f} MiB", "", f"{memory:.0f} MiB", "< 120 MiB", memory < 120)
        fill(Path(small), effort.few)
        fill(Path(large), effort.events)
        for operation in ("Overview", "OverviewPage"):
            yield _overview(operation, Path(small), Path(large), effort)
        yield _cold_start(Path(large), effort)
        yield from _memory(Path(large), effort)


def _overview(operation: str, small: Path, large: Path, effort: Effort) -> Row:
    """A documented question about the last 30 days: p95 of many runs, alternately. The dashboard's first page runs `OverviewPage`."""
    times: dict[Path, list[float]] = {small: [], large: []}
    first = 0.0
    body = json.dumps({"query": (bundled("graphql") / "operations" / f"{operation}.graphql").read_text(), "variables": {"slug": "default"}})
    with footfall(small) as one, footfall(large) as other:
        for turn in range(effort.rounds * 50 + 10):
            for folder, server in ((small, one), (large, other)):
                began = time.perf_counter()
                answer = json.loads(load.get(f"{server.url}/graphql", body.encode()))
                took = (time.perf_counter() - began) * 1_000
                assert "errors" not in answer, answer
                if turn >= 10:
                    times[folder].append(took)
                first = first or (took if folder is large else 0.0)
    few, many = (statistics.quantiles(times[folder], n=20)[-1] for folder in (small, large))
    return Row(
        f"{operation} at {effort.events:,} events, p95",
        f"{many:.1f} ms",
        f"{effort.few:,} events: {few:.1f} ms",
        f"{many / few:.2f}",
        "≤ 1.5, both < 50 ms",
        many / few <= 1.5 and max(few, many) < 50,
        f"medians {statistics.median(times[large]):.1f} and {statistics.median(times[small]):.1f} ms; the first one {first:,.0f} ms",
    )


def _cold_start(folder: Path, effort: Effort) -> Row:
    times, used = [], []
    for _ in range(effort.rounds):
        began = time.perf_counter()
        with footfall(folder) as server:  # waits for the first response
            times.append(time.perf_counter() - began)
            used.append(server.cpu())
    took = statistics.median(times)
    what = f"from the start to the first answer, {effort.events:,} events"
    return Row(
        what,
        f"{took:.2f} s",
        "",
        f"{took:.2f} s",
        "< 1.5 s",
        took < 1.5,
        f"CPU time {statistics.median(used):.2f} s; slowest {max(times):.2f} s",
    )


def _memory(folder: Path, effort: Effort) -> Iterator[Row]:
    with footfall(folder) as server:
        for _ in range(20):
            load.get(f"{server.url}/counts")
        measure(server, SINGLE, connections=64, seconds=max(1, min(120, effort.soak // 2)))
        early = server.memory()
        yield Row(f"memory at {effort.events:,} events, under load", f"{early:.0f} MiB", "", f"{early:.0f} MiB", "< 200 MiB", early < 200)
        loaded = measure(server, SINGLE, connections=64, seconds=effort.soak)
        late = server.memory()
    what = f"memory after {effort.soak} s more of load"
    more = f"{loaded.rate * effort.soak:,.0f} more events"
    yield Row(what, f"{late:.0f} MiB", "", f"{late - early:+.0f} MiB", "flat", late - early < 10, more)


def questions(effort: Effort) -> Iterator[Row]:
    """The admin API beside ingest."""
    for what, ours, against, figure, more in lines(effort.rounds, effort.seconds, effort.events // 5):
        yield Row(what, ours, against, figure, "", None, more)


def engines(effort: Effort) -> Iterator[Row]:
    """SQLite and PostgreSQL, with one server and two. Servers, PostgreSQL and the load share the machine's two cores."""
    for what, ours, against, figure, more in engine_lines(effort.rounds, effort.seconds):
        yield Row(what, ours, against, figure, "", None, more)


CASES: dict[str, Case] = {case.__name__: case for case in (single, batches, downloads, counts, questions, engines, size, profile, filled)}
