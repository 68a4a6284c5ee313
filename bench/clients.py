"""The program `python -m bench.clients`: compares a host program with each client to the same program without telemetry, alternately.

The servers respond, are down, hang, drip, send garbage or redirect. Prints a table for docs/clients.md: medians of 50 differences, in milliseconds.
A first run starts a sender: no sender runs, and no event waits. With `--following`, a run follows another one within a second, as in a script.
Processor time is that of the host program and the children it waits for. It hardly depends on the load of the machine.
For Node.js, further rows have the lower bounds: a program that imports an empty module, and for a first run one that also starts a process that
does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

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


def forget(home: Path) -> None:
    """End the senders of a home folder, and delete what waits."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == str(home):
                process.kill()
    for waits in (home / ".config" / "mytool" / "telemetry" / "queue").glob("*"):
        waits.unlink(missing_ok=True)


EMPTY = """\
import "./empty.js";
console.log("hello");
process.exit(3);
"""
EMPTY_WITH_PROCESS = """\
import "./empty.js";
console.log("hello");
process.on("exit", () => process.getBuiltinModule("child_process").spawn("/bin/true", [], { stdio: "ignore" }).unref());
process.exit(3);
"""


def lower_bounds(folder: Path, following: bool) -> dict[str, list[str]]:
    """Write the programs of those rows beside the host program of Node.js, and return their commands by the rows' names."""
    programs = {"an empty module": EMPTY} if following else {"an empty module": EMPTY, "an empty module and a process": EMPTY_WITH_PROCESS}
    node = hosts.WRITERS["node"](CLIENTS, folder)[0][0]
    (folder / "empty.js").write_text("")
    for number, program in enumerate(programs.values()):
        (folder / f"bound{number}.js").write_text(program)
    return {name: [node, str(folder / f"bound{number}.js")] for number, name in enumerate(programs)}


def measure(name: str, rounds: int, following: bool) -> list[str]:
    """Rows: the time of the program alone, then the extra time of a run with each server, as clock time (processor time)."""
    folder = Path(tempfile.mkdtemp())
    command, bare, _ = hosts.WRITERS[name](CLIENTS, folder)
    wires = [
        Wire(answer) for answer in (ACCEPTED, hang, drip, garbage, replying("307 Temporary Redirect", "", "Location: http://127.0.0.1:9/"))
    ]
    urls = [wires[0].url, "http://127.0.0.1:9", *(wire.url for wire in wires[1:])]
    homes = [Path(tempfile.mkdtemp(dir=folder)) for _ in urls]
    alone: list[tuple[float, float]] = []
    more: list[list[tuple[float, float]]] = [[] for _ in urls]  # than the program alone, a moment before
    bounds = lower_bounds(folder, following) if name == "node" else {}
    least: dict[str, list[tuple[float, float]]] = {bound: [] for bound in bounds}
    for _ in range(rounds):
        for url, home, differences in zip(urls, homes, more, strict=True):
            if following:
                run(command, environment(url, home))
                time.sleep(SETTLE)
            else:
                forget(home)
            alone.append(run(bare, environment("", folder)))
            clock, cpu = run(command, environment(url, home))
            differences.append((clock - alone[-1][0], cpu - alone[-1][1]))
            for bound, program in bounds.items():
                clock, cpu = run(program, environment("", folder))
                least[bound].append((clock - alone[-1][0], cpu - alone[-1][1]))
            time.sleep(SETTLE)
    for home in homes:
        forget(home)
    for wire in wires:
        wire.close()
    clock, cpu = _medians(alone)
    head = f"| {name}{', following run' if following else ''} | {clock:.1f} ({cpu:.1f})"
    rows = [f"{head} | {' | '.join(map(_difference, more))} |"]
    return [*rows, *(f"| {name}, {bound} | | {_difference(measured)} |" for bound, measured in least.items())]


def _medians(measured: list[tuple[float, float]]) -> tuple[float, float]:
    clocks, cpus = zip(*measured, strict=True)
    return statistics.median(clocks), statistics.median(cpus)


def _difference(measured: list[tuple[float, float]]) -> str:
    clock, cpu = _medians(measured)
    return f"{clock:+.1f} ({cpu:+.1f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.clients", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--following", action="store_true", help="each run follows another one within a second")
    parser.add_argument("clients", nargs="*", default=hosts.NAMES)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}\n\n{HEAD}\n{'| --- ' * 8}|", flush=True)
    for name in options.clients:
        print("\n".join(measure(name, options.rounds, options.following)), flush=True)


if __name__ == "__main__":
    main()
