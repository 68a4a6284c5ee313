"""Retention in a separate process that is killed: a repair afterwards changes no rollup."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY
from tests.conftest import SECRET, change_in

ENGINES = ("sqlite", "postgres")
OLD, RECENT = 20_000, 2_000

Make = Callable[..., Any]


@pytest.mark.slow
async def test_sums_outlive_a_killed_retention_and_the_repair_after_it(
    tmp_path: Path, database: dict[str, str], stored_at: Path | str, commit: Make, varied: Make, tables: Make, count: Make, now: int
) -> None:
    age = (time.time() * 1000 - now) / DAY  # the job reads the real clock
    await commit([*varied(OLD, 366 - age), *varied(RECENT, 20 - age)])
    before = tables()
    env = {**os.environ, "FOOTFALL_DATA_DIR": str(tmp_path / "data"), "FOOTFALL_SECRET": SECRET, **database}
    job = [sys.executable, "-m", "server", "job"]

    with subprocess.Popen([*job, "retention"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while count("event") == RECENT + OLD and process.poll() is None:
                await asyncio.sleep(0.002)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    assert RECENT < count("event") < RECENT + OLD

    def run(*words: str) -> str:
        answer = subprocess.run([*job, *words], check=False, env=env, capture_output=True, text=True, timeout=300)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    assert "all agree" in run("check_rollups", "--repair")
    assert tables() == before
    change_in(stored_at, "UPDATE lease SET expires_at = 0")  # the killed job could not release its lease, which expires
    run("retention")
    assert count("event") == RECENT
    assert "all agree" in run("check_rollups", "--repair")
    assert tables() == before
