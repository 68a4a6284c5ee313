"""Operators see the state of the history: in `footfall doctor`, `/health` and the list of jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.doctor import history_checks
from server.event import DAY
from server.history import History
from server.jobs import Run
from server.jobs.history_job import build_history
from server.settings import Settings, load
from server.storage.engine import Store
from tests.conftest import Server
from tests.history.conftest import NOW


def test_a_server_builds_its_history_and_health_shows_it(server: Server) -> None:
    for number in range(3):
        server.client.post("/v1/events", json={"name": "build", "installation_id": f"i{number}"})
    empty = {"enabled": True, "files": 0, "events": 0, "bytes": 0, "max_bytes": 1 << 30, "complete": True, "lag": None}
    assert server.client.get("/health").json()["history"] == empty
    built = server.footfall("job", "build-history")
    assert "3 events read" in built.stdout, built
    health = server.client.get("/health").json()["history"]
    assert (health["files"], health["events"]) == (1, 3)
    assert "the history has 3 events in 1 file" in server.footfall("doctor").stdout


@pytest.mark.slow
def test_the_files_of_a_history_that_is_switched_off_are_deleted(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    server.client.post("/dl/peon")
    server.footfall("job", "build-history")
    assert list((server.folder / "data" / "history").glob("*.parquet"))
    assert server.stop() == 0
    server.env["FOOTFALL_HISTORY"] = "off"
    server.start()
    assert "off" in server.footfall("job", "build-history").stdout
    assert not (server.folder / "data" / "history").exists()
    assert server.client.get("/health").json()["history"]["enabled"] is False
    assert "the history is off" in server.footfall("doctor").stdout


@pytest.mark.slow
def test_a_restored_store_has_a_history_of_its_own(server: Server) -> None:
    data = server.folder / "data"
    server.client.post("/v1/events", json={"name": "build", "installation_id": "i1"})
    assert server.footfall("backup", "--to", str(data / "copy.sqlite3")).returncode == 0
    server.client.post("/v1/events", json={"name": "build", "installation_id": "i2"})
    assert "2 events read" in server.footfall("job", "build-history").stdout
    assert server.stop() == 0
    assert server.footfall("restore", "--yes", str(data / "copy.sqlite3")).returncode == 0
    assert not (data / "history").exists()
    assert "1 files with 1 events" in server.footfall("job", "build-history").stdout


async def test_the_job_reports_only_runs_that_did_something(store: Store, settings: Settings, fill: Any, history: History) -> None:
    run = Run(store, settings, now=lambda: NOW, history=history)
    assert await build_history(run) == ""
    await fill(300)
    assert "300 events read" in await build_history(run)
    assert await build_history(run) == ""
    later = History(store, settings, now=lambda: NOW + DAY)
    assert await build_history(dataclasses.replace(run, history=later)) == ""
    later.close()
    assert "0 events read" in await build_history(dataclasses.replace(run, by_hand=True))


async def test_doctor_finds_a_damaged_file(
    history: History, store: Store, settings: Settings, fill: Any, segments: Callable[[], list[Path]]
) -> None:
    assert [finding.level for finding in history_checks.history(settings)] == ["ok"]
    await fill(300)
    await history.build()
    assert [finding.level for finding in history_checks.history(settings)] == ["ok"]
    segments()[0].write_bytes(b"nothing")
    (finding,) = history_checks.history(settings)
    assert finding.level == "warning"
    assert "build_history" in finding.fix


@pytest.mark.slow
def test_the_server_imports_the_library_at_the_first_question(make_server: Callable[..., Server]) -> None:
    server = make_server(PYTHONHASHSEED="0").start()  # a variable of Python: no fork of a process that has imported everything
    server.client.post("/dl/peon")
    assert server.client.get("/health").status_code == 200
    assert server.process is not None
    assert "_duckdb" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_settings_of_the_history_have_defaults_and_bounds() -> None:
    settings = load({})
    assert (settings.history, settings.history_memory, settings.history_threads) == (True, None, 1)
