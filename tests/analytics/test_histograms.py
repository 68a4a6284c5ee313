"""Cached histograms of days equal those of the store, even after writes of another process."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analytics import exact_durations, histograms
from server.analytics.filters import Filter
from server.analytics.histograms import Histogram, histogram
from server.analytics.measures import percentile
from server.analytics.overview import overview
from server.analytics.timings import medians
from server.event import DAY, Context, Environment, Event
from server.questions.periods import Period, Step
from server.questions.question import Audience
from server.storage.engine import Store
from server.storage.rollups import duration_bucket
from tests.analytics.test_edges import MIDNIGHT, event, store_all
from tests.conftest import change_in

ENGINES = ("sqlite", "postgres")
MONTH = Filter(project=1, period=Period(MIDNIGHT - 29 * DAY, MIDNIGHT + DAY))
ENVIRONMENTS = (Environment.UNKNOWN, Environment.PERSON, Environment.CI)


@pytest.fixture(autouse=True)
def _no_exact_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read all durations from histograms, even if they are few."""
    monkeypatch.setattr(exact_durations, "FEW", 0)


class Clock:
    """A clock that is ahead."""

    def monotonic(self) -> float:
        return time.monotonic() + 601


def timed(rng: random.Random, day: int) -> Event:
    context = Context(environment=rng.choice(ENVIRONMENTS))
    return event(MIDNIGHT - day * DAY + rng.randrange(DAY), context=context, duration_us=round(10 ** rng.uniform(0, 9)))


def expected(events: list[Event], filter_: Filter) -> list[tuple[int, int]]:
    allowed = filter_.allowed or ENVIRONMENTS
    within = [
        each for each in events if filter_.period.start <= each.occurred_at < filter_.period.end and each.context.environment in allowed
    ]
    return sorted(Counter(duration_bucket(each.duration_us or 0) for each in within).items())


async def test_late_events_count_on_their_own_day(store: Store) -> None:
    rng = random.Random(1)
    events = [timed(rng, day) for day in range(40) for _ in range(20)]
    await store_all(store, *events)
    filters = [MONTH, MONTH.people(), MONTH.during(Period(MIDNIGHT - DAY, MIDNIGHT))]
    for day in (None, 0, 7, 29, 39):
        if day is not None:
            events.append(timed(rng, day))
            await store_all(store, events[-1])
        for filter_ in filters:
            assert await histogram(store, filter_) == expected(events, filter_), day
            days = (await medians(store, filter_, Step.DAY)).medians
            for place, median in enumerate(days):
                start = filter_.period.start + place * DAY
                assert median == percentile(expected(events, filter_.during(Period(start, start + DAY))), 0.5)
    assert (await overview(store, MONTH)).p95_us.value == percentile(expected(events, MONTH), 0.95)


@pytest.mark.parametrize("step", [Step.DAY, Step.WEEK, Step.MONTH])
async def test_long_periods_are_read_part_by_part(store: Store, monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    rng = random.Random(2)
    events = [timed(rng, day) for day in range(99) for _ in range(3)]
    await store_all(store, *events)
    filter_ = Filter(project=1, period=Period(MIDNIGHT - 99 * DAY, MIDNIGHT + DAY), audience=Audience.PEOPLE)
    whole = await histogram(store, filter_), await medians(store, filter_, step)
    assert whole[0] == expected(events, filter_)
    for start, end, median in zip(whole[1].starts, [*whole[1].starts[1:], filter_.period.end], whole[1].medians, strict=True):
        assert median == percentile(expected(events, filter_.during(Period(max(start, filter_.period.start), end))), 0.5)
    monkeypatch.setattr(histograms, "DAYS_READ", 7)
    assert (await histogram(store, filter_), await medians(store, filter_, step)) == whole


async def test_events_of_another_process_are_seen(store: Store, where: Path | str) -> None:
    await store_all(store, event(duration_us=10), event(duration_us=20))
    assert await histogram(store, MONTH) == [(10, 1), (20, 1)]
    change_in(
        where,
        "UPDATE rollup_day SET events = events + 2, timed = timed + 2, duration_us = duration_us + 40",
        "UPDATE rollup_day_duration SET events = events + 2 WHERE bucket = 20",
    )
    assert await histogram(store, MONTH) == [(10, 1), (20, 3)]


async def test_a_repair_is_visible_after_a_while(store: Store, where: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    await store_all(store, event(duration_us=10))
    assert await histogram(store, MONTH) == [(10, 1)]
    change_in(where, "UPDATE rollup_day_duration SET bucket = 11")
    assert await histogram(store, MONTH) == [(10, 1)]
    monkeypatch.setattr(histograms, "time", Clock())
    assert await histogram(store, MONTH) == [(11, 1)]


async def test_inconsistent_histograms_are_not_cached(store: Store, where: Path | str) -> None:
    await store_all(store, event(duration_us=10))
    change_in(where, "UPDATE rollup_day_duration SET events = 5")
    assert await histogram(store, MONTH) == [(10, 5)]
    change_in(where, "UPDATE rollup_day_duration SET events = 6")
    assert await histogram(store, MONTH) == [(10, 6)]
    change_in(where, "DELETE FROM rollup_day_duration")
    assert await histogram(store, MONTH) == []
    assert (await medians(store, MONTH)).medians == [None] * 30


async def test_the_cache_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "_MOST_KEPT", 10)
    await store_all(store, *(event(MIDNIGHT - day * DAY, duration_us=day) for day in range(30)))
    for day in range(30):
        only = MONTH.during(Period(MIDNIGHT - day * DAY, MIDNIGHT - (day - 1) * DAY))
        assert await histogram(store, only) == [(day, 1)]
        assert len(histograms._KEPT[store]) <= 10


counts = st.dictionaries(st.integers(0, 1_900), st.integers(1, 2**40), max_size=40)


@given(st.lists(counts, max_size=5), st.floats(0.01, 1))
def test_histograms_are_added_bucket_by_bucket(several: list[dict[int, int]], quantile: float) -> None:
    numbers = [Histogram.number(list(each), list(each.values())) for each in several if each]
    together = Histogram(sum(numbers))
    total: Counter[int] = Counter()
    for each in several:
        total.update(each)
    assert together.buckets() == sorted(total.items())
    assert together.percentile(quantile) == percentile(sorted(total.items()), quantile)
