"""`make bench`: run all, print the table, and put it into bench/README.md.

BENCH_ARGS="--seconds 4 --rounds 5" are the defaults; fewer make a quick look that is not written down.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

from bench import load
from bench.load import COUNTS, DOWNLOAD, SINGLE, Result, footfall, measure, median, reference

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured -->", "<!-- end -->"


def paired(
    script: str, *, connections: int, rounds: int, seconds: int, prepare: Callable[[str], None] = lambda _: None
) -> tuple[Result, Result]:
    """Footfall and the stock handler, in turns; the medians of both."""
    ours, stock = [], []
    with reference() as stock_url, footfall() as url:
        prepare(url)
        for _ in range(rounds):
            stock.append(measure(stock_url, SINGLE, connections=connections, seconds=seconds))
            ours.append(measure(url, script, connections=connections, seconds=seconds))
    return median(ours), median(stock)


def thousand_packs(url: str) -> None:
    """A thousand packs, each downloaded once."""
    script = 'local n = 0; request = function() n = n % 1000 + 1; return wrk.format("POST", "/dl/pack" .. n) end'
    measure(url, script, connections=8, seconds=2)
    assert load.get(f"{url}/counts").count(b"total") == 1_000


CASES: tuple[tuple[str, str, int, Callable[[str], None], str], ...] = (
    ("single posts, 32 connections", SINGLE, 32, lambda _: None, "1.0"),
    ("single posts, 256 connections", SINGLE, 256, lambda _: None, "1.0"),
    ("POST /dl/{pack}, 64 connections", DOWNLOAD, 64, lambda _: None, "1.3"),
    ("GET /counts with 1,000 packs, 64 connections", COUNTS, 64, thousand_packs, "0.8"),
)


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    load.need_wrk()
    rows = ["| what | Footfall | stock handler | ratio | goal | p50 | p99 |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for number, (name, script, connections, prepare, goal) in enumerate(CASES, 1):
        print(f"[{number}/{len(CASES)}] {name} …", flush=True)
        ours, stock = paired(script, connections=connections, rounds=options.rounds, seconds=options.seconds, prepare=prepare)
        figures = (
            f"{ours.rate:,.0f}/s | {stock.rate:,.0f}/s | **{ours.rate / stock.rate:.2f}** | {goal} | {ours.p50:.1f} ms | {ours.p99:.1f} ms"
        )
        rows.append(f"| {name} | {figures} |")
        print(rows[-1], flush=True)
    if options.rounds >= 5:
        _write(rows, f"make bench BENCH_ARGS='--rounds {options.rounds} --seconds {options.seconds}'")


def _write(rows: list[str], command: str) -> None:
    text = README.read_text()
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    when = f"{time.strftime('%Y-%m-%d', time.gmtime())}, Python {platform.python_version()}, {platform.machine()}"
    README.write_text(f"{head}{BEGIN}\n`{command}`, {when}:\n\n" + "\n".join(rows) + f"\n{END}{tail}")


main()
