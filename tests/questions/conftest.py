"""A store of each engine, filled once with the data set of `tests.questions.dataset`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from server.settings import Settings, load
from server.storage.engine import Store, open_store
from server.storage.projects import create_project, ensure_default
from tests.conftest import SECRET, rows_of
from tests.questions import dataset
from tests.questions.recount import QUERY, Raw

EVENTS = int(os.environ.get("FOOTFALL_TEST_QUESTION_EVENTS", "1500"))


class Filled(NamedTuple):
    """A filled store: its settings, its events, and the time at which each install was first seen."""

    settings: Settings
    events: list[Raw]
    first_seen: dict[int, int]

    def __repr__(self) -> str:
        return f"Filled({len(self.events)} events)"


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    env = {"FOOTFALL_DATA_DIR": str(tmp_path_factory.mktemp("questions") / "data"), "FOOTFALL_SECRET": SECRET}
    if request.param == "postgres":
        env["FOOTFALL_DATABASE_URL"] = request.getfixturevalue("postgres").fresh()
    settings = load(env)

    async def fill() -> None:
        store = await open_store(settings)
        await ensure_default()
        await create_project("other")
        await dataset.fill(store, EVENTS)
        await store.close()

    asyncio.run(fill())
    return read(settings)


def read(settings: Settings) -> Filled:
    """Read the events of a store as they are now."""
    where: Path | str = settings.database_url or settings.sqlite_path
    events = [Raw.of(row) for row in rows_of(where, QUERY)]
    first_seen = {row[0]: row[1] for row in rows_of(where, "SELECT id, first_seen FROM install")}
    return Filled(settings, events, first_seen)


@pytest.fixture
async def full(filled: Filled) -> AsyncIterator[Store]:
    """The filled store, open."""
    store = await open_store(filled.settings)
    yield store
    await store.close()
