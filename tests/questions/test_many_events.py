"""Reports over many events of many installs, and of one busy install, are answered far within the time limit of a question."""

from __future__ import annotations

import pytest

from server.event import DAY, Context, Event
from server.event_id import first_id
from server.questions.funnel import Funnel, funnel
from server.questions.paths import Paths, paths
from server.questions.periods import Period
from server.questions.question import Condition, Segment
from server.storage.batch import Batch
from server.storage.engine import Store

pytestmark = pytest.mark.slow

ENGINES = ("sqlite", "postgres")
NOW = 1_795_262_400_000
TODAY = Period(NOW // DAY * DAY, NOW // DAY * DAY + DAY)
NAMES = ("build", "test", "run")
EVENTS = 20_000


def named(name: str) -> tuple[Condition, ...]:
    return (Condition("name", values=(name,)),)


async def stored(store: Store, *, busy: bool) -> None:
    """Store events of installs with four each, or half of all by one `busy` install."""
    for begin in range(0, EVENTS, 1_000):
        events = [
            Event(
                id=first_id(NOW) + number, project=1, name=NAMES[number % 3], occurred_at=NOW + number, context=Context(dialect="native"),
                install=1 if busy and number % 2 else number // 4 + 2,
            )
            for number in range(begin, begin + 1_000)
        ]  # fmt: skip
        await store.commit(Batch(events, target_rules={}))


@pytest.mark.parametrize("ordered", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_a_funnel_of_thousands_of_installs_is_answered_in_time(store: Store, ordered: bool) -> None:
    await stored(store, busy=False)
    steps = tuple(Segment(name, named(name)) for name in NAMES)
    answer = await funnel(store, Funnel(project=1, period=TODAY, steps=steps, ordered=ordered))
    assert answer.total[0].all == EVENTS // 4


async def test_paths_of_thousands_of_events_are_answered_in_time(store: Store) -> None:
    await stored(store, busy=True)
    answer = await paths(store, Paths(project=1, period=TODAY, event=named("build"), length=5))
    assert answer.total.counts.events_all == -(-EVENTS // 3)
