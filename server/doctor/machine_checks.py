"""Checks of the machine and the installation."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from server import __version__, event_id, machine_memory
from server.clock import epoch_ms, utc_minute
from server.doctor.finding import Finding, size
from server.event import DAY
from server.settings import Settings, bundled

OLDEST_SQLITE = (3, 35, 0)  # RETURNING
FEWEST_FILES = 1024
LEAST_MEMORY = 128 << 20

_CONTAINER_SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_MEMORY = Path("/proc/meminfo")


def versions(_: Settings) -> Iterator[Finding]:
    """Report the versions, and check that SQLite supports the statements of the store."""
    found = f"Footfall {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        fix = "use a Python with a newer SQLite, such as the one in the container image"
        yield Finding("problem", f"{found}: SQLite is older than {'.'.join(map(str, OLDEST_SQLITE[:2]))}", fix)
    else:
        yield Finding("ok", found)


def clock(_: Settings) -> Iterator[Finding]:
    """Check the clock: events are filed under their time of arrival, so a wrong clock misplaces them."""
    now = epoch_ms()
    shown = f"{utc_minute(now)} UTC"
    fix = "set the clock (`timedatectl set-ntp true`) before events arrive"
    if now < event_id.EPOCH:
        yield Finding("problem", f"the clock says {shown}: events cannot be filed that early", fix)
    elif now + DAY < _installed_at():
        yield Finding("warning", f"the clock says {shown}, which is before Footfall was installed", fix)
    else:
        yield Finding("ok", f"the clock says {shown}")


def _installed_at() -> float:
    """The time of the installation in epoch milliseconds: that of the binary, or of this file."""
    program = sys.executable if getattr(sys, "frozen", False) else __file__
    return Path(program).stat().st_mtime * 1000


def limits(_: Settings) -> Iterator[Finding]:
    """Check the limit on open files, which the server raises to its maximum, and the available memory."""
    _soft, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FEWEST_FILES:
        fix = "raise it: `ulimit -Hn 65536`, or LimitNOFILE=65536 in the systemd unit"
        yield Finding("warning", f"only {files} files may be open at once, and each connection is one", fix)
    else:
        yield Finding("ok", f"{'any number of' if files == resource.RLIM_INFINITY else files} files may be open at once")
    memory = _memory()
    if memory is not None and memory < LEAST_MEMORY:
        yield Finding(
            "warning", f"only {size(memory)} of memory is available", "stop other programs, or give this machine or container more"
        )


def _memory() -> int | None:
    """Available bytes according to Linux: the machine's memory, or the container's limit if that is lower."""
    if not _MEMORY.exists():
        return None
    lines = dict(line.partition(":")[::2] for line in _MEMORY.read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    limit = machine_memory.group_limit()
    return available if limit is None else min(available, limit)


def user(_: Settings) -> Iterator[Finding]:
    """Check that the server does not run as root, which it never needs."""
    if os.geteuid() != 0:
        yield Finding("ok", "it does not run as root")
    elif any(sign.exists() for sign in _CONTAINER_SIGNS):
        yield Finding("ok", "this runs as root, in a container", "Footfall does not need root: its own image runs as another user")
    else:
        yield Finding("warning", "this runs as root", "Footfall does not need root: run it as a dedicated user who owns the data folder")


def bundles(_: Settings) -> Iterator[Finding]:
    """Check the folders that are bundled with the package."""
    if not any(bundled("migrations").glob("footfall_*.py")):
        yield Finding("problem", "the migrations are missing from this installation", "install Footfall again")
    static = bundled("static")
    if any(static.glob("dist/*")):
        yield Finding("ok", "the dashboard is installed")
    elif (static / "package.json").exists():
        yield Finding("warning", "the dashboard is not built; everything else works without it", f"`npm ci && npm run build` in {static}")
    else:
        yield Finding(
            "warning", "this installation came without the dashboard; everything else works", "install a wheel or an image that has it"
        )
