"""Failures without an error type that earlier versions stored."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.migrations import migrations

FIRST = 20_700
TABLES = ("rollup_error", "error_install", "error_seen")
numbers = itertools.count()


def failure(install: int | None, day: int, error: str | None, version: str | None, outcome: Outcome = Outcome.FAILURE) -> Event:
    at = (FIRST + day) * DAY + 1_000 * day
    context = Context(Environment(day % 3), version=version)
    return Event(
        id=first_id(at) + next(numbers),
        project=1,
        name="run",
        occurred_at=at,
        context=context,
        install=install,
        outcome=outcome,
        error_type=error,
    )


@pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
async def test_the_migration_counts_failures_without_a_type(store: Store) -> None:
    events = [failure(day % 4 or None, day, "Timeout" if day % 5 == 0 else None, f"1.{day // 9}" if day % 2 else None) for day in range(30)]
    events += [failure(7, 3, None, "1.0", Outcome.SUCCESS), failure(7, 3, "Timeout", "1.0", Outcome.SUCCESS)]
    await store.commit(Batch(events, target_rules={1: TargetRules(listed_only=False, most=10)}))

    async def kept() -> list[set[tuple[Any, ...]]]:
        return [{tuple(sorted(row.items())) for row in await store.rows(f"SELECT * FROM {table}")} for table in TABLES]

    before = await kept()
    untyped = "error_id IN (SELECT id FROM error_type WHERE text = '')"
    await store.change(*((f"DELETE FROM {table} WHERE {untyped}", ()) for table in TABLES))
    assert await kept() != before
    (migration,) = [each for each in migrations() if each.name == "footfall_0010_untyped_failures"]
    await store.change(*((statement, ()) for statement in migration.statements(store.engine_type)))
    assert await kept() == before
