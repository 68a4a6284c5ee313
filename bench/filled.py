"""Stores with many events, written by the store's own commit, and therefore with all rollups."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.settings import load
from server.storage.batch import Batch, TargetRules
from server.storage.engine import open_store
from server.storage.projects import ensure_default

DAYS = 30
INSTALLS = 20_000
A_COMMIT = 2_000
NAMES = ("installation_started", "installation_completed", "installation_failed", "command_run")
_OUTCOMES = {"installation_completed": Outcome.SUCCESS, "installation_failed": Outcome.FAILURE}
PROPERTIES = '{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"}'


def fill(folder: Path, events: int) -> None:
    """Events of the SonicJS shape in project 1, evenly over the last thirty days."""
    asyncio.run(_fill(folder, events))


async def _fill(folder: Path, events: int) -> None:
    store = await open_store(load({"FOOTFALL_DATA_DIR": str(folder)}))
    try:
        await ensure_default()
        for batch in _batches(events):
            await store.commit(Batch(batch, target_rules={1: TargetRules(False, 10_000)}))
    finally:
        await store.close()


def _batches(events: int) -> Iterator[list[Event]]:
    rng, ids = random.Random(1), EventIds(1)
    start = time.time_ns() // 1_000_000 - DAYS * DAY
    contexts = [
        Context(environment, "properties.ci" if environment else "", "sonicjs", os, arch, runtime, version, manager)
        for environment in (Environment.UNKNOWN, Environment.CI)
        for os in ("darwin", "linux", "windows")
        for arch in ("x64", "arm64")
        for runtime in ("node 20.10", "node 22.1")
        for version in ("2.0.1", "2.1.0", "2.1.1")
        for manager in ("npm", "pnpm")
    ]
    of_install = [(rng.getrandbits(64) - (1 << 63), rng.choice(contexts)) for _ in range(INSTALLS)]
    for first in range(0, events, A_COMMIT):
        at = start + DAYS * DAY * first // events
        batch = []
        for event_id in ids.take(min(A_COMMIT, events - first), at):
            name = rng.choice(NAMES)
            install, context = rng.choice(of_install)
            timed = rng.randrange(1_000, 60_000_000) if name in _OUTCOMES else None
            batch.append(
                Event(
                    id=event_id, project=1, name=name, occurred_at=at, context=context, install=install, duration_us=timed,
                    outcome=_OUTCOMES.get(name, Outcome.NONE), properties=PROPERTIES,
                )
            )  # fmt: skip
        yield batch
