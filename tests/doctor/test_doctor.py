"""`footfall doctor` names the problems of an installation and their solutions, and changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import doctor, machine_memory
from server.doctor import Finding, examine, folder_checks, machine_checks, store_checks
from server.event import DAY
from server.event_id import first_id
from server.settings import Settings, bundled, load
from server.storage.engine import open_store, server_secret
from server.storage.projects import create_project, ensure_admin, ensure_default

UNPRIVILEGED = 65534


def settings_of(data: Path, **env: str) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return load({"FOOTFALL_DATA_DIR": str(data), "FOOTFALL_PORT": str(port), **{f"FOOTFALL_{name}": value for name, value in env.items()}})


async def make_store(settings: Settings) -> None:
    """The data folder of a stopped server."""
    store = await open_store(settings)
    server_secret(settings)
    await ensure_default()
    await create_project("demo")
    await ensure_admin(None)
    await store.close()


@pytest.fixture
async def served(tmp_path: Path) -> Settings:
    settings = settings_of(tmp_path / "data")
    await make_store(settings)
    return settings


def everything_in(path: Path) -> dict[Path, tuple[int, int, bytes]]:
    """The mode, modification time and content of each file below a folder."""
    files = sorted(path.rglob("*"))
    return {file: (file.stat().st_mode, file.stat().st_mtime_ns, file.read_bytes() if file.is_file() else b"") for file in files}


async def ask(settings: Settings) -> list[Finding]:
    """Return the findings, and check that the examination changed no file."""
    above = settings.data_dir.parent
    before = everything_in(above)
    findings = await examine(settings)
    assert everything_in(above) == before
    return findings


def finding_of(findings: list[Finding], level: str, *words: str) -> Finding:
    """The finding of a level that contains all of the words."""
    for finding in findings:
        if finding.level == level and all(word in f"{finding.message} {finding.fix}" for word in words):
            return finding
    raise AssertionError(f"no {level} with {words} among:\n" + "\n".join(map(str, findings)))


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "problem"]


# --- nothing is wrong ---------------------------------------------------------------------------------------------------------------------


async def test_before_the_first_start_doctor_names_what_serve_will_create_and_creates_nothing(tmp_path: Path) -> None:
    findings = await ask(settings_of(tmp_path / "not" / "there"))
    assert problems(findings) == []
    for what in ("data folder", "secret", "database"):
        assert "footfall serve" in finding_of(findings, "ok", what, "yet").fix
    assert everything_in(tmp_path) == {}


async def test_a_healthy_store_is_reported_as_healthy(served: Settings) -> None:
    findings = await ask(served)
    assert problems(findings) == []
    for what in ("is intact", "tables are up to date", "2 projects, 0 keys, 1 admin; no events yet", "for its owner only", "is free"):
        finding_of(findings, "ok", what)


def test_doctor_beside_a_running_server_asks_it_for_its_health(server: Any) -> None:
    server.client.post("/dl/peon")
    said = server.footfall("doctor")
    assert said.returncode == 0, said.stdout
    assert f"runs on 127.0.0.1:{server.port} and accepts events" in said.stdout
    assert "database is intact" in said.stdout
    assert server.client.post("/dl/peon").status_code == 202


async def test_doctor_checks_a_store_in_use(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.client.post("/dl/peon")
    monkeypatch.setattr(store_checks, "LARGE_WAL", 1)
    findings = await ask(settings_of(server.folder / "data"))
    assert problems(findings) == []
    finding_of(findings, "ok", "1 project", "the last event arrived on")
    finding_of(findings, "warning", "-wal has grown to", "restart the server")


async def test_after_a_crash_the_store_is_read_as_the_next_start_will_find_it(server: Any) -> None:
    server.client.post("/dl/peon")
    server.kill()
    settings = settings_of(server.folder / "data")
    findings = await ask(settings)
    assert problems(findings) == []
    finding_of(findings, "ok", "the last event arrived on")

    settings.sqlite_path.with_name("footfall.sqlite3-shm").unlink()
    finding_of(await ask(settings), "warning", "was not closed", "keep the -wal file")


# --- the store ----------------------------------------------------------------------------------------------------------------------------


async def test_a_damaged_store_is_a_problem_and_a_backup_repairs_it(served: Settings) -> None:
    with served.sqlite_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 16_384)
    finding_of(await ask(served), "problem", "database", "restore the last backup")


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"\0" * 84, b"SQLite format 3\0"])
async def test_a_file_that_is_not_a_store_is_a_problem(served: Settings, content: bytes) -> None:
    served.sqlite_path.write_bytes(content)
    finding_of(await ask(served), "problem", "footfall.sqlite3", "restore the last backup")


async def test_an_empty_file_is_a_warning(served: Settings) -> None:
    served.sqlite_path.write_bytes(b"")
    finding_of(await ask(served), "warning", "is empty", "restore a backup")


async def test_the_database_of_another_program_is_a_problem(served: Settings) -> None:
    served.sqlite_path.unlink()
    change(served, "CREATE TABLE bookmarks (id INTEGER PRIMARY KEY)")
    finding_of(await ask(served), "problem", "another program", "FOOTFALL_DATA_DIR")


async def test_a_store_of_a_newer_version_is_a_problem(served: Settings) -> None:
    change(served, "INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:00:000000', 'footfall')")
    finding_of(await ask(served), "problem", "newer Footfall", "2999-01-01", "restore a backup")


async def test_a_store_of_an_older_version_waits_for_its_migrations(served: Settings) -> None:
    change(served, "DELETE FROM migration")
    finding_of(await ask(served), "warning", "older", "footfall_0001_initial", "footfall migrate")


async def test_an_event_from_the_future_shows_a_wrong_clock(served: Settings) -> None:
    day_after_tomorrow = first_id(round(time.time() * 1000) + 2 * DAY)
    change(
        served,
        "INSERT INTO event (id, project_id, name_id, context_id, occurred_at, outcome) VALUES (?, 1, 1, 1, 0, 0)",
        day_after_tomorrow,
    )
    finding_of(await ask(served), "warning", "newest event arrived in the future", "set the clock")


async def test_the_check_of_a_large_store_has_a_time_limit(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_checks, "CHECK_FOR", 0)
    monkeypatch.setattr(store_checks, "_STEPS", 1)
    findings = await ask(served)
    assert problems(findings) == []
    finding_of(findings, "ok", "not checked completely", "PRAGMA integrity_check")
    finding_of(findings, "ok", "tables are up to date")


async def test_no_login_is_possible_until_the_next_start_creates_a_token(served: Settings) -> None:
    change(served, "DELETE FROM api_key")
    finding_of(await ask(served), "ok", "no admin yet", "admin token")


def change(settings: Settings, sql: str, *arguments: Any) -> None:
    with contextlib.closing(sqlite3.connect(settings.sqlite_path, isolation_level=None)) as connection:
        connection.execute(sql, arguments)


# --- the folder and the secret ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "level", "words"),
    [
        ({"": 0o755, "footfall.sqlite3": 0o644}, "problem", ("every user on this machine can read", "chmod 600")),
        ({"": 0o750, "footfall.sqlite3": 0o640}, "warning", ("can read it", "chmod 600")),
        ({"": 0o777}, "problem", ("every user on this machine can write", "chmod 700")),
        ({"secret": 0o644}, "problem", ("other users can read or change the secret", "0644", "chmod 600")),
    ],
)
async def test_files_that_other_users_can_read_or_change_are_reported(
    served: Settings, modes: dict[str, int], level: str, words: tuple[str, ...]
) -> None:
    for name, mode in modes.items():
        (served.data_dir / name).chmod(mode)
    finding_of(await ask(served), level, *words)
    served.data_dir.chmod(0o700)
    if "secret" not in modes:  # a closed folder protects its files
        assert problems(await ask(served)) == []


async def test_a_store_without_its_secret_is_a_problem_because_no_install_would_be_known_again(served: Settings) -> None:
    (served.data_dir / "secret").unlink()
    finding_of(await ask(served), "ok", "there is no secret yet")  # as before the first start, after `footfall project create`
    change(served, "INSERT INTO install (id, project_id, first_seen, last_seen, environment, reason) VALUES (1, 1, 0, 0, 0, '')")
    finding_of(await ask(served), "problem", "is missing", "FOOTFALL_SECRET")


async def test_a_secret_that_is_too_short_is_a_problem(served: Settings) -> None:
    (served.data_dir / "secret").write_text("short\n")
    finding_of(await ask(served), "problem", "no usable secret", "restore it from a backup")


async def test_a_secret_in_the_settings_requires_no_file_but_must_equal_one_that_exists(served: Settings) -> None:
    kept = (served.data_dir / "secret").read_text().strip()
    finding_of(await ask(settings_of(served.data_dir, SECRET=kept)), "ok", "FOOTFALL_SECRET")
    findings = await ask(settings_of(served.data_dir, SECRET="another-secret-of-mine"))
    finding_of(findings, "warning", "FOOTFALL_SECRET is not the secret in", "not recognized")
    assert "another-secret-of-mine" not in str(findings)
    assert kept not in str(findings)


async def test_a_file_in_the_place_of_the_data_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    finding_of(await ask(settings_of(tmp_path / "data")), "problem", "is not a folder", "FOOTFALL_DATA_DIR")
    assert finding_of(await ask(settings_of(tmp_path / "data" / "below")), "problem", "cannot be created")


@pytest.mark.parametrize(("free", "level"), [(50 << 20, "problem"), (500 << 20, "warning"), (8 << 30, "warning"), (50 << 30, "ok")])
async def test_a_disk_that_fills_up_is_noticed(served: Settings, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    usage = shutil.disk_usage("/")._replace(total=100 << 30, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    finding_of(await ask(served), level, "free on the disk")


async def test_a_network_filesystem_is_a_problem(served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/export {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(folder_checks, "_MOUNTS", mounts)
    finding_of(await ask(served), "problem", "network filesystem (nfs4)", "FOOTFALL_DATA_DIR")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that every user can open, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="footfall-doctor-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def examine_as_another_user(settings: Settings) -> list[Finding]:
    """The findings of a user without the owner's or root's permissions."""
    # Another user may be unable to read Python's own files, so one examination loads everything before root drops its permissions.
    program = f"""
import asyncio, json, os
from server.doctor import examine
from server.settings import load
asyncio.run(examine(load(os.environ)))
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({UNPRIVILEGED})
    os.setuid({UNPRIVILEGED})
print(json.dumps(asyncio.run(examine(load(os.environ)))))
"""
    env = {**os.environ, "FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_PORT": str(settings.port)}
    said = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr
    return [Finding(*finding) for finding in json.loads(said.stdout)]


async def test_a_folder_that_cannot_be_written_is_a_problem(open_path: Path) -> None:
    settings = settings_of(open_path / "data")
    await make_store(settings)
    settings.data_dir.chmod(0o555)
    settings.sqlite_path.chmod(0o444)
    before = everything_in(open_path)
    findings = examine_as_another_user(settings)
    settings.data_dir.chmod(0o755)
    finding_of(findings, "problem", "data folder", "cannot be written", "chown")
    finding_of(findings, "problem", "would reject events", "chmod 600")
    finding_of(findings, "ok", "database is intact")
    settings.data_dir.chmod(0o555)
    assert everything_in(open_path) == before


@pytest.mark.slow
async def test_a_folder_of_another_user_is_reported_as_a_problem(open_path: Path) -> None:
    settings = settings_of(open_path / "data")
    await make_store(settings)
    settings.data_dir.chmod(0o000)
    findings = examine_as_another_user(settings)
    settings.data_dir.chmod(0o700)
    finding_of(findings, "problem", "data folder", "cannot be written", "chown")


@pytest.mark.slow
def test_a_folder_that_cannot_be_created_is_a_problem(open_path: Path) -> None:
    open_path.chmod(0o555)
    findings = examine_as_another_user(settings_of(open_path / "data"))
    open_path.chmod(0o755)
    finding_of(findings, "problem", "does not exist and cannot be created", "sudo install -d -m 700")


# --- the machine --------------------------------------------------------------------------------------------------------------------------


async def test_few_open_files_are_a_warning(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (128, 256))
    finding_of(await ask(served), "warning", "256 files", "ulimit -Hn")


async def test_little_memory_is_a_warning(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_memory, "group_limit", lambda: 64 << 20)
    finding_of(await ask(served), "warning", "only 64.0 MiB of memory")


@pytest.mark.parametrize(("year", "level"), [(1970, "problem"), (2024, "warning")])
async def test_a_clock_that_is_behind_is_noticed(served: Settings, monkeypatch: pytest.MonkeyPatch, year: int, level: str) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: round((year - 1970 + 0.1) * 365.25 * DAY * 1_000_000))
    finding_of(await ask(served), level, f"the clock says {year}", "timedatectl")


async def test_running_as_root_is_mentioned(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine_checks, "_CONTAINER_SIGNS", ())
    finding_of(await ask(served), "warning", "as root")


async def test_an_old_sqlite_is_a_problem(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    finding_of(await ask(served), "problem", "SQLite is older than 3.35")


async def test_without_a_built_dashboard_the_rest_works(served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "bundled", lambda name: tmp_path if name == "static" else bundled(name))
    finding_of(await ask(served), "warning", "without the dashboard")
    (tmp_path / "package.json").touch()
    finding_of(await ask(served), "warning", "dashboard is not built", "npm run build")


async def test_a_check_that_raises_is_reported_as_a_finding(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Settings) -> Iterator[Finding]:
        yield Finding("ok", "so far so good")
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(doctor, "CHECKS", (("the moon", broken), *doctor.CHECKS))
    findings = await ask(served)
    finding_of(findings, "problem", "the moon cannot be examined", "unforeseen")
    finding_of(findings, "ok", "database is intact")


# --- the network --------------------------------------------------------------------------------------------------------------------------


async def test_a_port_in_use_by_another_program_is_a_problem(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    with socket.create_server(("127.0.0.1", settings.port)):
        finding_of(await ask(settings), "problem", "in use by another program", "FOOTFALL_PORT")


@pytest.mark.parametrize(
    ("env", "level", "words"),
    [
        ({"HOST": "192.0.2.1"}, "problem", ("192.0.2.1", "cannot listen on", "FOOTFALL_HOST")),
        ({"PORT": "70000"}, "problem", ("ports end at 65535",)),
        ({"HOST": "0.0.0.0"}, "warning", ("all addresses", "FOOTFALL_TRUSTED_PROXIES=private", "share one rate limit")),
        ({"HOST": "0.0.0.0", "RATE_LIMIT": "off"}, "warning", ("FOOTFALL_RATE_LIMIT", "no limit")),
        ({"HOST": "0.0.0.0", "TRUSTED_PROXIES": "any"}, "warning", ("trusted from any address", "FOOTFALL_TRUSTED_PROXIES")),
        ({"TRUSTED_PROXIES": "private", "CLIENT_IP_HEADER": "Fly-Client-IP"}, "ok", ("fly-client-ip is trusted from", "10.0.0.0/8")),
        ({"DATABASE_URL": "postgresql://me:hunter2@db/footfall"}, "problem", ("PostgreSQL of FOOTFALL_DATABASE_URL cannot be reached",)),
    ],
)
async def test_risky_settings_are_named(tmp_path: Path, env: dict[str, str], level: str, words: tuple[str, ...]) -> None:
    findings = await ask(settings_of(tmp_path / "data", **env))
    finding_of(findings, level, *words)
    assert "hunter2" not in str(findings)
