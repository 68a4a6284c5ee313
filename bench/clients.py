"""The program `python -m bench.clients`: compares a host program with each client to the same program without telemetry, alternately.

The servers respond, are down, hang, drip, send garbage or redirect. Prints a table for docs/clients.md: medians of 50 runs, in milliseconds.
Processor time is that of the host program and the children it waits for. It hardly depends on the load of the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.clients import hosts
from tests.clients.conftest import ACCEPTED, CLIENTS, Wire, drip, environment, garbage, hang, replying

SETTLE = 0.25  # seconds for a sender to finish, so that it does not disturb the next run
HEAD = "| host program | alone | answers | away | hangs | drips | garbage | redirects |"


def run(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of clock time and of processor time."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as shown:
        shown.read()  # like `$(tool)`: until the last process has closed it
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return (time.perf_counter() - began) * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def measure(name: str, rounds: int) -> str:
    """A row: the time of the program alone, then its extra time with each server, as clock time (processor time)."""
    folder = Path(tempfile.mkdtemp())
    command, bare, _ = hosts.WRITERS[name](CLIENTS, folder)
    wires = [
        Wire(answer) for answer in (ACCEPTED, hang, drip, garbage, replying("307 Temporary Redirect", "", "Location: http://127.0.0.1:9/"))
    ]
    urls = [wires[0].url, "http://127.0.0.1:9", *(wire.url for wire in wires[1:])]
    homes = [Path(tempfile.mkdtemp(dir=folder)) for _ in urls]
    taken: list[list[tuple[float, float]]] = [[] for _ in range(len(urls) + 1)]
    for _ in range(rounds):
        taken[0].append(run(bare, environment("", folder)))
        for place, (url, home) in enumerate(zip(urls, homes, strict=True), 1):
            for waits in (home / ".config" / "mytool" / "telemetry" / "queue").glob("*"):  # each run starts a sender
                waits.unlink(missing_ok=True)
            taken[place].append(run(command, environment(url, home)))
            time.sleep(SETTLE)
    for wire in wires:
        wire.close()
    clock, cpu = ([statistics.median(one[which] for one in runs) for runs in taken] for which in (0, 1))
    more = [f"{clock[place] - clock[0]:+.1f} ({cpu[place] - cpu[0]:+.1f})" for place in range(1, len(taken))]
    return f"| {name} | {clock[0]:.1f} ({cpu[0]:.1f}) | {' | '.join(more)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.clients", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("clients", nargs="*", default=hosts.NAMES)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}\n\n{HEAD}\n{'| --- ' * 8}|", flush=True)
    for name in options.clients:
        print(measure(name, options.rounds), flush=True)


if __name__ == "__main__":
    main()
