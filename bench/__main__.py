"""The program of `make bench`: run all benchmarks, print the table, and write it to bench/README.md.

BENCH_ARGS="--only single --only batches"   some of them, without writing
BENCH_ARGS="--quick"                        all of them in two minutes, to check that they run, without writing
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from bench import load
from bench.cases import CASES, Effort, Row

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured -->", "<!-- end -->"
HEAD = "| what | Footfall | reference | ratio or figure | goal | met | more | measured |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
FULL = Effort(rounds=5, seconds=4, events=5_000_000, few=50_000, requests=60_000, soak=600)
QUICK = Effort(rounds=1, seconds=1, events=20_000, few=2_000, requests=5_000, soak=5)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=sorted(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, help=f"of each pair; {FULL.rounds}")
    parser.add_argument("--soak", type=int, help=f"seconds of load after which memory is looked at; {FULL.soak}")
    options = parser.parse_args()
    load.need_wrk()
    effort = QUICK if options.quick else FULL
    effort = effort._replace(rounds=options.rounds or effort.rounds, soak=options.soak or effort.soak)
    for name in options.only or CASES:
        print(f"{name} …", file=sys.stderr, flush=True)
        busy, rows = os.getloadavg()[0], []
        for row in CASES[name](effort):
            rows.append(row)
            print(row.line(), flush=True)
        if not options.quick:
            _write(rows, busy)


def _write(rows: list[Row], busy: float) -> None:
    """Replace the rows of the table with the same subjects."""
    head, _, rest = README.read_text().partition(BEGIN)
    table, _, tail = rest.partition(END)
    lines = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ") and line not in HEAD}
    when = f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())}, load {busy:.1f}"
    lines |= {row.what: f"{row.line()} {when} |" for row in rows}
    where = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores:"
    README.write_text("\n".join([f"{head}{BEGIN}", f"`make bench` on {where}", "", HEAD, *lines.values(), f"{END}{tail}"]))


if __name__ == "__main__":
    main()
