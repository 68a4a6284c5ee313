"""A deterministic synthetic project of any size, for tests that recount it.

Ninety days of a tool with installs that come, upgrade and leave; most events are those of people. Some arrive days late, some installs run in two
environments, some events do not report their environment. A second, small project beside it must not be counted.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator

from server.event import DAY, HOUR, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store

FIRST_DAY = 20_700  # a Saturday in 2026
DAYS = 90
START = FIRST_DAY * DAY
END = START + DAYS * DAY
MAIN, OTHER = 1, 2
BATCH = 2_000
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1", "2.0.0")
ERRORS = ("Timeout", "ENOENT", "TypeError: x is undefined", "NetworkError")
TOOLS = tuple(f"tool-{number}" for number in range(40))
PAGES = tuple(f"page-{number}" for number in range(25))
NAMES = ("install_started", "install_completed", "install_failed", "build", "tool_call", "view", "heartbeat", "upgrade")
_WEIGHTS = list(itertools.accumulate((8, 6, 1, 40, 25, 12, 6, 2)))
_SYSTEMS: tuple[tuple[str | None, str | None], ...] = (
    ("linux", "x64"),
    ("linux", "arm64"),
    ("darwin", "arm64"),
    ("win32", "x64"),
    (None, None),
)
_RUNTIMES = ("node 20", "node 22", "bun 1.1", None)
_MANAGERS = ("npm", "pnpm", "yarn", None)
_ENVIRONMENTS = (
    *([Environment.PERSON] * 5), *([Environment.UNKNOWN] * 3), *([Environment.CI] * 4), Environment.CONTAINER, Environment.DEVELOPMENT,
    Environment.TEST,
)  # fmt: skip


class _Install:
    """An install: the days on which it is active, and its context."""

    def __init__(self, number: int, chance: random.Random) -> None:
        # Signed, like keyed hashes.
        self.id = (number * 0x9E3779B97F4A7C15) % (1 << 64) - (1 << 63)
        self.first = chance.randrange(-20, DAYS) if number % 9 else 0
        self.days = 1 if chance.random() < 0.3 else chance.randrange(2, 70)
        self.os, self.arch = chance.choice(_SYSTEMS)
        self.runtime = chance.choice(_RUNTIMES)
        self.manager = chance.choice(_MANAGERS)
        self.environment = chance.choice(_ENVIRONMENTS)
        self.eager = chance.random() < 0.4
        self.variant = chance.choice(("control", "blue", "green", None))

    def version(self, day: int) -> str | None:
        if self.runtime is None:
            return None
        newest = min(len(VERSIONS) - 1, day // 20)
        return VERSIONS[newest if self.eager else max(0, newest - 1)]


def events(count: int, seed: int = 7) -> Iterator[Event]:
    """The events in order of arrival."""
    chance = random.Random(seed)
    installs = [_Install(number, chance) for number in range(max(20, count // 40))]
    by_day: list[list[_Install]] = [[] for _ in range(DAYS)]
    for install in installs:
        for day in range(max(0, install.first), min(DAYS, install.first + install.days)):
            by_day[day].append(install)
    occurred = sorted(START + int(chance.random() ** 0.8 * DAYS * DAY) for _ in range(count))
    arriving = []
    for at in occurred:
        late = chance.random()
        arriving.append((at + (0 if late < 0.97 else chance.randrange(3 * DAY)), at))
    arriving.sort()
    ids = EventIds(1)
    contexts: dict[tuple[object, ...], Context] = {}
    for received_at, at in arriving:
        day = (at - START) // DAY
        there = by_day[day]
        install = there[int(chance.random() ** 2 * len(there))] if there else installs[0]
        yield _event(chance, install, contexts, ids.take(1, received_at)[0], at, day)


def _event(chance: random.Random, install: _Install, contexts: dict[tuple[object, ...], Context], number: int, at: int, day: int) -> Event:
    name = NAMES[bisect.bisect(_WEIGHTS, chance.random() * _WEIGHTS[-1])]
    known = chance.random() > 0.02
    environment = install.environment if chance.random() > 0.03 else Environment.CI
    outcome = _outcome(chance, name, at)
    failed = outcome is Outcome.FAILURE
    says = (environment, install.os, install.arch, install.runtime, install.version(day), install.manager) if known else (environment,)
    key = (name == "heartbeat", *says)
    if key not in contexts:
        contexts[key] = Context(environment, "says so", "flakedrop" if key[0] else "native", *says[1:])
    target = None
    if name == "tool_call":
        target = ("tool", TOOLS[int(chance.random() ** 2 * len(TOOLS))])
    elif name == "view":
        target = ("page", PAGES[int(chance.random() ** 2 * len(PAGES))])
    theme = chance.choice(("dark", "light", None)) if name == "build" else None
    variant = install.variant if name in ("build", "view") else None
    said = [f'"theme":"{theme}"'] * (theme is not None) + [f'"variant":"{variant}"'] * (variant is not None)
    project = OTHER if number % 101 == 0 else MAIN
    return Event(
        id=number,
        project=project,
        name=name,
        occurred_at=at,
        context=contexts[key],
        install=None if chance.random() < 0.03 else install.id ^ (project - 1),  # each project has its own hashes
        target=target,
        outcome=outcome,
        duration_us=int(chance.lognormvariate(11 + len(name) % 4, 1.3)) if name in ("build", "tool_call", "install_completed") else None,
        error_type=chance.choice(ERRORS) if failed and chance.random() < 0.9 else None,
        error_message="it broke" if failed else None,
        properties="{" + ",".join(said) + "}" if said else None,
        picked=(("theme", theme),) if theme is not None else (),
        weight=2 + at % 7 if number % 101 == 50 else 1,
    )


def _outcome(chance: random.Random, name: str, at: int) -> Outcome:
    if name in ("install_started", "view", "heartbeat", "upgrade"):
        return Outcome.NONE
    if name.startswith("install_"):
        return Outcome.SUCCESS if name == "install_completed" else Outcome.FAILURE
    bad_hour = at // HOUR % 97 == 0
    return Outcome.FAILURE if chance.random() < (0.5 if bad_hour else 0.06) else Outcome.SUCCESS


async def fill(store: Store, count: int) -> None:
    """Store the data set in order of arrival."""
    rules = {project: TargetRules(listed_only=False, most=10_000) for project in (MAIN, OTHER)}
    arriving = events(count)
    while batch := list(itertools.islice(arriving, BATCH)):
        await store.commit(Batch(batch, target_rules=rules))
