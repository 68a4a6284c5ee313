"""A folder in memory for the files of tests, which would wait for every write to a disk."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_REQUIRED = 4 << 30  # bytes: the files of a run and their copies


@cache
def folder() -> Path | None:
    """The folder, or None if this machine has none, it is too small, or programs may not run in it. Tests then use the default folder."""
    if not os.access(_SHARED_MEMORY, os.W_OK) or os.statvfs(_SHARED_MEMORY).f_flag & os.ST_NOEXEC:  # tests of clients run programs there
        return None
    has_room = shutil.disk_usage(_SHARED_MEMORY).free >= _REQUIRED and _available() >= 2 * _REQUIRED
    return _SHARED_MEMORY if has_room else None


def _available() -> int:
    """The bytes of memory that programs can still allocate. Shared memory counts them as well."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
