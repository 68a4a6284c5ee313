"""Shared fixtures of the fault tests: a filled store, and readers of its tables and files."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.event import Context, Event
from server.event_id import EventIds
from server.settings import Settings
from server.storage import engine
from server.storage.batch import Batch
from server.storage.engine import Store

ids = EventIds(5)


@pytest.fixture
def post() -> Callable[..., None]:
    """A function that posts an event of each install to a server."""

    def run(server: Any, *installs: str) -> None:
        for install in installs:
            assert server.client.post("/v1/events", json={"name": "run", "installation_id": install}).status_code == 202

    return run


@pytest.fixture
def rows() -> Callable[[Path, str], list[Any]]:
    """A function that returns rows of a SQLite file."""

    def ask(path: Path, sql: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def files() -> Callable[[Path], dict[str, str]]:
    """A function that returns the hash of each file of a folder, except the lock, which exists from the first start."""

    def hashes(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "store.lock"
        }

    return hashes


@pytest.fixture
def fill() -> Callable[[Store, int], Any]:
    """A function that stores a number of events."""

    async def run(store: Store, count: int) -> None:
        for first in range(0, count, 1_000):
            some = ids.take(min(1_000, count - first))
            await store.commit(
                Batch(
                    [
                        Event(id=new, project=1, name="run", occurred_at=1_795_219_200_000, context=Context(), install=new % 90)
                        for new in some
                    ]
                )
            )

    return run


@pytest.fixture
async def filled(store: Store, settings: Settings, fill: Callable[[Store, int], Any]) -> Settings:
    """The settings of a closed store with 3,000 events and a secret."""
    engine.server_secret(settings)
    await fill(store, 3_000)
    await store.close()
    return settings
