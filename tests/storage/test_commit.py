"""The effects of one commit on the tables of the store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, HOUR, Context, Environment, Event, Install, Outcome, Receipt
from server.event_id import first_id
from server.settings import Settings
from server.storage.batch import Batch, RejectedRow, TargetRules
from server.storage.engine import Store
from server.storage.rollups import duration_bucket

ENGINES = ("sqlite", "postgres")

NOW = 1_795_219_200_000  # noon of a day in 2026
numbers = itertools.count()
OPEN = {1: TargetRules(listed_only=False, most=1_000)}


def new_id(at: int) -> int:
    return first_id(at) + next(numbers)


def event(**fields: Any) -> Event:
    at = fields.pop("at", NOW)
    defaults: dict[str, Any] = {"id": new_id(at), "project": 1, "name": "run", "occurred_at": at, "context": Context()}
    return Event(**{**defaults, **fields})


def batch(*events: Event, installs: tuple[Install, ...] = (), rules: TargetRules | None = None) -> Batch:
    return Batch(list(events), list(installs), {1: rules} if rules else OPEN)


async def test_the_same_id_is_stored_once_within_a_batch_and_across_batches(store: Store) -> None:
    first = await store.commit(batch(event(mark=5), event(mark=5), event(mark=6)))
    second = await store.commit(batch(event(mark=6), event(mark=7)))
    assert first.exceptions == {1: Receipt.DUPLICATE}
    assert second.exceptions == {0: Receipt.DUPLICATE}
    assert await store.rows("SELECT count(*) AS n FROM event") == [{"n": 3}]


async def test_the_same_id_counts_again_after_thirty_days_and_in_another_project(store: Store) -> None:
    await store.commit(batch(event(mark=5)))
    assert (await store.commit(batch(event(mark=5, at=NOW + 30 * DAY - 1)))).exceptions == {0: Receipt.DUPLICATE}
    assert not (await store.commit(batch(event(mark=5, at=NOW + 30 * DAY)))).exceptions
    assert not (await store.commit(Batch([event(mark=5, project=2)]))).exceptions


async def test_a_view_counts_again_half_an_hour_after_the_last_that_counted(store: Store) -> None:
    minutes = (0, 10, 29, 30, 59, 60)
    counted = [not (await store.commit(batch(event(viewer=9, at=NOW + minute * 60_000)))).exceptions for minute in minutes]
    assert counted == [True, False, False, True, False, True]


async def test_an_event_refused_for_its_target_may_come_again_once_the_target_is_listed(store: Store) -> None:
    listed = TargetRules(listed_only=True, most=10)
    wanted = {"target": ("snippet", "a"), "mark": 1}
    assert (await store.commit(batch(event(**wanted), rules=listed))).exceptions == {0: Receipt.UNKNOWN_TARGET}
    await _execute(
        store, "INSERT INTO target (project_id, type, external_id, visibility, created_at) VALUES (1, 'snippet', 'a', 'public', 0)"
    )
    assert not (await store.commit(batch(event(**wanted), rules=listed))).exceptions


async def test_targets_beyond_the_limit_are_refused_and_known_ones_still_count(store: Store) -> None:
    two = TargetRules(listed_only=False, most=2)
    committed = await store.commit(batch(*(event(target=("pack", name)) for name in "abcab"), rules=two))
    assert committed.exceptions == {2: Receipt.TOO_MANY_TARGETS}
    assert (await store.commit(batch(event(target=("pack", "d")), event(target=("pack", "a")), rules=two))).exceptions == {
        0: Receipt.TOO_MANY_TARGETS
    }
    assert await store.rows("SELECT count(*) AS n FROM target") == [{"n": 2}]


async def test_every_rollup_adds_up(store: Store) -> None:
    person = Context(environment=Environment.PERSON, os="linux", version="1.0")
    ci = Context(environment=Environment.CI, os="linux")
    for _ in range(2):
        await store.commit(
            batch(
                event(context=person, outcome=Outcome.SUCCESS, duration_us=1_000, target=("tool", "x"), install=1),
                event(context=person, outcome=Outcome.FAILURE, duration_us=3_000, target=("tool", "x"), install=2),
                event(context=ci, install=1, picked=(("theme", "dark"),)),
            )
        )
    timed = {"events": 4, "successes": 2, "failures": 2, "timed": 4, "duration_us": 8_000}
    hour = await store.rows("SELECT * FROM rollup_hour ORDER BY environment")
    assert hour == [
        {"project_id": 1, "hour": NOW // HOUR, "name_id": 1, "environment": 1, **timed},
        {
            "project_id": 1,
            "hour": NOW // HOUR,
            "name_id": 1,
            "environment": 2,
            "events": 2,
            "successes": 0,
            "failures": 0,
            "timed": 0,
            "duration_us": 0,
        },
    ]
    buckets = await store.rows("SELECT bucket, events FROM rollup_day_duration ORDER BY bucket")
    assert buckets == [{"bucket": duration_bucket(1_000), "events": 2}, {"bucket": duration_bucket(3_000), "events": 2}]
    dimensions = await store.rows(
        "SELECT dimension, value, environment, events, failures FROM rollup_dimension ORDER BY dimension, environment"
    )
    assert [tuple(row.values()) for row in dimensions] == [
        ("os", "linux", 1, 4, 2),
        ("os", "linux", 2, 2, 0),
        ("property:theme", "dark", 2, 2, 0),
        ("version", "1.0", 1, 4, 2),
    ]
    for table in ("rollup_target_day", "rollup_target_total"):
        (row,) = await store.rows(f"SELECT events, successes, failures, timed, duration_us FROM {table}")
        assert row == timed
    assert [row["events"] for row in await store.rows("SELECT events FROM rollup_target_duration ORDER BY bucket")] == [2, 2]
    activity = await store.rows("SELECT day, install_id, environment, version FROM activity ORDER BY install_id, environment")
    assert [tuple(row.values()) for row in activity] == [(NOW // DAY, 1, 1, "1.0"), (NOW // DAY, 1, 2, None), (NOW // DAY, 2, 1, "1.0")]


async def test_an_install_follows_its_newest_event_whatever_the_order_of_arrival(store: Store) -> None:
    def seen(at: int, **context: Any) -> Event:
        return event(install=1, occurred_at=at, context=Context(**context))

    await store.commit(batch(seen(NOW, os="linux", version="2.0", environment=Environment.PERSON)))
    await store.commit(batch(seen(NOW - DAY, os="darwin", version="1.0", arch="x64", environment=Environment.CI)))
    await store.commit(batch(seen(NOW + HOUR, version="3.0")))
    (install,) = await store.rows("SELECT * FROM install")
    assert (install["first_seen"], install["last_seen"]) == (NOW - DAY, NOW + HOUR)
    assert (install["os"], install["version"], install["arch"], install["environment"]) == ("linux", "3.0", "x64", Environment.PERSON)


async def test_an_install_report_is_new_once_and_only_widens_the_time_seen(store: Store) -> None:
    def report(first: int, last: int) -> Install:
        return Install(id=3, project=1, first_seen=first, last_seen=last, context=Context(os="linux"))

    assert (await store.commit(batch(installs=(report(50, 60), report(55, 58))))).created == [True, False]
    assert (await store.commit(batch(installs=(report(40, 45),)))).created == [False]
    assert await store.rows("SELECT first_seen, last_seen, os FROM install") == [{"first_seen": 40, "last_seen": 60, "os": "linux"}]


async def test_the_ledger_has_the_outcome_of_every_event(store: Store) -> None:
    taken = batch(event(mark=1), event(mark=1), event(viewer=2), event(viewer=2), event(target=("a", "b")), rules=TargetRules(True, 9))
    taken.ledger[1, NOW // DAY, "limited", ""] = 4
    await store.commit(taken)
    rows = await store.rows("SELECT entry, reason, events FROM ledger WHERE day = {} ORDER BY entry, reason", NOW // DAY)
    assert [tuple(row.values()) for row in rows] == [
        ("duplicate", "debounced", 1),
        ("duplicate", "same_id", 1),
        ("limited", "", 4),
        ("rejected", "unknown_target", 1),
        ("stored", "", 2),
    ]


async def test_a_failed_commit_leaves_nothing_behind_and_the_store_continues(store: Store) -> None:
    never: Any = None
    wrong = batch(event(name="new name", context=Context(os="plan9")))
    wrong.ledger[1, never, "rejected", "invalid"] = 1  # written in the same transaction
    with pytest.raises(Exception, match="(?i)not.null"):
        await store.commit(wrong)
    for table in ("event", "event_name", "context", "rollup_hour", "ledger"):
        assert await store.rows(f"SELECT count(*) AS n FROM {table}") == [{"n": 0}]
    await store.commit(batch(event(name="new name", context=Context(os="plan9"))))
    (row,) = await store.rows(
        "SELECT event_name.text, context.os FROM event JOIN event_name ON event_name.id = name_id JOIN context ON context.id = context_id"
    )
    assert row == {"text": "new name", "os": "plan9"}


@pytest.mark.engine_matters
async def test_a_thousand_events_of_every_kind_equal_a_recount_in_plain_sql(
    store: Store, settings: Settings, rollup_differences: Callable[[Path | str], Any]
) -> None:
    for step in range(10):
        await store.commit(
            batch(
                *(
                    event(
                        name=f"n{number % 7}",
                        at=NOW + step * 5 * HOUR,
                        install=number % 31 or None,
                        outcome=Outcome(number % 3),
                        duration_us=number * number if number % 4 else None,
                        target=("pack", f"p{number % 11}") if number % 2 else None,
                        context=Context(
                            environment=Environment(number % 6), os=("linux", "darwin", None)[number % 3], version=f"{number % 5}"
                        ),
                    )
                    for number in range(100)
                )
            )
        )
    assert rollup_differences(settings.database_url or settings.sqlite_path) == {}


async def test_only_the_last_rejected_of_a_week_are_kept(store: Store) -> None:
    def rejected(at: int) -> RejectedRow:
        return RejectedRow(
            id=new_id(at), project=1, route="/v1/events", dialect="native", reason="invalid", errors="[]", excerpt="{}", size=2
        )

    await store.commit(Batch(rejected=[rejected(NOW + 40 * DAY)]))
    for _ in range(12):
        await store.commit(Batch(rejected=[rejected(NOW + 48 * DAY) for _ in range(100)]))
    (row,) = await store.rows("SELECT count(*) AS n, min(id) AS oldest FROM rejected")
    assert row["n"] == 1_000


async def test_a_node_number_is_given_to_one_process_only(store: Store) -> None:
    assert len({await store.claim_node() for _ in range(10)}) == 10


async def _execute(store: Store, sql: str) -> None:
    await store.engine.run_ddl(sql)


async def test_a_large_batch_is_one_transaction(store: Store) -> None:
    await store.commit(batch(*(event(install=number) for number in range(3_000))))
    assert await store.rows("SELECT count(*) AS n FROM install") == [{"n": 3_000}]
