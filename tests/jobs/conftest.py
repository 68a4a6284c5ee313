"""What tests of jobs share: events of any age in a store, and what is in its tables."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.jobs import Run
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store

NOW = 1_795_262_400_000  # noon of a day in 2026
RULES = TargetRules(listed_only=False, most=100_000)
SUMS = (
    "rollup_hour", "rollup_hour_duration", "rollup_dimension", "rollup_target_day", "rollup_target_duration", "rollup_target_total",
    "rollup_error", "ledger", "activity", "error_install", "error_seen", "install",
)  # fmt: skip
numbers = itertools.count()


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def event() -> Callable[..., Event]:
    """Makes an event that arrived `days` ago, or `at` a time; everything else as an Event has it."""

    def make(days: float = 0, **fields: Any) -> Event:
        at = fields.pop("at", NOW - int(days * DAY))
        defaults: dict[str, Any] = {
            "id": first_id(at) + next(numbers),
            "project": 1,
            "name": "run",
            "occurred_at": at,
            "context": Context(),
        }
        return Event(**{**defaults, **fields})

    return make


@pytest.fixture
def varied(event: Callable[..., Event]) -> Callable[..., list[Event]]:
    """Makes events of every kind that arrived `days` ago."""

    def make(count: int, days: float = 0, **fields: Any) -> list[Event]:
        return [
            event(
                days,
                **{
                    "name": f"n{number % 7}",
                    "install": number % 997 + 1,
                    "outcome": Outcome(number % 3),
                    "duration_us": number * 13 if number % 4 else None,
                    "target": ("pack", f"p{number % 11}") if number % 2 else None,
                    "error_type": f"E{number % 5}" if number % 3 == 2 else None,
                    "context": Context(
                        environment=Environment(number % 6), os=("linux", "darwin", None)[number % 3], version=f"1.{number % 5}"
                    ),
                    **fields,
                },
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def commit(store: Store) -> Callable[[Iterable[Event]], Any]:
    """Stores events, a few thousand at a time."""

    async def run(events: Iterable[Event]) -> None:
        events = list(events)
        for first in range(0, len(events), 2_000):
            few = events[first : first + 2_000]
            await store.commit(Batch(few, target_rules={each.project: RULES for each in few}))

    return run


@pytest.fixture
def run(store: Store, settings: Settings) -> Run:
    """What a job is given at night."""
    return Run(store, settings, now=lambda: NOW)


@pytest.fixture
def tables(settings: Settings) -> Callable[..., dict[str, list[Any]]]:
    """All rows of some tables, of the sums where none are named."""

    def read(*names: str) -> dict[str, list[Any]]:
        with closing(sqlite3.connect(settings.sqlite_path)) as connection:
            return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names or SUMS}

    return read


@pytest.fixture
def count(settings: Settings) -> Callable[[str], int]:
    """How many rows a table has."""

    def rows(table: str) -> int:
        with closing(sqlite3.connect(settings.sqlite_path)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    return rows


@pytest.fixture
def stored_at(settings: Settings) -> Path:
    return settings.sqlite_path
