"""Shared parts of the tests of the history: random events, and a comparison of its rows with the store's."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from server.event import CONTEXT_FIELDS, DAY, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.history import DAY_MARK, History
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store

NOW = 1_795_262_400_000  # noon of a day in 2026
RULES = TargetRules(listed_only=False, most=100_000)
NASTY = ("", "a,b", 'say "hi"', "two\nlines", "tab\t", "back\\slash", "ünïcode ✓", "NULL", "null", "'; --", "\u2028")
# The columns that `events` must have, written down a second time.
WHOLE = f"""SELECT event.id, event.project_id, install_id, event_name.text, target.type, target.external_id, occurred_at, outcome, duration_us, session,
    skewed, error_type, error_message, environment, reason, context.dialect, {", ".join(CONTEXT_FIELDS)}, properties, weight
    FROM event JOIN event_name ON event_name.id = name_id JOIN context ON context.id = context_id LEFT JOIN target ON target.id = target_id"""

numbers = itertools.count()


def random_event(rng: random.Random, at: int, **fields: Any) -> Event:
    """Make an event that arrives at a time, with any other content."""

    def maybe(*values: Any) -> Any:
        return rng.choice((None, *values))

    context = Context(
        Environment(rng.randrange(6)), rng.choice(("", "ci")), "native", maybe("linux", "darwin"), maybe("x64"), maybe("node 20.1"),
        maybe("2.7.0", *NASTY), maybe("npm"), maybe("cursor"), maybe("brew", *NASTY), maybe("true", "false"),
    )  # fmt: skip
    made: dict[str, Any] = {
        "id": first_id(at) + next(numbers) % 4_096,
        "project": rng.choice((1, 1, 1, 2)),
        "name": rng.choice(("build", "init", "deploy", 'a "b", c')),
        "occurred_at": at - rng.randrange(DAY),
        "context": context,
        "install": maybe(*(rng.getrandbits(63) - (1 << 62) for _ in range(2)), 7, 8, 9, -(1 << 63), (1 << 63) - 1),
        "target": maybe(("pack", "a"), ("tool", "b")),
        "outcome": Outcome(rng.randrange(3)),
        "duration_us": maybe(0, rng.randrange(1 << 40)),
        "session": maybe(rng.getrandbits(63)),
        "skewed": rng.random() < 0.05,
        "error_type": maybe("OSError", *NASTY),
        "error_message": maybe(*NASTY),
        "weight": rng.choice((1, 1, 1, 2, 1_000)),
        "properties": maybe('{"flag":"a","n":1}', '{"text":"a \\"quoted\\" \\n text"}'),
    }
    return Event(**{**made, **fields})


@pytest.fixture
def rng() -> random.Random:
    return random.Random(1)


@pytest.fixture
def make_event(rng: random.Random) -> Callable[..., Event]:
    """Makes an event that arrived `days` ago."""
    return lambda days=0.0, **fields: random_event(rng, NOW - int(days * DAY), **fields)


@pytest.fixture
def commit(store: Store) -> Callable[[Iterable[Event]], Any]:
    """Stores events in order of arrival, a few at a time."""

    async def run(events: Iterable[Event]) -> None:
        ordered = sorted(events, key=lambda event: event.id)
        for first in range(0, len(ordered), 1_000):
            await store.commit(Batch(ordered[first : first + 1_000], target_rules={1: RULES, 2: RULES}))

    return run


@pytest.fixture
def fill(make_event: Callable[..., Event], rng: random.Random, commit: Any) -> Callable[..., Any]:
    """Stores `count` random events of the last `days`."""

    async def run(count: int, days: float = 100.0, **fields: Any) -> None:
        await commit(make_event(rng.uniform(0.01, days), **fields) for _ in range(count))

    return run


@pytest.fixture
async def history(store: Store, settings: Settings) -> AsyncIterator[History]:
    """The history of the store, at noon."""
    made = History(store, settings, now=lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def check(where: Path | str, rows_of: Callable[[Path | str, str], list[Any]]) -> Callable[..., Any]:
    """Compares the whole relation of a project with the store, row by row, and returns the number of rows."""

    async def run(history: History, project: int = 1) -> int:
        found = await history.query(f"SELECT * EXCLUDE ({DAY_MARK}) FROM events ORDER BY id", project_id=project)
        assert found is not None
        stored = rows_of(where, f"{WHOLE} WHERE event.project_id = {project} ORDER BY event.id")
        assert [tuple(row.values()) for row in found] == stored
        return len(found)

    return run


@pytest.fixture
def segments(settings: Settings) -> Callable[[], list[Path]]:
    """Lists the files of the history."""
    return lambda: sorted(settings.history_dir.glob("*.parquet"))
