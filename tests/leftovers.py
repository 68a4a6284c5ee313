"""The folder of a test process for temporary files. It is removed when the process ends, or by a later run if the process was killed."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
from functools import cache
from pathlib import Path

from tests import memory

_NAME = re.compile(r"footfall-tests-(\d+)-(\d+)-(\d+)")  # of the namespace and the process, and when it started: numbers are used again
_PYTEST = "pytest-of-*/pytest-*/.lock"  # pytest removes the folders of killed runs after three days only
_QUIT_WITHIN = 5.0  # seconds
_SELF = Path("/proc/self/ns/pid")
_inherited = Path(tempfile.gettempdir())
disk = _inherited.parent if _NAME.fullmatch(_inherited.name) else _inherited


@cache
def folder(*, in_memory: bool = False) -> Path:
    """The folder of this process, on disk or, if there is room, in memory."""
    place = (memory.folder() if in_memory else None) or disk
    made = place / f"footfall-tests-{_namespace()}-{os.getpid()}-{started(os.getpid())}"
    made.mkdir(exist_ok=True)
    made.chmod(0o755)  # PostgreSQL does not run as root, and has its data here
    atexit.register(_remove, made, os.getpid())
    return made


def places() -> set[Path]:
    """The folders in which `folder` creates its own."""
    return {disk, memory.folder() or disk}


def use() -> None:
    """Let this process and its children create temporary files in its folder on disk."""
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder())


def remove_dead() -> None:
    """Remove the folders of processes that have ended, and stop the PostgreSQL servers that still run there."""
    if not _SELF.exists():
        return
    for place in places():
        for found in place.glob("footfall-tests-*"):
            match = _NAME.fullmatch(found.name)
            if match and int(match[1]) == _namespace() and started(int(match[2])) != match[3]:
                for pid_file in found.glob("*/data/postmaster.pid"):
                    _stop_postgres(pid_file)
                shutil.rmtree(found, ignore_errors=True)
    for lock in (memory.folder() or disk).glob(_PYTEST):
        with contextlib.suppress(OSError, ValueError):  # another run may remove it as well
            if started(int(lock.read_text(encoding="ascii"))) is None:
                shutil.rmtree(lock.parent, ignore_errors=True)


def _namespace() -> int:
    """The namespace that numbers of processes are valid in; containers may share a folder."""
    return _SELF.stat().st_ino if _SELF.exists() else 0


def started(pid: int) -> str | None:
    """The moment at which a process started, in ticks since the machine did; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _stop_postgres(pid_file: Path) -> None:
    """Stop the server whose data is beside this file, if it runs."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
        if os.fsencode(pid_file.parent) not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _QUIT_WITHIN
        while started(pid) is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def _remove(made: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        shutil.rmtree(made, ignore_errors=True)
