"""Events with every kind of value that questions meet: missing, listed, nested, numeric and unusual ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store

START = 20_700 * DAY
DAYS = 45
END = START + DAYS * DAY
MAIN, OTHER = 1, 2
RULES = {project: TargetRules(listed_only=False, most=10_000) for project in (MAIN, OTHER)}
VERSIONS = ("1.9.0", "1.10.0", "2.0.0-rc.2", "2.0.0", "2.0.0+build.5", "2.7.1", "v3.0.0", "nightly", None)
_NAMES = ("init", "build", "deploy", "it's {odd}")
# The history stores lists as JSON, in which it searches for the text of an element.
_TAGS: tuple[Any, ...] = ("a", "b", "ünï", 7, 1.5, True, None, 'b,"a', "a\\")


def events(count: int, seed: int) -> Iterator[Event]:
    """The events in order of arrival."""
    chance = random.Random(seed)
    installs = [number * 7_919 - 100_000 for number in range(max(8, count // 25))]
    ids = EventIds(1)
    moments = sorted(START + chance.randrange(DAYS * DAY) for _ in range(count))
    for number, at in enumerate(moments):
        late = chance.randrange(3 * DAY) if chance.random() < 0.1 else 0
        project = OTHER if number % 50 == 49 else MAIN
        outcome = chance.choice(list(Outcome))
        yield Event(
            id=ids.take(1, max(at + late, moments[number]))[0],
            project=project,
            name=chance.choice(_NAMES),
            occurred_at=at,
            context=_context(chance),
            install=None if chance.random() < 0.1 else chance.choice(installs) * project,
            target=chance.choice((None, ("tool", "grep"), ("tool", "sed"), ("page", "grep"))),
            outcome=outcome,
            duration_us=chance.choice((None, 0, 1_500, int(chance.lognormvariate(12, 2)))),
            error_type=chance.choice((None, "Timeout", "ENOENT")) if outcome is Outcome.FAILURE else None,
            skewed=chance.random() < 0.05,
            session=number // 40 if number % 3 == 0 else None,
            properties=_properties(chance),
            weight=chance.choice((2, 3, 10, 200)) if number % 20 == 7 else 1,
        )


def _context(chance: random.Random) -> Context:
    return Context(
        chance.choice(list(Environment)),
        "reported",
        chance.choice(("native", "sonicjs")),
        chance.choice(("linux", "macos", "windows", None)),
        chance.choice(("x64", "arm64", None)),
        chance.choice(("node 18", "node 20", "bun 1.1", None)),
        chance.choice(VERSIONS),
        chance.choice(("npm", None)),
        chance.choice(("claude-code", "cursor", None, None)),
        chance.choice(("brew", "npm", None)),
        chance.choice(("true", "false", None)),
    )


def _properties(chance: random.Random) -> str | None:
    found: dict[str, Any] = {}
    if chance.random() < 0.5:
        found["theme"] = chance.choice(("dark", "light", "", True, False, None, 3, {"deep": "x"}, '["a","b"]', ["dark"]))
    if chance.random() < 0.4:
        found["tags"] = [chance.choice(_TAGS) for _ in range(chance.randrange(4))]
    if chance.random() < 0.4:
        found["build"] = {"stage": chance.choice(("dependencies", "bundle")), "files": chance.randrange(100)}
    if chance.random() < 0.2:
        found["build.stage"] = "flat"
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else None


async def fill(store: Store, count: int, seed: int = 5) -> None:
    """Store the events as they would arrive."""
    arriving = sorted(events(count, seed), key=lambda event: event.id)
    for start in range(0, len(arriving), 500):
        await store.commit(Batch(arriving[start : start + 500], target_rules=RULES))
