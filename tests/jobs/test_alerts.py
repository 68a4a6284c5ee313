"""Alert rules fire on anomalies only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.event import DAY, HOUR, MINUTE, Context, Outcome
from server.jobs import Run, rules
from server.jobs.alert_job import alerts, find, look
from server.jobs.rules import Draft
from server.storage.engine import Store
from server.storage.projects import ProjectError, create_project
from server.storage.upkeep import alert_rules as kept
from server.storage.upkeep.alert_rules import Kind, Rule

ENGINES = ("sqlite", "postgres")

Make = Callable[..., Any]


@pytest.fixture
def found(store: Store, now: int) -> Make:
    """The finding of a rule, as a sentence."""

    async def look_with(rule: Rule, at: int = now) -> str | None:
        finding = await find(store, await rules.find_rule(store, rule.id), at)
        return None if finding is None else finding.message

    return look_with


async def test_too_many_failures_are_reported(make_rule: Make, found: Make, commit: Make, event: Make, ended: Make) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 40, 9) + [event() for _ in range(100)])  # events without an outcome
    assert await found(rule) is None
    await commit(ended(0.5, 0, 1))
    assert await found(rule) == "20.0 % of 50 runs of default failed, which is at or above 20 %"


async def test_failures_before_the_window_and_of_other_projects_do_not_count(
    make_rule: Make, found: Make, commit: Make, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await create_project("other")
    await commit([*ended(2.1, 0, 50), *ended(0.1, 0, 50, project=2), *ended(0.1, 10, 0)])
    assert await found(rule) is None


async def test_the_failure_rate_of_very_few_events_raises_no_alert(make_rule: Make, found: Make, commit: Make, ended: Make) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0, minimum_events=10)
    await commit(ended(0.1, 0, 9))
    assert await found(rule) is None
    await commit(ended(0.1, 0, 1))
    assert await found(rule) is not None


@pytest.fixture
def usual(commit: Make, event: Make, now: int) -> Make:
    """A function that stores 100 events in the previous hour of each of the last days."""

    async def run(days: int, events: int = 100) -> None:
        await commit(event(at=now - day * DAY - HOUR // 2) for day in range(1, days + 1) for _ in range(events))

    return run


@pytest.mark.parametrize(
    ("kind", "threshold", "quiet", "loud"),
    [(Kind.VOLUME_DROP, 50.0, 51, 50), (Kind.VOLUME_DROP, 100.0, 1, 0), (Kind.VOLUME_SPIKE, 200.0, 299, 300)],
)
async def test_a_volume_is_compared_with_the_same_hours_of_the_days_before(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int, kind: Kind, threshold: float, quiet: int, loud: int
) -> None:
    rule = await make_rule(kind, threshold=threshold)
    await usual(7)
    await commit(event(at=now - HOUR // 2) for _ in range(min(quiet, loud)))
    low = await found(rule)
    await commit(event(at=now - HOUR // 2) for _ in range(abs(quiet - loud)))
    high = await found(rule)
    told, silent = (low, high) if loud < quiet else (high, low)
    assert silent is None
    assert told == f"default had {loud} events in the last full hour; the usual number at this time of day is 100"


async def test_the_hour_that_is_not_over_is_not_compared(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.VOLUME_DROP, threshold=50.0)
    await usual(7)
    await commit(event(at=now - HOUR // 2) for _ in range(100))
    assert await found(rule, now + 59 * MINUTE) is None  # no event in the current hour


async def test_one_unusual_day_does_not_change_the_median(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.VOLUME_SPIKE, threshold=100.0)
    await usual(7)
    await commit(event(at=now - DAY - HOUR // 2) for _ in range(5_000))
    await commit(event(at=now - HOUR // 2) for _ in range(200))
    assert await found(rule) is not None


async def test_without_earlier_days_no_volume_alert_is_raised(make_rule: Make, found: Make, usual: Make, now: int) -> None:
    rule = await make_rule(Kind.VOLUME_DROP, threshold=50.0)
    assert await found(rule) is None
    await usual(2)
    assert await found(rule) is None
    await usual(3)
    assert await found(rule) is not None


async def test_a_new_error_type_is_reported_once(run: Run, store: Store, make_rule: Make, commit: Make, event: Make, now: int) -> None:
    await commit(event(error_type="Known", outcome=Outcome.FAILURE) for _ in range(30))
    rule = await make_rule(Kind.NEW_ERROR, minimum_events=3)

    async def is_reported(at: int) -> bool:
        return await look(store, await rules.find_rule(store, rule.id), at)

    assert not await is_reported(now)  # the first run only records the existing types
    assert not await is_reported(now)
    await commit([*(event(error_type="New") for _ in range(2)), event(error_type="Known")])
    assert not await is_reported(now)  # too few for an alert, but remembered
    await commit([event(error_type="New")])
    assert await is_reported(now)
    await commit(event(error_type="New") for _ in range(5))
    assert not await is_reported(now)
    (delivery,) = await kept.pending_deliveries(store)
    assert json.loads(delivery.payload)["observed"] == {"new": [{"name": "New", "events": 3}], "count": 1}


async def test_a_new_version_is_reported_once(store: Store, make_rule: Make, commit: Make, event: Make, now: int) -> None:
    def of(version: str, days: float = 0, count: int = 5) -> list[Any]:
        return [event(days, context=Context(version=version)) for _ in range(count)]

    await commit([*of("1.0", 40), *of("1.1", 0)])
    rule = await make_rule(Kind.NEW_VERSION, minimum_events=5)

    async def message(at: int = now) -> str | None:
        fired = await look(store, await rules.find_rule(store, rule.id), at)
        waiting = await kept.pending_deliveries(store)
        return json.loads(waiting[-1].payload)["message"] if fired else None

    assert await message() is None
    await commit([*of("1.0"), *of("1.2", count=4)])  # the first one returns after forty days
    assert await message() is None
    await commit([*of("1.2", count=1), *of("2.0"), *of("2.1"), *of("2.2")])
    assert await message() == "default has 4 new versions: 1.2, 2.0, 2.1 and 1 more"
    assert await message() is None
    await commit(of("3.0", -1.5))
    assert await message(now + 2 * DAY) == "default has a new version: 3.0"
    assert await message(now + 3 * DAY) is None


async def test_a_version_of_late_events_only_is_not_new(store: Store, make_rule: Make, commit: Make, event: Make, now: int) -> None:
    await commit([event(context=Context(version="1.0"))])
    rule = await make_rule(Kind.NEW_VERSION, minimum_events=1)

    async def fires() -> bool:
        return bool(await look(store, await rules.find_rule(store, rule.id), now))

    assert not await fires()
    late = [event(context=Context(version="0.1"), skewed=True, install=install) for install in (7, None)]
    await commit(late)
    assert not await fires()
    await commit([event(context=Context(version="0.1"), install=None)])
    assert await fires()
    assert not await fires()


async def test_rules_are_listed_with_their_last_alert_and_deleted_with_all_of_them(
    run: Run, store: Store, make_rule: Make, commit: Make, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await make_rule(Kind.NEW_VERSION)
    await commit(ended(0.1, 0, 50))
    await alerts(run)
    assert [(each.kind, last is None) for each, last in await rules.listed(store)] == [(Kind.FAILURE_RATE, False), (Kind.NEW_VERSION, True)]
    await rules.delete(store, rule.id)
    assert await store.rows("SELECT * FROM alert_delivery") == []
    with pytest.raises(ProjectError, match="does not exist"):
        await rules.delete(store, rule.id)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"threshold": 0.0}, "threshold"), ({"threshold": 101.0}, "threshold"), ({"window_minutes": 0}, "window"),
        ({"window_minutes": 20_000}, "window"), ({"minimum_events": 0}, "at least 1"), ({"cooldown_minutes": 1}, "between two alerts"),
        ({"name": "x" * 101}, "name"), ({"name": "a\nb"}, "name"), ({"secret": "short"}, "secret"), ({"url": "ftp://x/"}, "must begin with https"),
        ({"url": "https://nowhere.invalid/"}, "cannot be resolved"),
    ],
)  # fmt: skip
async def test_an_invalid_rule_is_refused(make_rule: Make, store: Store, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        await make_rule(Kind.FAILURE_RATE, **fields)
    assert await kept.rules(store) == []


async def test_a_rule_for_this_machine_cannot_be_made_without_the_setting(store: Store, receiver: Any, now: int) -> None:
    with pytest.raises(ProjectError, match="not public"):
        await rules.create(store, "default", Draft(Kind.NEW_ERROR, receiver.url), now=now, private=False)


async def test_a_missing_secret_is_generated(store: Store, receiver: Any, now: int) -> None:
    made = {(await rules.create(store, "default", Draft(Kind.NEW_ERROR, receiver.url), now=now, private=True))[1] for _ in range(2)}
    assert len(made) == 2
    assert all(secret.startswith("whsec_") and len(secret) > 40 for secret in made)
