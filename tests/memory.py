"""A folder in memory for the files of tests, where every write to a disk would be waited for."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_REQUIRED = 4 << 30  # bytes: the files of a run and their copies


@cache
def folder() -> Path | None:
    """The folder, or None if this machine has none or too little memory: the default folder of temporary files is used then."""
    if not os.access(_SHARED_MEMORY, os.W_OK) or shutil.disk_usage(_SHARED_MEMORY).free < _REQUIRED or _available() < 2 * _REQUIRED:
        return None
    return _SHARED_MEMORY


def _available() -> int:
    """The bytes of memory that programs can still allocate. Shared memory counts them as well."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
