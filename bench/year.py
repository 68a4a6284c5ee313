"""A store like that of a real tool after a year: releases, upgrades, tens of thousands of contexts, and properties that differ by event."""

from __future__ import annotations

import asyncio
import math
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

DAYS = 365
INSTALLS = 100_000
RELEASES = 60
SETUPS = 1_200  # combinations of system, runtime and source; each install has one
A_COMMIT = 4_000
_COMMANDS = ("init", "build", "build", "build", "deploy", "dev", "dev", "test", "lint", "add", "remove", "update", "login", "doctor")
_ENVIRONMENTS = (Environment.UNKNOWN, Environment.UNKNOWN, Environment.PERSON, Environment.CI, Environment.CI, Environment.CONTAINER)
_ERRORS = ("Timeout", "ENOENT", "EACCES", "SyntaxError", "OutOfMemory")
_TEMPLATES = ("starter", "blog", "shop", "docs", "api", "empty", "monorepo", "plugin")
_STAGES = ("dependencies", "compile", "bundle", "upload", "finish")


def fill_year(folder: Path, events: int) -> None:
    """Fill a data folder with events of project 1, evenly over the last year."""
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
    chance, ids = random.Random(1), EventIds(1)
    start = time.time_ns() // 1_000_000 // DAY * DAY - DAYS * DAY
    setups = [_setup(chance) for _ in range(SETUPS)]
    popular = [1 / (place + 5) for place in range(SETUPS)]
    of_install = [
        (chance.getrandbits(64) - (1 << 63), setup, chance.expovariate(0.5)) for setup in chance.choices(setups, popular, k=INSTALLS)
    ]
    contexts: dict[tuple[int, int], Context] = {}
    for first in range(0, events, A_COMMIT):
        size = min(A_COMMIT, events - first)
        at = start + DAYS * DAY * first // events
        arrived = max(1, INSTALLS * (first + size) // events)
        batch = []
        for place, event_id in enumerate(ids.take(size, at)):
            install, setup, lag = of_install[_active(chance, arrived)]
            release = max(0, int(RELEASES * (first + place) / events - lag))
            key = (release, id(setup))
            if key not in contexts:
                contexts[key] = _at_release(setup, release)
            batch.append(_event(chance, event_id, at, install, contexts[key]))
        yield batch


def _active(chance: random.Random, arrived: int) -> int:
    """Choose an install: one of the last few thousand that arrived, or an old one, of which some are much more active."""
    if chance.random() < 0.4:
        return max(0, arrived - 1 - int(chance.expovariate(1 / 2_000)))
    return int(arrived * chance.random() ** 3)


def _setup(chance: random.Random) -> Context:
    environment = chance.choice(_ENVIRONMENTS)
    os = chance.choice(("linux", "linux", "darwin", "windows"))
    agents = (None, None, None, None, "claude-code", "cursor", "codex")
    return Context(
        environment,
        "properties.ci" if environment is Environment.CI else "",
        "native",
        os,
        chance.choice(("x64", "x64", "arm64")),
        f"node {chance.choice((18, 20, 20, 22, 24))}.{int(chance.expovariate(0.15)) % 25}",
        None,
        chance.choice(("npm", "npm", "pnpm", "yarn", "bun", None)),
        chance.choice(agents),
        chance.choice(("npm", "npm", "brew", "curl", "cargo", None)),
        "false" if environment is Environment.CI else chance.choice(("true", "true", "false")),
    )


def _at_release(setup: Context, release: int) -> Context:
    version = f"{1 + release // 25}.{release // 4 % 7}.{release % 4}"
    fields = {name: getattr(setup, name) for name in setup.__struct_fields__}
    return Context(**{**fields, "version": version})


def _event(chance: random.Random, event_id: int, at: int, install: int, context: Context) -> Event:
    name = chance.choice(_COMMANDS)
    failed = chance.random() < 0.06
    properties = (
        f'{{"template":"{chance.choice(_TEMPLATES)}","stage":"{chance.choice(_STAGES)}","files":{int(chance.expovariate(0.002))},'
        f'"cache":{"true" if chance.random() < 0.7 else "false"},"features":["{chance.choice(_TEMPLATES)}","{chance.choice(_STAGES)}"],'
        f'"project":{{"kind":"{chance.choice(_TEMPLATES)}","packages":{chance.randrange(40)}}},"seconds":{chance.random() * 60:.2f}}}'
    )
    return Event(
        id=event_id,
        project=1,
        name=name,
        occurred_at=at,
        context=context,
        install=install,
        session=install // (1 + at // DAY),
        duration_us=int(math.exp(chance.gauss(14, 1.5))),
        outcome=Outcome.FAILURE if failed else Outcome.SUCCESS,
        error_type=chance.choice(_ERRORS) if failed else None,
        properties=properties,
    )
