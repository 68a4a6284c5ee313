"""The machine and the installation."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server import __version__, event_id
from server.doctor.finding import Finding, size
from server.event import DAY
from server.settings import Settings, bundled

OLDEST_SQLITE = (3, 35, 0)  # RETURNING
FEWEST_FILES = 1024
LEAST_MEMORY = 128 << 20

_CONTAINER_SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_MEMORY = Path("/proc/meminfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def versions(_: Settings) -> Iterator[Finding]:
    """What runs here, and whether its SQLite can do what the store asks of it."""
    found = f"Footfall {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        fix = "use a Python that brings a newer SQLite, such as the container's"
        yield Finding("problem", f"{found}: SQLite is older than {'.'.join(map(str, OLDEST_SQLITE[:2]))}", fix)
    else:
        yield Finding("ok", found)


def clock(_: Settings) -> Iterator[Finding]:
    """Events are filed under the time at which they arrive: a clock that is wrong files them where nobody looks."""
    now = time.time_ns() // 1_000_000
    shown = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    fix = "set the clock (`timedatectl set-ntp true`) before events arrive"
    if now < event_id.EPOCH:
        yield Finding("problem", f"the clock says {shown}: no event can be filed that early", fix)
    elif now + DAY < _installed_at():
        yield Finding("warning", f"the clock says {shown}, which is before Footfall was installed", fix)
    else:
        yield Finding("ok", f"the clock says {shown}")


def _installed_at() -> float:
    """The time at which the program was installed, in epoch milliseconds: that of the binary, or of this file."""
    program = sys.executable if getattr(sys, "frozen", False) else __file__
    return Path(program).stat().st_mtime * 1000


def limits(_: Settings) -> Iterator[Finding]:
    """How many files the server may have open at most, which it takes, and how much memory is left."""
    _soft, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FEWEST_FILES:
        fix = "raise it: `ulimit -Hn 65536`, or LimitNOFILE=65536 in the systemd unit"
        yield Finding("warning", f"only {files} files may be open at once, and each connection is one", fix)
    else:
        yield Finding("ok", f"{'any number of' if files == resource.RLIM_INFINITY else files} files may be open at once")
    memory = _memory()
    if memory is not None and memory < LEAST_MEMORY:
        yield Finding("warning", f"only {size(memory)} of memory are left", "stop something else, or give this machine or container more")


def _memory() -> int | None:
    """Bytes that are available, as far as Linux says so: the machine's, or the container's limit where that is less."""
    if not _MEMORY.exists():
        return None
    lines = dict(line.partition(":")[::2] for line in _MEMORY.read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    limit = _MEMORY_LIMIT.read_text().strip() if _MEMORY_LIMIT.exists() else "max"
    return min(available, int(limit)) if limit.isdigit() else available


def user(_: Settings) -> Iterator[Finding]:
    """Whether it runs as root, which it has no need of."""
    if os.geteuid() != 0:
        yield Finding("ok", "it does not run as root")
    elif any(sign.exists() for sign in _CONTAINER_SIGNS):
        yield Finding("ok", "this runs as root, in a container", "Footfall needs no root: its own image has a user for it")
    else:
        yield Finding("warning", "this runs as root", "Footfall needs no root: run it as a user of its own, who owns the data folder")


def bundles(_: Settings) -> Iterator[Finding]:
    """The folders that travel with the package."""
    if not any(bundled("migrations").glob("footfall_*.py")):
        yield Finding("problem", "the migrations are missing from this installation", "install Footfall again")
    static = bundled("static")
    if any(static.glob("dist/*")):
        yield Finding("ok", "the dashboard is there")
    elif (static / "package.json").exists():
        yield Finding("warning", "the dashboard is not built; everything else works without it", f"`npm ci && npm run build` in {static}")
    else:
        yield Finding(
            "warning", "this installation came without the dashboard; everything else works", "install a wheel or an image that has it"
        )
