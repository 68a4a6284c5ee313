"""Small stores and the edges of periods, steps and filters."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from server.analytics.breakdown import By, breakdown
from server.analytics.errors import Errors, errors, failures
from server.analytics.experiments import Interval, experiment, newcombe, wilson
from server.analytics.family_stats import flakedrop_stats
from server.analytics.filters import Filter, equals
from server.analytics.installs import active_users, new_and_returning, version_adoption
from server.analytics.ledger import ledger, rejected
from server.analytics.measures import Change, DurationChange, Installs, Percentiles, change, percentile
from server.analytics.overview import overview, series
from server.analytics.pack_downloads import PackCounts, pack_counts
from server.analytics.sequences import funnel, retention
from server.analytics.targets import targets, trending
from server.analytics.timings import timings
from server.event import DAY, HOUR, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.fields import BY_NAME
from server.problems import BadQuery, TooBroad
from server.questions import sql
from server.questions.periods import Period, Step, starts
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.rollups import DIMENSIONS, duration_bucket, week_of
from server.storage.statements import duration_bucket as bucket_in_sql
from server.storage.tables import Target

MIDNIGHT = 1_795_219_200_000  # a day in 2026
NOON = MIDNIGHT + 12 * HOUR
TODAY = Filter(project=1, period=Period(MIDNIGHT, MIDNIGHT + DAY))
PERSON, CI = Context(environment=Environment.PERSON), Context(environment=Environment.CI)
numbers = itertools.count()


def event(at: int = NOON, **fields: Any) -> Event:
    defaults: dict[str, Any] = {"id": first_id(at) + next(numbers), "project": 1, "name": "run", "occurred_at": at, "context": Context()}
    return Event(**{**defaults, **fields})


async def store_all(store: Store, *events: Event) -> None:
    await store.commit(Batch(list(events), target_rules={1: TargetRules(listed_only=False, most=100)}))


def at(text: str) -> int:
    """Epoch ms of a date in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


async def test_every_question_about_an_empty_project_has_an_empty_answer(store: Store) -> None:
    found = await overview(store, TODAY)
    nothing = Change(0, 0, None)
    assert (found.events, found.active.all, found.new.people, found.installs.all) == (nothing, nothing, nothing, nothing)
    assert (found.success_rate, found.median_us) == (Change(None, None, None), DurationChange(None, None, None, exact=True))
    daily = await series(store, TODAY)
    assert (daily.starts, daily.events, daily.active_all) == ([MIDNIGHT], [0], [0])
    for by in By:
        assert (await breakdown(store, TODAY, by, property_name="theme")).rows == []
    assert (await active_users(store, TODAY)).stickiness_all == [None]
    assert (await new_and_returning(store, TODAY)).new_all == [0]
    assert [cohort.size.all for cohort in await retention(store, TODAY)] == [0]
    assert (await version_adoption(store, TODAY)).versions == []
    total = (await timings(store, TODAY)).total
    assert (total.timed, total.mean, total.percentiles, total.edges, total.counts) == (0, None, Percentiles(), [], [])
    assert await errors(store, TODAY) == Errors([], 0, 0, 0, Installs())
    assert await failures(store, TODAY) == []
    assert await targets(store, TODAY) == []
    assert [(step.installs, step.of_first) for step in await funnel(store, TODAY, ["a", "b"])] == [(Installs(), None)] * 2
    assert (await experiment(store, TODAY, "variant")).variants == []
    assert (await trending(store, 1)).refreshed_at is None
    assert (await flakedrop_stats(store, 1)).total_events == 0
    assert [(day.start, day.received) for day in await ledger(store, 1, TODAY.period)] == [(MIDNIGHT, 0)]
    assert await rejected(store, 1) == []


async def test_a_single_event_counts_once_in_every_chart(store: Store) -> None:
    await store_all(
        store,
        event(context=Context(Environment.PERSON, "", "native", "linux", "x64", "node 22", "1.0", "npm"), install=7, duration_us=50,
              outcome=Outcome.FAILURE, error_type="E", error_message="m", target=("tool", "t"), properties='{"theme":"dark"}'),
    )  # fmt: skip
    found = await overview(store, TODAY)
    assert (found.events.value, found.active.people.value, found.new.all.value, found.installs.people.value) == (1, 1, 1, 1)
    assert (found.success_rate.value, found.median_us.value, found.p95_us.value) == (0.0, 50, 50)
    for by, value in zip(By, ("linux", "x64", "node 22", "1.0", "npm", "person", "run", "t", "t", "dark"), strict=True):
        (row,) = (await breakdown(store, TODAY, by, property_name="theme")).rows
        assert (row.value, row.events, row.failures) == (value, 1, 1)
    (group,) = (await errors(store, TODAY)).groups
    assert (group.type, group.events, group.share, group.installs, group.first_seen, group.last_seen) == (
        "E",
        1,
        1.0,
        Installs(1, 1),
        NOON,
        NOON,
    )
    assert group.sample is not None
    assert (group.sample.message, group.sample.target, group.sample.duration_us, group.sample.version) == ("m", "t", 50, "1.0")


async def test_a_private_pack_is_counted_and_never_shown(store: Store) -> None:
    await store_all(store, *(event(name="download", target=("pack", pack)) for pack in ("open", "hidden", "hidden", "listed")))
    await Target.update({Target.visibility: "private"}).where(Target.external_id == "hidden")
    await Target.update({Target.visibility: "public"}).where(Target.external_id == "listed")
    today = MIDNIGHT // DAY
    assert await pack_counts(store, 1, today) == {"open": PackCounts(1, 1, 1), "listed": PackCounts(1, 1, 1)}
    assert await pack_counts(store, 1, today, "hidden") == {}
    assert await pack_counts(store, 1, today, listed_only=True) == {"listed": PackCounts(1, 1, 1)}
    assert [(row.value, row.events) for row in (await breakdown(store, TODAY, By.TARGET, limit=1)).rows] == [("hidden", 2)]


async def test_a_period_has_its_first_millisecond_and_not_its_end(store: Store) -> None:
    edges = (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY - 1, MIDNIGHT + DAY)
    await store_all(store, *(event(moment, install=number, target=("a", "b")) for number, moment in enumerate(edges)))
    linux = TODAY.people().only(*equals(target=("a", "b")))
    for filter_ in (TODAY, linux, TODAY.only(*equals(names=("run",)))):
        found = await overview(store, filter_)
        assert (found.events.value, found.events.before, found.events.change) == (2, 1, 1.0)
        assert (found.active.all.value, found.active.all.before) == (2, 1)
    by_hour = await series(store, TODAY, Step.HOUR)
    assert (by_hour.events[0], by_hour.events[23], sum(by_hour.events)) == (1, 1, 2)


async def test_hours_that_are_no_days_are_counted_too(store: Store) -> None:
    await store_all(store, *(event(MIDNIGHT + hour * HOUR, install=hour, context=PERSON) for hour in range(24)))
    afternoon = TODAY.during(Period(NOON, NOON + 3 * HOUR))
    found = await overview(store, afternoon)
    assert (found.events.value, found.active.people.value, found.active.people.before) == (3, 3, 3)
    assert [row.events for row in (await breakdown(store, afternoon, By.ENVIRONMENT)).rows] == [3]
    with pytest.raises(BadQuery, match=r"period"):
        await active_users(store, afternoon)


def test_weeks_begin_on_monday_and_months_on_the_first_whatever_the_year() -> None:
    turn = Period(at("2026-12-30"), at("2027-01-05"))
    assert starts(turn, Step.WEEK) == [at("2026-12-28"), at("2027-01-04")]
    assert starts(turn, Step.MONTH) == [at("2026-12-01"), at("2027-01-01")]
    leap = Period(at("2028-02-28"), at("2028-03-02"))
    assert starts(leap, Step.DAY) == [at("2028-02-28"), at("2028-02-29"), at("2028-03-01")]
    assert [week_of(day) for day in (0, 3, 4)] == [-3, -3, 4]


def test_a_day_has_24_hours_where_clocks_change_elsewhere() -> None:
    for text in ("2026-03-29", "2026-10-25", "2026-11-01"):
        assert len(starts(Period(at(text), at(text) + DAY), Step.HOUR)) == 24


async def test_steps_without_events_are_included(store: Store) -> None:
    await store_all(store, event(at("2026-01-31"), install=1), event(at("2026-04-01"), install=1))
    found = await series(store, TODAY.during(Period(at("2026-01-01"), at("2026-05-01"))), Step.MONTH)
    assert (found.events, found.active_all) == ([1, 0, 0, 1], [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Period(1, DAY), "period.from"),
        (lambda: Period(0, DAY + 1), "period.to"),
        (lambda: Period(DAY, DAY), "period.to"),
        (lambda: Period(-DAY, DAY), "period.from"),
        (lambda: Period(0, 1_831 * DAY), "period"),
        (lambda: starts(Period(0, 200 * DAY), Step.HOUR), "step"),
    ],
    ids=["start in an hour", "end in an hour", "empty", "before 1970", "too long", "too many steps"],
)
def test_an_invalid_period_is_refused_by_field(make: Callable[[], Any], field: str) -> None:
    with pytest.raises(BadQuery) as caught:
        make()
    assert (caught.value.code, [error.path for error in caught.value.errors]) == (400, [field])


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda store: new_and_returning(store, TODAY, Step.HOUR), "step"),
        (lambda store: version_adoption(store, TODAY, Step.HOUR), "step"),
        (lambda store: retention(store, TODAY.during(Period(0, 800 * DAY))), "period"),
        (lambda store: trending(store, 1, window_days=1), "days"),
        (lambda store: breakdown(store, TODAY, By.PROPERTY), "property"),
        (lambda store: breakdown(store, TODAY, By.PROPERTY, property_name='a"b'), "property"),
        (lambda store: experiment(store, TODAY, "\\"), "property"),
        (lambda store: funnel(store, TODAY, ["a"]), "steps"),
        (lambda store: funnel(store, TODAY, ["a", "b"], within=0), "within"),
        (lambda store: rejected(store, 1, before="no id"), "before"),
    ],
    ids=["new by hour", "versions by hour", "many weeks", "no window", "no property", "quoted", "escaped", "one step", "no time", "no id"],
)
async def test_an_invalid_query_is_refused_by_field(store: Store, ask: Callable[[Store], Awaitable[Any]], field: str) -> None:
    with pytest.raises(BadQuery) as caught:
        await ask(store)
    assert [error.path for error in caught.value.errors] == [field]


async def test_an_install_of_a_person_and_of_ci_is_one_of_all_and_one_of_the_people(store: Store) -> None:
    await store_all(store, event(install=1, context=PERSON), event(install=1, context=CI), event(install=2, context=CI), event(install=3))
    found = await overview(store, TODAY)
    assert (found.active.all.value, found.active.people.value) == (3, 2)
    shares = {row.value: row.installs for row in (await breakdown(store, TODAY, By.ENVIRONMENT)).rows}
    assert shares == {"person": Installs(1, 1), "ci": Installs(2, 0), "unknown": Installs(1, 1)}
    assert (await overview(store, TODAY.people())).events.value == 2
    in_ci = await overview(store, TODAY.only(*equals(environments=(Environment.CI,))))
    assert (in_ci.active.all.value, in_ci.active.people.value) == (2, 0)


async def test_raw_events_that_take_too_long_are_a_problem_that_says_what_helps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        await store_all(store, *(event(context=Context(os="linux"), install=number) for number in range(1_000)))
    monkeypatch.setattr(sql, "RAW_SECONDS", 0.0)
    raw = TODAY.only(*equals(os="linux", names=("run",), target_type="none"))
    with pytest.raises(TooBroad, match="shorter period") as caught:
        await breakdown(store, raw, By.VERSION)
    assert caught.value.code == 422
    assert (await overview(store, TODAY)).events.value == 20_000, "rollups are not bounded"


async def test_one_slow_query_leaves_readers_for_others(store: Store) -> None:
    endless = "SELECT COUNT(*) AS n FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
    with pytest.raises(TimeoutError):
        await store.rows_within(0.2, endless)
    assert await store.rows_within(5, "SELECT 1 AS one") == [{"one": 1}]


async def test_sql_puts_durations_into_the_same_buckets(store: Store) -> None:
    durations = [0, 1, 63, 64, 65, 127, 128, 1_000, 12_345_678, 2_592_000_000_000, 2**52 + 12345]
    for duration in [*durations, *(2**power + offset for power in range(6, 43) for offset in (-1, 0, 1))]:
        (row,) = await store.rows(f"SELECT {bucket_in_sql('d')} AS bucket FROM (SELECT {duration} AS d) AS one")
        assert row["bucket"] == duration_bucket(duration), duration


def test_every_dimension_can_be_broken_down_by_and_filtered_by() -> None:
    names = {dimension.name for dimension in DIMENSIONS}
    assert names <= {by.value for by in By}
    assert names <= BY_NAME.keys()


def test_changes_and_percentiles_without_events_are_none() -> None:
    assert change(5, 0).change is None
    assert change(None, 5).change is None
    assert change(5, 4).change == 0.25
    assert change(0, 4).change == -1.0
    assert percentile([], 0.5) is None
    assert [percentile([(10, 1), (20, 1)], quantile) for quantile in (0.01, 0.5, 0.51, 1.0)] == [10, 10, 20, 20]


async def test_a_later_attempt_counts_if_the_first_took_too_long(store: Store) -> None:
    def step(install: int, name: str, minute: int) -> Event:
        return event(NOON + minute * 60_000, install=install, name=name)

    await store_all(
        store,
        *(step(1, "a", 0), step(1, "b", 90), step(1, "a", 100), step(1, "b", 160)),  # an hour, in the second attempt
        *(step(2, "b", 0), step(2, "a", 1)),  # in reverse order
        *(step(3, "b", 5), step(3, "a", 5)),  # at the same time
        step(4, "a", 0),
        *(step(5, "a", 0), step(5, "b", 61)),  # too late
    )
    found = await funnel(store, TODAY, ["a", "b"], within=HOUR)
    assert [step.installs.all for step in found] == [5, 2]
    assert [step.of_before for step in found] == [1.0, 0.4]


def test_intervals_are_those_of_the_literature() -> None:
    def rounded(interval: Interval | None) -> tuple[float, float]:
        assert interval is not None
        return round(interval.low, 4), round(interval.high, 4)

    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3; the second paper's table II, method 10.
    assert rounded(wilson(81, 263)) == (0.2553, 0.3662)
    assert rounded(wilson(15, 148)) == (0.0624, 0.1605)
    assert rounded(wilson(0, 20)) == (0.0, 0.1611)
    assert rounded(wilson(1, 29)) == (0.0061, 0.1718)
    assert rounded(newcombe(56, 70, 48, 80)) == (0.0524, 0.3339)
    assert rounded(newcombe(9, 10, 3, 10)) == (0.1705, 0.8090)
    assert rounded(newcombe(10, 10, 0, 10)) == (0.6075, 1.0)
    assert wilson(0, 0) is None
    assert newcombe(1, 1, 0, 0) is None


async def test_an_install_of_two_variants_counts_for_its_first(store: Store) -> None:
    def shown(install: int, variant: str, minute: int, outcome: Outcome = Outcome.NONE) -> Event:
        return event(NOON + minute * 60_000, install=install, properties=f'{{"plan":{variant}}}', outcome=outcome)

    await store_all(
        store,
        *(shown(1, '"b"', 0), shown(1, '"control"', 1, Outcome.SUCCESS)),
        *(shown(2, '"control"', 0, Outcome.SUCCESS), shown(3, "true", 0), shown(4, "[1]", 0), shown(5, "null", 0)),
        event(NOON + HOUR, install=1, name="paid"),
        event(NOON - HOUR, install=2, name="paid"),
    )
    found = await experiment(store, TODAY, "plan")
    assert [(variant.value, variant.all.installs, variant.all.successes) for variant in found.variants] == [
        ("control", 1, 1), ("b", 1, 0), ("true", 1, 0),
    ]  # fmt: skip
    assert (found.baseline, found.mixed) == ("control", 1)
    paid = await experiment(store, TODAY, "plan", goal="paid", baseline="b")
    assert [(variant.value, variant.all.successes) for variant in paid.variants] == [("b", 1), ("control", 0), ("true", 0)]
    assert (await experiment(store, TODAY, "plan", baseline="unknown")).baseline is None


async def test_all_the_words_of_a_filter_are_only_ever_values(store: Store) -> None:
    await store_all(store, event(name="x'); DROP TABLE event; --", context=Context(os="{}"), target=("{}", "'"), properties='{"{}":"\'"}'))
    hostile = TODAY.only(*equals(names=("x'); DROP TABLE event; --",), os="{}", target=("{}", "'")))
    assert (await overview(store, hostile)).events.value == 1
    assert [(row.value, row.events) for row in (await breakdown(store, hostile, By.OS)).rows] == [("{}", 1)]
    with pytest.raises(BadQuery) as caught:
        await breakdown(store, hostile, By.PROPERTY, property_name='"}')
    assert [error.path for error in caught.value.errors] == ["property"]


async def test_an_error_names_the_longest_period_of_active_users(store: Store) -> None:
    longest = Filter(project=1, period=Period(MIDNIGHT - 1_829 * DAY, MIDNIGHT + DAY))
    assert len((await active_users(store, longest)).starts) == 1_830
    with pytest.raises(BadQuery) as caught:
        await active_users(store, longest.only(*equals(os="linux")))
    (error,) = caught.value.errors
    assert (error.path, "at most 1801 days with these filters" in error.message) == ("period", True)
    within = Filter(project=1, period=Period(MIDNIGHT - 1_800 * DAY, MIDNIGHT + DAY), where=equals(os="linux"))
    assert len((await active_users(store, within)).starts) == 1_801
