"""The program `python -m bench.forms`: size, startup and memory of each form of Footfall, for the table in bench/README.md.

Requires root and a writable memory control group (version 1 or 2). The image is built by buildah over stand-in bases, as in tests/shipping: the table
shows the size that it adds to its base, and Debian's Python runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import load
from bench.control_group import ControlGroup
from bench.filled import fill
from bench.questions import LARGEST
from server.settings import bundled
from tests.shipping import test_image as images

ROOT = Path(__file__).parents[1]
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- forms -->", "<!-- end of forms -->"
HEAD = (
    "| form | size | start to first answer | idle | under load | in {limit} MB: peak | posts/s, of those without a limit | measured |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)
MB = 1_000_000
MIB = 1 << 20


class Form(NamedTuple):
    """A form: its size as text, and the command and settings of a server on a data folder."""

    size: str
    command: Callable[[Path], tuple[str, ...]]
    env: dict[str, str]


class Load(NamedTuple):
    """The result of the load: single posts per second, and the peak memory in MiB."""

    rate: float
    idle: float
    peak: float
    anonymous: float


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def checkout(_: Path) -> Form:
    """This checkout, with the Python that runs the benchmark."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    tracked = sum((ROOT / name).lstat().st_size for name in names if name and (ROOT / name).exists())
    size = f"{(tracked + size_of(ROOT / 'static' / 'dist')) / MB:.1f} MB, and the packages"
    return Form(size, lambda _: (sys.executable, "-m", "server", "serve"), {})


def wheel(work: Path) -> Form:
    """The wheel, installed into a separate virtual environment."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(ROOT)]
    subprocess.run(build, capture_output=True, check=True)
    (file,) = work.glob("footfall-*.whl")
    venv.create(work / "venv", with_pip=True)
    (packages,) = (work / "venv" / "lib").glob("python3*/site-packages")
    before = size_of(packages)
    install = [str(work / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(file)]
    subprocess.run(install, check=True)
    size = f"{file.stat().st_size / MB:.1f} MB; installed with its packages {(size_of(packages) - before) / MB:.0f} MB"
    return Form(size, lambda _: (str(work / "venv/bin/footfall"), "serve"), {})


def binary(work: Path) -> Form:
    """The binary."""
    subprocess.run([sys.executable, ".ci/binary.py", str(work)], cwd=ROOT, capture_output=True, check=True)
    return Form(f"{(work / 'footfall').stat().st_size / MB:.1f} MB", lambda _: (str(work / "footfall"), "serve"), {})


def image(work: Path) -> Form:
    """The image over stand-in bases, run as its user on a read-only root."""
    root, config, added = images.build(work)

    def command(data: Path) -> tuple[str, ...]:
        for path in [data, *data.iterdir()]:
            os.chown(path, 10001, 10001)
        return (*images.contained(root, data, config), "serve")

    return Form(f"{added / MB:.0f} MB added to the base", command, {**images.settings(config), "FOOTFALL_DATA_DIR": "/data"})


FORMS = {form.__name__: form for form in (checkout, wheel, binary, image)}


@contextlib.contextmanager
def serving(form: Form, data: Path, group: ControlGroup) -> Iterator[load.Server]:
    """A server of a form in a control group."""
    port = load.free_port()
    env = {**load.UNLIMITED, "FOOTFALL_DATA_DIR": str(data), "FOOTFALL_PORT": str(port), "FOOTFALL_ADMIN_TOKEN": load.TOKEN, **form.env}
    with load.running(list(group.command(form.command(data))), port, **env) as server:
        yield server


def starts(form: Form, rounds: int) -> float:
    """The median of seconds from the start to the first response, with an existing store."""
    times = []
    with tempfile.TemporaryDirectory() as data, ControlGroup() as group:
        for _ in range(rounds + 1):
            began = time.perf_counter()
            with serving(form, Path(data), group):
                times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def under_load(form: Form, filled: Path, seconds: int, limit: int | None) -> Load | None:
    """Load a server on a copy of a filled store with single posts, batches, questions and all nightly jobs. Return None if it was killed."""
    with tempfile.TemporaryDirectory() as folder, ControlGroup(limit) as group:
        data = Path(shutil.copytree(filled, Path(folder) / "data"))
        with contextlib.suppress(OSError), serving(form, data, group) as server, group.sampled() as peaks:
            time.sleep(2)
            idle = group.resident() / MIB
            rate = load.measure(server, load.SINGLE, connections=64, seconds=seconds).rate
            asking = threading.Thread(target=ask, args=(server, seconds))
            asking.start()
            load.measure(server, load.BATCH, connections=8, seconds=seconds)
            asking.join()
            return None if group.killed() else Load(rate, idle, peaks.resident / MIB, peaks.anonymous / MIB)
        return None


def ask(server: load.Server, seconds: int) -> None:
    """Request the dashboard's first page and the largest answers in a loop."""
    page = (bundled("graphql") / "operations" / "OverviewPage.graphql").read_text()
    bodies = [{"query": page, "variables": {"slug": "default"}}, *({"query": query} for query in LARGEST.values())]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for body in bodies:
            with contextlib.suppress(OSError):
                load.get(f"{server.url}/graphql", json.dumps(body).encode())


def row(name: str, form: Form, filled: Path, options: argparse.Namespace) -> str:
    """The row of a form."""
    start = starts(form, options.rounds)
    free = under_load(form, filled, options.seconds, None)
    assert free is not None
    bound = under_load(form, filled, options.seconds, options.limit * MB)
    peak, share = ("killed", "") if bound is None else (f"{bound.anonymous:.0f} MiB", f"{free.rate:,.0f}, {bound.rate / free.rate:.0%}")
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"| {name} | {form.size} | {start:.2f} s | {free.idle:.0f} MiB | {free.peak:.0f} MiB | {peak} | {share} | {when} |"


def write(rows: list[str], limit: int) -> None:
    """Write the table to bench/README.md."""
    head, _, rest = README.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text("\n".join([f"{head}{BEGIN}", HEAD.format(limit=limit), *rows, f"{END}{tail}"]))


def main() -> None:
    """Measure and print. Write the table if all forms were measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.forms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("forms", nargs="*", choices=[*FORMS, []], help=", ".join(FORMS))
    parser.add_argument("--limit", type=int, default=256, help="of memory, in MB; 256")
    parser.add_argument("--seconds", type=int, default=20, help="of each load; 20")
    parser.add_argument("--rounds", type=int, default=10, help="starts; 10")
    parser.add_argument("--events", type=int, default=1_000_000, help="in the store; 1,000,000")
    options = parser.parse_args()
    load.need_wrk()
    print(HEAD.format(limit=options.limit), flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as filled:
        fill(Path(filled), options.events)
        for name in options.forms or FORMS:
            with tempfile.TemporaryDirectory(prefix="footfall-forms-") as work:
                rows.append(row(name, FORMS[name](Path(work)), Path(filled), options))
            print(rows[-1], flush=True)
    if list(options.forms) == list(FORMS):
        write(rows, options.limit)


if __name__ == "__main__":
    main()
