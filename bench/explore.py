"""Questions over a year of five million events: each filter, property and report beside the same question without one, which rollups answer.

    BENCH_YEAR=/var/tmp/year python -m bench.explore     # prints the table of bench/README.md and writes it there

The first run fills the data folder, which takes ten minutes or more; later runs reuse it. Without the variable, the folder is temporary.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from bench import load
from bench.control_group import ControlGroup
from bench.load import Server, footfall
from bench.year import fill_year
from server.event import DAY
from server.event_id import received_at

EVENTS = 5_000_000
MB, MIB = 1_000_000, 1 << 20
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- explore -->", "<!-- end of explore -->"
HEAD = (
    "| question | bar, a year | p95, a year | CPU | of the reference | bar, 30 days | p95, 30 days | CPU | unfiltered, a year | source |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
_CONTEXT = {
    "os": ("linux", "darwin", "windows"),
    "arch": ("x64", "arm64"),
    "version": ("2.3.1", "2.5.0", "3.0.2"),
    "package_manager": ("npm", "pnpm", "yarn"),
    "install_source": ("npm", "brew", "curl"),
    "agent": ("claude-code", "cursor"),
    "interactive": ("true", "false"),
}
_TEMPLATES = ("starter", "blog", "shop", "docs", "api")
Make = Callable[[random.Random], dict[str, Any]]


class Case(NamedTuple):
    """One kind of question. `make` returns one that differs from the others, so that no answer is reused; `plain` is the unfiltered question."""

    what: str
    bar: int  # milliseconds for a year
    make: Make
    field: str = "ask"
    plain: dict[str, Any] | None = None


def _is(field: str, *values: str) -> dict[str, Any]:
    return {"field": field, "values": list(values)}


def _filters(chance: random.Random, number: int) -> list[dict[str, Any]]:
    return [_is(field, chance.choice(_CONTEXT[field])) for field in chance.sample(list(_CONTEXT), number)]


def _daily(measure: str) -> dict[str, Any]:
    return {"measures": [measure], "over": "DAY"}


def _asked(measures: list[str], **more: Any) -> Make:
    return lambda chance: {"measures": measures, "first": chance.randrange(8, 13), **more}


def _funnel(**more: Any) -> Make:
    steps = [{"name": name, "where": [_is("name", name)]} for name in ("init", "build", "deploy")]
    return lambda chance: {"steps": steps, "withinHours": chance.randrange(20, 30), **more}


CASES = (
    Case("events by day, two context fields", 300, lambda c: _daily("EVENTS") | {"where": _filters(c, 2)}, plain=_daily("EVENTS")),
    Case("events by day, four context fields", 300, lambda c: _daily("EVENTS") | {"where": _filters(c, 4)}, plain=_daily("EVENTS")),
    Case("installs by day, one context field", 300, lambda c: _daily("INSTALLS") | {"where": _filters(c, 1)}, plain=_daily("INSTALLS")),
    Case("installs by day, two context fields", 300, lambda c: _daily("INSTALLS") | {"where": _filters(c, 2)}, plain=_daily("INSTALLS")),
    Case(
        "installs by version, two context fields",
        300,
        lambda c: {"measures": ["INSTALLS"], "by": [{"field": "version"}], "where": _filters(c, 2)},
        plain={"measures": ["EVENTS"], "by": [{"field": "version"}]},
    ),
    Case(
        "failure rate by week, two context fields and the name",
        300,
        lambda c: {"measures": ["FAILURE_RATE"], "over": "WEEK", "where": [*_filters(c, 2), _is("name", "build")]},
        plain={"measures": ["FAILURE_RATE"], "over": "WEEK"},
    ),
    Case("events by day, a property's value", 1_500, lambda c: _daily("EVENTS") | {"where": [_is("properties.template", c.choice(_TEMPLATES))]}),
    Case("installs by day, a property's value", 1_500, lambda c: _daily("INSTALLS") | {"where": [_is("properties.stage", "compile", str(c.random()))]}),
    Case("events by day and a property", 1_500, lambda c: _daily("EVENTS") | {"by": [{"field": "properties.template"}], "first": c.randrange(4, 9)}),
    Case("events by day and a list", 1_500, lambda c: _daily("EVENTS") | {"by": [{"field": "properties.features"}], "first": c.randrange(4, 9)}),
    Case("installs by a nested property", 1_500, _asked(["INSTALLS"], by=[{"field": "properties.project.kind"}])),
    Case("p50, p95 by week", 1_500, lambda c: {"measures": ["P50", "P95"], "over": "WEEK", "where": [_is("name", "build", str(c.random()))]}),
    Case("p50, p95 by version, one system", 1_500, lambda c: _asked(["P50", "P95"], by=[{"field": "version"}], where=_filters(c, 1))(c)),
    Case("events per install, p50 and p90, by system", 1_500, _asked(["PER_INSTALL_P50", "PER_INSTALL_P90"], by=[{"field": "os"}])),
    Case("funnel of three steps", 1_500, _funnel(), "askFunnel"),
    Case("funnel of three steps, one system", 1_500, lambda c: _funnel(where=_filters(c, 1))(c), "askFunnel"),
    Case("funnel of three steps by version", 1_500, _funnel(by=[{"field": "version"}]), "askFunnel"),
    Case("paths after init, within a session", 1_500, lambda c: {"event": [_is("name", "init")], "first": c.randrange(8, 13)}, "askPaths"),
)  # fmt: skip
_INPUTS = {"ask": ("question", "QuestionInput"), "askFunnel": ("funnel", "FunnelInput"), "askPaths": ("paths", "PathsInput")}
_PARTS = {"ask": "source rows { keys figures { all people } }", "askFunnel": "source rows { keys }", "askPaths": "source"}


def _answer(server: Server, field: str, question: dict[str, Any]) -> dict[str, Any]:
    name, kind = _INPUTS[field]
    query = f'query($asked: {kind}!) {{ project(slug: "default") {{ {field}({name}: $asked) {{ {_PARTS[field]} }} }} }}'
    body = json.dumps({"query": query, "variables": {"asked": question}}).encode()
    answer: dict[str, Any] = json.loads(load.get(f"{server.url}/graphql", body))
    return answer


def ask(server: Server, field: str, question: dict[str, Any]) -> tuple[float, str]:
    """Ask a question and return the milliseconds that it took and its source; without an answer, as beyond the time limit, infinity."""
    began = time.perf_counter()
    answer = _answer(server, field, question)
    took = (time.perf_counter() - began) * 1_000
    if "errors" in answer:
        print(f"{field} {question}: {answer['errors']}", file=sys.stderr)
        return math.inf, ""
    return took, answer["data"]["project"][field]["source"]


def _repeated(server: Server, case: Case, period: dict[str, str], rounds: int) -> tuple[float, float, str]:
    """The 95th percentile and the mean CPU time of a case, in milliseconds, and its source."""
    chance, times, sources = random.Random(1), [], set()
    before = server.cpu()
    for _ in range(rounds):
        took, source = ask(server, case.field, {**case.make(chance), "period": period})
        times.append(took)
        sources.add(source)
    used = (server.cpu() - before) / rounds * 1_000
    return statistics.quantiles(times, n=20, method="inclusive")[-1], used, ", ".join(sorted(sources))


def _periods(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The last year and the last 30 days of the events."""
    with contextlib.closing(sqlite3.connect(folder / "footfall.sqlite3")) as connection:
        first, last = connection.execute("SELECT min(id), max(id) FROM event").fetchone()
    end = received_at(last) // DAY + 1
    begin = received_at(first) // DAY + 2  # retention of a year may have deleted a part of the first day

    def day(number: int) -> str:
        return datetime.fromtimestamp(number * DAY / 1_000, UTC).isoformat()

    return {"from": day(max(begin, end - 365)), "to": day(end)}, {"from": day(end - 30), "to": day(end)}


def reference(folder: Path) -> float:
    """Milliseconds of CPU time in which DuckDB by itself, on one thread, counts the distinct installs of each day in the files of a folder."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.read_parquet(f"{folder}/history/*.parquet").create_view("events")
        began = time.process_time()
        connection.execute(f"SELECT occurred_at // {DAY}, COUNT(*), COUNT(DISTINCT install_id) FROM events GROUP BY 1").fetchall()
        return (time.process_time() - began) * 1_000


def lines(folder: Path, rounds: int, only: str, references: list[float]) -> Iterator[str]:
    """Yield the lines of the table. Append the reference, measured after each question, to `references`."""
    year, month = _periods(folder)
    with footfall(folder) as server:
        chance = random.Random(0)
        for case in CASES:
            if only not in case.what:
                continue
            ask(server, case.field, {**case.make(chance), "period": year})  # not measured cold
            took, used, source = _repeated(server, case, year, rounds)
            short, short_used, _ = _repeated(server, case, month, rounds)
            references.append(reference(folder))
            plain = f"{_repeated(server, case._replace(make=_same(case.plain)), year, rounds)[0]:,.0f} ms" if case.plain else ""
            yield (
                f"| {case.what} | {case.bar:,} ms | {_marked(took, case.bar)} | {used:,.0f} ms | {used / references[-1]:.2f} | 150 ms |"
                f" {_marked(short, 150)} | {short_used:,.0f} ms | {plain} | {source} |"
            )


def memory(folder: Path, limit: int, seconds: int) -> str:
    """Ask all questions beside single posts and batches, in a memory control group, on a copy of the folder. Return the result."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as copied, ControlGroup(limit * MB) as group:
        data = Path(shutil.copytree(folder, Path(copied) / "data"))
        year, _ = _periods(data)
        port, asked, refused = load.free_port(), 0, 0
        env = {**load.UNLIMITED, "FOOTFALL_DATA_DIR": str(data), "FOOTFALL_PORT": str(port), "FOOTFALL_ADMIN_TOKEN": load.TOKEN}
        with load.running(list(group.command((sys.executable, "-m", "server", "serve"))), port, **env) as server, group.sampled() as peaks:
            posting = threading.Thread(target=_post, args=(server, seconds))
            posting.start()
            chance = random.Random(1)
            while posting.is_alive():
                for case in CASES:
                    is_answered = _try(server, case.field, {**case.make(chance), "period": year})
                    asked, refused = asked + 1, refused + (not is_answered)
            posting.join()
            killed = "killed" if group.killed() else "not killed"
        return (
            f"In a control group of {limit} MB, {asked} of these questions about the year ({refused} of them without an answer) beside single"
            f" posts and batches for {seconds} s: {peaks.anonymous / MIB:.0f} MiB at the peak without page cache, {peaks.resident / MIB:.0f} MiB"
            f" resident with mapped files; {killed}."
        )


def _post(server: Server, seconds: int) -> None:
    with contextlib.suppress(OSError, SystemExit):  # of a server that was killed
        load.measure(server, load.SINGLE, connections=16, seconds=seconds // 2)
        load.measure(server, load.BATCH, connections=2, seconds=seconds // 2)


def _try(server: Server, field: str, question: dict[str, Any]) -> bool:
    """Ask a question. Return False without an answer: a question may exceed its time limit on a busy machine, and the server may be killed."""
    with contextlib.suppress(OSError):
        return "errors" not in _answer(server, field, question)
    return False


def _same(question: dict[str, Any]) -> Make:
    return lambda chance: {**question, "first": chance.randrange(8, 13)}


def _marked(took: float, bar: float) -> str:
    return "**none**" if math.isnan(took) or math.isinf(took) else f"{took:,.0f} ms" if took <= bar else f"**{took:,.0f} ms**"


def measured(events: int, load_average: float, references: list[float]) -> str:
    """The time of a measurement, the load of the machine at its start, and the reference, by which machines are compared."""
    when, middle = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), statistics.median(references)
    return f"Measured {when} with {events:,} events, load average {load_average:.1f} at the start. Reference: {middle:,.0f} ms."


def write_table(begin: str, end: str, lines: list[str], when: str) -> None:
    """Write a table into bench/README.md, between its two marks, with the circumstances of the measurement below it."""
    head, _, rest = README.read_text().partition(begin)
    README.write_text("\n".join([f"{head}{begin}", *lines, "", when, f"{end}{rest.partition(end)[2]}"]))


@contextlib.contextmanager
def year_folder(events: int) -> Iterator[Path]:
    """A data folder with a year of events and their history: the one that BENCH_YEAR names, or a temporary one."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("BENCH_YEAR") or temporary)
        if not (folder / "footfall.sqlite3").exists():
            fill_year(folder, events)
        command = [sys.executable, "-m", "server", "job", "build-history"]
        subprocess.run(command, env={**os.environ, "FOOTFALL_DATA_DIR": str(folder)}, check=True, stdout=sys.stderr)
        yield folder


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(prog="bench.explore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="of each question")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--only", default="", help="measure the questions whose name contains this text, and write nothing down")
    parser.add_argument("--memory", type=int, metavar="SECONDS", help="only measure the memory in a control group of 256 MB, as root")
    options = parser.parse_args()
    found, references = list[str](), list[float]()
    busy = os.getloadavg()[0]
    with year_folder(options.events) as folder:
        if options.memory:
            print(memory(folder, 256, options.memory))
            return
        print(HEAD)
        for line in lines(folder, options.rounds, options.only, references):
            print(line, flush=True)
            found.append(line)
    if not options.only:
        write_table(BEGIN, END, [HEAD, *found], measured(options.events, busy, references))


if __name__ == "__main__":
    main()
