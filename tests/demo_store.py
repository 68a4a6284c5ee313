"""The data folder of a server with a month of demo data, which is filled once for all processes of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

EVENTS = 6_000


def fill(server: Any, factory: pytest.TempPathFactory) -> None:
    """Give a server that has not started yet a copy of the demo data. The first process to ask fills it, which takes 4 s of CPU time."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the folder of the run
    data: Path = server.folder / "data"
    with (root / "demo.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        filled = root / "demo"
        if not filled.exists():
            assert server.footfall("demo", "--events", str(EVENTS)).returncode == 0
            shutil.copytree(data, root / "demo.part")
            (root / "demo.part").rename(filled)
            return
    shutil.copytree(filled, data)
