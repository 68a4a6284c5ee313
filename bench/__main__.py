"""`make bench`: run all, print the table, and put it into bench/README.md.

BENCH_ARGS="--only single --only batches"   some of them, not written down
BENCH_ARGS="--quick"                        all of them in two minutes, for a look whether they run; not written down
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
HEAD = "| what | Footfall | reference | ratio or figure | goal | met | more |\n| --- | --- | --- | --- | --- | --- | --- |"
FULL = Effort(rounds=5, seconds=4, events=5_000_000, few=50_000, requests=60_000, soak=600)
QUICK = Effort(rounds=1, seconds=1, events=20_000, few=2_000, requests=5_000, soak=5)


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=sorted(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, help=f"of each pair; {FULL.rounds}")
    parser.add_argument("--soak", type=int, help=f"seconds of load after which memory is looked at; {FULL.soak}")
    options = parser.parse_args()
    load.need_wrk()
    effort = QUICK if options.quick else FULL
    effort = effort._replace(rounds=options.rounds or effort.rounds, soak=options.soak or effort.soak)
    rows: list[Row] = []
    began, busy = time.time(), os.getloadavg()[0]
    for name in options.only or CASES:
        print(f"{name} …", file=sys.stderr, flush=True)
        for row in CASES[name](effort):
            rows.append(row)
            print(row.line(), flush=True)
    if not options.quick and not options.only:
        _write(rows, busy, time.time() - began)


def _write(rows: list[Row], busy: float, seconds: float) -> None:
    head, _, rest = README.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    command = "make bench" + (f' BENCH_ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else "")
    when = (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {seconds / 60:.0f} minutes, Python {platform.python_version()}, {platform.machine()}"
    )
    where = f"{os.cpu_count()} cores; the load of the machine was {busy:.1f} before it began"
    table = "\n".join([HEAD, *(row.line() for row in rows)])
    README.write_text(f"{head}{BEGIN}\n`{command}`, {when}, {where}:\n\n{table}\n{END}{tail}")


main()
