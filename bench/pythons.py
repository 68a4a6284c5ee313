"""The program `python -m bench.pythons .venv/bin/python OTHER_PYTHON …`: single posts and batches under several Pythons, alternately.

Footfall's packages must be installed for each Python. Prints a table for bench/README.md: medians of the rounds, processor time per request in
µs, and its ratio to the first Python's, as the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator

from bench import load
from bench.load import BATCH, SINGLE, Server

LOADS = {"single posts, 64 connections": (SINGLE, 64), "batches of 100, 8 connections": (BATCH, 8)}
HEAD = "| Python | what | requests/s | µs a request | of the first | start | memory after |\n| --- | --- | --- | --- | --- | --- | --- |"


def version(python: str) -> str:
    """The version of a Python."""
    asked = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pythons", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("pythons", nargs="+")
    options = parser.parse_args()
    load.need_wrk()
    print(f"load average {os.getloadavg()[0]:.1f}\n\n{HEAD}", flush=True)
    with contextlib.ExitStack() as stack:
        servers: list[tuple[str, Server, float]] = []
        for python in options.pythons:
            began = time.perf_counter()
            server = stack.enter_context(serve(python))
            servers.append((version(python), server, time.perf_counter() - began))
        for what, (script, connections) in LOADS.items():
            results: list[list[load.Result]] = [[] for _ in servers]
            for turn in range(options.rounds + 1):
                for place, (_, server, _) in enumerate(servers):
                    result = load.measure(server, script, connections=connections, seconds=options.seconds if turn else 1)
                    if turn:  # the first warms up
                        results[place].append(result)
            for (name, server, start), runs in zip(servers, results, strict=True):
                one = load.median(runs)
                ratio = statistics.median(run.cpu / first.cpu for run, first in zip(runs, results[0], strict=True))
                figures = f"{one.rate:,.0f} | {one.cpu:,.0f} | {ratio:.2f} | {start:.2f} s | {server.memory():.0f} MiB"
                print(f"| {name} | {what} | {figures} |", flush=True)


@contextlib.contextmanager
def serve(python: str) -> Iterator[Server]:
    """A server of this checkout under a Python."""
    with tempfile.TemporaryDirectory() as folder:
        port = load.free_port()
        settings = {**load.UNLIMITED, "FOOTFALL_DATA_DIR": folder, "FOOTFALL_PORT": str(port), "FOOTFALL_ADMIN_TOKEN": load.TOKEN}
        with load.running([python, "-m", "server", "serve"], port, **settings) as server:
            yield server


if __name__ == "__main__":
    main()
