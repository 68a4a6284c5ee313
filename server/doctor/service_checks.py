"""Checks of PostgreSQL and Redis, if configured: reachable, recent enough, and set up for Footfall. Messages contain no address and no password."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import redis

from server.doctor import client_checks
from server.doctor.finding import Finding, size
from server.settings import Settings
from server.storage.migrations import APP, migrations
from server.storage.postgres.postgres_writer import connect

OLDEST_POSTGRES = 130_000  # pg_xact_status, and partitions that are attached with a short lock
OLDEST_REDIS = (5, 0)
SLOW = 0.02  # seconds for a trivial query
_EVICTING = ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")


def postgres(settings: Settings) -> Iterator[Finding]:
    """Check the PostgreSQL of FOOTFALL_DATABASE_URL."""
    assert settings.database_url is not None
    try:
        connection = connect(settings.database_url)
    except psycopg.Error as error:
        what = f"the PostgreSQL of FOOTFALL_DATABASE_URL cannot be reached: {_error_kind(error)}"
        yield Finding(
            "problem", what, "check that it runs, that this machine may connect to it, and that user, password and database are correct"
        )
        return
    with contextlib.closing(connection):
        yield from _examined(connection)
    if not settings.secret:
        yield Finding("problem", "FOOTFALL_SECRET is not set, but all servers on one PostgreSQL must share it", "openssl rand -base64 32")


def _examined(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    version = connection.info.server_version
    bytes_ = _one(connection, "SELECT pg_database_size(current_database())")
    took = _timed(lambda: _one(connection, "SELECT 1"))
    if version < OLDEST_POSTGRES:
        yield Finding("problem", f"PostgreSQL {version // 10_000} is too old", "Footfall requires PostgreSQL 13 or later")
    yield Finding("ok", f"PostgreSQL {version // 10_000} responds in {took * 1000:.1f} ms, and the database has {size(bytes_)}")
    if took > SLOW:
        yield Finding(
            "warning",
            f"PostgreSQL takes {took * 1000:.0f} ms to answer",
            "move it closer to the servers: a commit sends a dozen statements",
        )
    if _one(connection, "SELECT pg_is_in_recovery()"):
        yield Finding("problem", "this PostgreSQL is a standby and accepts no writes", "name the primary in FOOTFALL_DATABASE_URL")
    if _one(connection, "SHOW fsync") != "on":
        fix = "set fsync = on: otherwise a power failure can lose acknowledged events or the whole database"
        yield Finding("problem", "PostgreSQL runs with fsync off", fix)
    yield from _migrated(connection)
    if _one(connection, "SELECT to_regclass('ledger') IS NOT NULL"):
        yield from client_checks.unserved(connection.execute(client_checks.SQL.format("%s", "%s").encode(), client_checks.parameters()))


def _migrated(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    if not _one(connection, "SELECT to_regclass('migration')"):
        yield Finding("ok", "there are no tables yet", "`footfall serve` creates them")
        return
    done = {row[0] for row in connection.execute("SELECT name FROM migration WHERE app_name = %s", (APP,)).fetchall()}
    known = {migration.id for migration in migrations()}
    if done - known:
        yield Finding("problem", "the store was written by a newer Footfall", "run that version, or restore a backup")
    elif known - done:
        yield Finding("ok", f"{len(known - done)} migrations have not run", "`footfall serve` runs them, or `footfall migrate`")
    else:
        events = _one(
            connection,
            "SELECT COALESCE(sum(GREATEST(reltuples, 0)), 0)::bigint FROM pg_class WHERE relname LIKE 'event\\_2%' AND relkind = 'r'",
        )
        stray = _one(connection, "SELECT count(*) FROM (SELECT 1 FROM event_default LIMIT 100001) AS few")
        yield Finding("ok", f"the tables are up to date, with about {events:,} events")
        if stray > 100_000:
            yield Finding(
                "warning",
                "many events are outside the monthly partitions",
                "imports of old events cause this; `footfall job retention` creates their partitions",
            )


def shared(settings: Settings) -> Iterator[Finding]:
    """Check the Redis of FOOTFALL_REDIS_URL."""
    if not settings.redis_url:
        return
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        took = _timed(client.ping)
        about: Any = client.info()
        policy = str(about.get("maxmemory_policy", ""))
    except (redis.exceptions.RedisError, OSError) as error:
        what = f"the Redis of FOOTFALL_REDIS_URL cannot be used: {type(error).__name__}"
        yield Finding(
            "warning", what, "without it, each server applies its own limits; check that it runs, and that the password is correct"
        )
        return
    finally:
        client.close()
    version = tuple(int(part) for part in str(about.get("redis_version", "0.0")).split(".")[:2])
    if version < OLDEST_REDIS:
        yield Finding("problem", f"Redis {'.'.join(map(str, version))} is too old", "Footfall requires Redis 5 or later")
    yield Finding("ok", f"Redis {'.'.join(map(str, version))} responds in {took * 1000:.1f} ms")
    if policy in _EVICTING and about.get("maxmemory"):
        yield Finding(
            "warning",
            f"Redis evicts keys when it is full ({policy})",
            "evicted limits start again: give Redis more memory, or set noeviction",
        )


def _one(connection: psycopg.Connection[Any], sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return None if row is None else row[0]


def _timed(work: Any) -> float:
    """The shortest of three measurements."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def _error_kind(error: psycopg.Error) -> str:
    """The kind of an error: its text may contain the address."""
    text = str(error)
    kinds = {
        "refused": "the connection was refused",
        "password": "the password is wrong",
        "timeout": "no answer",
        "does not exist": "there is no such database or user",
    }
    return next((meaning for mark, meaning in kinds.items() if mark in text), type(error).__name__)
