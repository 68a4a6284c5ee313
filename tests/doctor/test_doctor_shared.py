"""`footfall doctor` on PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.doctor import Finding, examine
from server.settings import Settings, load
from server.storage.engine import open_store
from tests.conftest import SECRET
from tests.postgres import Postgres, running
from tests.redis_server import running_redis


def messages(findings: list[Finding], level: str) -> str:
    return "\n".join(finding.message for finding in findings if finding.level == level)


def settings_of(folder: Path, **env: str) -> Settings:
    return load({"FOOTFALL_DATA_DIR": str(folder), **{f"FOOTFALL_{name}": value for name, value in env.items()}})


@pytest.mark.slow
async def test_a_healthy_postgresql_is_reported_as_healthy(tmp_path: Path) -> None:
    with running(own=True) as postgres:
        settings = settings_of(tmp_path, DATABASE_URL=postgres.fresh(), SECRET=SECRET)
        await (await open_store(settings)).close()
        findings = await examine(settings)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        hurried = await examine(settings)
    assert "responds in" in messages(findings, "ok")
    assert "the tables are up to date" in messages(findings, "ok")
    assert messages(findings, "problem") == ""
    assert messages(hurried, "problem") == "PostgreSQL runs with fsync off"


async def test_an_empty_postgresql_without_a_secret_is_reported(postgres: Postgres, tmp_path: Path) -> None:
    findings = await examine(settings_of(tmp_path, DATABASE_URL=postgres.address(postgres.empty())))
    assert "no tables yet" in messages(findings, "ok")
    assert "FOOTFALL_SECRET is not set" in messages(findings, "problem")


async def test_an_unreachable_postgresql_is_reported_without_its_password(tmp_path: Path) -> None:
    findings = await examine(settings_of(tmp_path, DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/footfall", SECRET=SECRET))
    assert "the connection was refused" in messages(findings, "problem")
    assert "hunter2" not in str(findings)


async def test_a_reachable_and_an_unreachable_redis_are_reported(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        assert "Redis" in messages(await examine(settings_of(tmp_path, REDIS_URL=redis.url)), "ok")
    findings = await examine(settings_of(tmp_path, REDIS_URL=redis.url.replace("redis://", "redis://:hunter2@")))
    assert "cannot be used" in messages(findings, "warning")
    assert "hunter2" not in str(findings)


@pytest.mark.slow
def test_a_server_that_lost_its_redis_still_accepts_events(make_server: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        server = make_server(FOOTFALL_REDIS_URL=redis.url, FOOTFALL_SECRET=SECRET, FOOTFALL_RATE_LIMIT="1000/minute").start()
    assert server.client.post("/dl/peon").status_code == 202
    assert server.client.get("/health").json()["status"] == "degraded"
    report = server.footfall("doctor").stdout
    assert f"runs on 127.0.0.1:{server.port} and accepts events" in report
    assert "accepts no writes" not in report
