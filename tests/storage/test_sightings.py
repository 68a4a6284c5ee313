"""Updates of an install that commits skip, and updates that they must not skip."""

from __future__ import annotations

import itertools
import random
import sqlite3
from typing import Any

import psycopg
import pytest

from server.analytics import lists
from server.event import DAY, HOUR, MINUTE, Context, Environment, Event, Install
from server.event_id import first_id, received_at
from server.storage.batch import Batch, TargetRules
from server.storage.commit.sightings import FRESH
from server.storage.engine import Store
from server.storage.history import erasure

ENGINES = ("sqlite", "postgres")
NOON = 1_795_219_200_000 // DAY * DAY + 12 * HOUR
RULES = {1: TargetRules(False, 100)}
DARWIN, LINUX = Context(dialect="native", os="darwin", version="1"), Context(dialect="native", os="linux", version="2")
numbers = itertools.count(1)


async def happen(store: Store, *events: tuple[int, int, Context]) -> None:
    """Commit events of (install, time, context) together, as if they arrived when they occurred."""
    batch = [
        Event(id=first_id(at) + next(numbers), project=1, name="run", occurred_at=at, context=context, install=install)
        for install, at, context in events
    ]
    await store.commit(Batch(batch, target_rules=RULES))


async def install(store: Store, number: int = 7) -> dict[str, Any]:
    (row,) = await store.rows("SELECT first_seen, last_seen, os, version FROM install WHERE id = {}", number)
    return row


async def days(store: Store) -> list[tuple[int, int, str | None]]:
    rows = await store.rows("SELECT day, install_id, version FROM activity ORDER BY day, install_id")
    return [(row["day"], row["install_id"], row["version"]) for row in rows]


async def test_the_row_of_an_active_install_is_updated_only_every_few_minutes(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN))
    await happen(store, (7, NOON + FRESH - 1, DARWIN))
    assert (await install(store))["last_seen"] == NOON
    await happen(store, (7, NOON + FRESH, DARWIN))
    assert (await install(store))["last_seen"] == NOON + FRESH


async def test_a_change_of_context_and_its_return_are_stored_immediately(store: Store) -> None:
    for step, context in enumerate((DARWIN, LINUX, DARWIN, LINUX, DARWIN)):
        await happen(store, (7, NOON + step, context))
        assert await install(store) == {"first_seen": NOON, "last_seen": NOON + step, "os": context.os, "version": context.version}
        assert await days(store) == [(NOON // DAY, 7, context.version)]


async def test_a_return_to_an_earlier_context_within_one_commit_is_stored(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN))
    await happen(store, (7, NOON + 1, LINUX), (7, NOON + 2, DARWIN))
    assert await install(store) == {"first_seen": NOON, "last_seen": NOON + 2, "os": "darwin", "version": "1"}
    assert await days(store) == [(NOON // DAY, 7, "1")]


async def test_a_new_day_counts_an_install_at_once(store: Store) -> None:
    midnight = NOON // DAY * DAY + DAY
    await happen(store, (7, midnight - 1, DARWIN))
    await happen(store, (7, midnight, DARWIN))
    assert await days(store) == [(NOON // DAY, 7, "1"), (NOON // DAY + 1, 7, "1")]
    assert (await install(store))["last_seen"] == midnight


async def test_late_events_may_move_first_seen_back(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN))
    await happen(store, (7, NOON - 3 * DAY, DARWIN))
    await happen(store, (7, NOON - MINUTE, DARWIN))
    assert (await install(store))["first_seen"] == NOON - 3 * DAY
    assert [day for day, _, _ in await days(store)] == [NOON // DAY - 3, NOON // DAY]


async def test_after_a_late_event_from_another_server_the_next_one_is_stored(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN))
    await happen(store, (7, NOON - 1, LINUX))
    await happen(store, (7, NOON + 1, DARWIN))
    assert await install(store) == {"first_seen": NOON - 1, "last_seen": NOON + 1, "os": "darwin", "version": "1"}
    assert await days(store) == [(NOON // DAY, 7, "1")]


async def test_after_a_report_of_the_install_the_next_event_is_stored(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN))
    report = Install(id=7, project=1, first_seen=NOON, last_seen=NOON + 1, context=LINUX)
    await store.commit(Batch(installs=[report], target_rules=RULES))
    assert (await install(store))["os"] == "linux"
    await happen(store, (7, NOON + 2, DARWIN))
    assert (await install(store))["os"] == "darwin"


async def test_an_erased_install_that_returns_is_complete_again(store: Store) -> None:
    await happen(store, (7, NOON, DARWIN), (8, NOON, DARWIN))
    assert (await erasure.erase(store, 1, 7)).events == 1
    await happen(store, (7, NOON + 1, DARWIN))
    assert await install(store) == {"first_seen": NOON + 1, "last_seen": NOON + 1, "os": "darwin", "version": "1"}
    assert await days(store) == [(NOON // DAY, 7, "1"), (NOON // DAY, 8, "1")]


async def test_a_failed_commit_records_no_sighting(store: Store) -> None:
    event = Event(id=first_id(NOON), project=1, name="run", occurred_at=NOON, context=DARWIN, install=7)
    never: Any = None
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        await store.commit(Batch([event], target_rules=RULES, ledger={(1, never, "rejected", "invalid"): 1}))
    await happen(store, (7, NOON + 1, DARWIN))
    assert (await install(store))["last_seen"] == NOON + 1


async def test_rows_of_installs_against_a_recount(store: Store) -> None:
    rng = random.Random(5)
    contexts = [DARWIN, LINUX, Context(Environment.CI, "ci", "native", "linux", version="3")]
    moments = sorted(NOON + rng.randrange(3 * DAY) for _ in range(3_000))
    told = [(rng.randrange(40), at - (rng.randrange(2 * DAY) if rng.random() < 0.05 else 0), rng.choice(contexts)) for at in moments]
    for start in range(0, len(told), 50):
        await happen(store, *told[start : start + 50])
    for number in range(40):
        own = [(at, context) for of, at, context in told if of == number]
        row = await install(store, number)
        assert row["first_seen"] == min(at for at, _ in own)
        assert 0 <= max(at for at, _ in own) - row["last_seen"] < FRESH
    active = {(row["day"], row["install_id"], row["environment"]) for row in await store.rows("SELECT * FROM activity")}
    assert active == {(at // DAY, of, int(context.environment)) for of, at, context in told}


async def test_the_newest_events_of_installs_are_found_wherever_they_lie(store: Store) -> None:
    ages = [0, MINUTE, 2 * HOUR, 2 * DAY, 5 * DAY, 9 * DAY, 40 * DAY, 100 * DAY]
    moments = {number: [NOON - age - number for age in ages[number % 8 :]] for number in range(20)}
    for number, own in moments.items():
        await happen(store, *((number, at, DARWIN) for at in own))
    for limit in (1, 3, 10):
        found = await lists.events_of(store, 1, [*range(20), 99], limit)
        assert found.keys() == {*range(20), 99}
        assert found[99] == []
        for number, own in moments.items():
            assert [received_at(row.id) for row in found[number]] == sorted(own, reverse=True)[:limit]
            assert {row.install for row in found[number]} == {number}
    assert (await lists.events_of(store, 2, [1], 3)) == {1: []}
