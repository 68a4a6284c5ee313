"""Answers over a large data set equal an independent recount from raw events (see `recount`)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from server.analytics import vocabulary
from server.analytics.breakdown import By, breakdown
from server.analytics.errors import errors, failures
from server.analytics.exact_durations import FEW
from server.analytics.filters import Filter
from server.analytics.installs import active_users, new_and_returning, version_adoption
from server.analytics.measures import Installs
from server.analytics.overview import overview, series
from server.analytics.sequences import retention
from server.analytics.sources import conditions
from server.analytics.targets import targets
from server.analytics.timings import Durations, Of, medians, timings
from server.event import DAY, HOUR, PEOPLE, Environment, Outcome
from server.event_id import to_uuid
from server.history import History
from server.questions import reader
from server.questions.periods import Period, Step
from server.settings import load
from server.storage.engine import Store
from tests.analytics import recount
from tests.analytics.chart_filters import FILTERS, WHOLE, each_filter, picked_filters
from tests.analytics.conftest import Filled
from tests.analytics.dataset import MAIN
from tests.analytics.recount import Pair, Raw

pytestmark = [pytest.mark.timeout(1_800), pytest.mark.xdist_group("recount")]


def both(installs: Installs | None) -> Pair:
    assert installs is not None
    return installs.all, installs.people


@each_filter
async def test_the_overview_equals_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    found = await overview(full, filter_)
    assert filter_.period.before is not None
    assert found.compared_until is not None
    compared = Period(filter_.period.before.start, found.compared_until, exact=True)  # up to the current time
    for period, part, end in ((filter_.period, "value", filter_.period.end), (compared, "before", filter_.period.start)):
        events = filled.matching(filter_.during(period))
        count, successes, failed = recount.outcomes(events)
        assert getattr(found.events, part) == count
        assert getattr(found.success_rate, part) == (successes / (successes + failed) if successes + failed else None)
        new = [event for event in events if event.install is not None and period.start <= filled.machines[event.install].first]
        assert (getattr(found.active.all, part), getattr(found.active.people, part)) == recount.pair(events)
        assert (getattr(found.new.all, part), getattr(found.new.people, part)) == recount.pair(new)
        assert (getattr(found.installs.all, part), getattr(found.installs.people, part)) == _known(filled, filter_, end)
        close(getattr(found.median_us, part), recount.quantile(recount.took(events), 0.5), exactly=found.median_us.exact)
        close(getattr(found.p95_us, part), recount.quantile(recount.took(events), 0.95), exactly=found.p95_us.exact)
    assert found.events.value is not None
    before = found.events.before
    assert found.events.change == ((found.events.value - before) / before if before else None)


def _known(filled: Filled, filter_: Filter, end: int) -> Pair:
    """Installs seen before a time. For whole days, any earlier environment counts, otherwise the last one."""
    allowed = tuple(Environment) if filter_.allowed is None else filter_.allowed
    seen = {install: machine for install, machine in filled.machines.items() if machine.first < end}
    if not filter_.period.whole_days or not allowed:
        kinds = [machine.last["environment"] for machine in seen.values() if machine.last["environment"] in allowed]
        return len(kinds), sum(kind in PEOPLE for kind in kinds)
    ran = [event for event in filled.events if event.project == MAIN and event.install in seen and event.at < end]
    mine = {event.install for event in ran if event.environment in allowed}
    everyone = len(seen) if filter_.allowed is None else len(mine)
    return everyone, len(
        {event.install for event in ran if event.environment in PEOPLE and event.install in mine and event.environment in allowed}
    )


@picked_filters
@pytest.mark.parametrize("step", Step)
async def test_the_series_equal_the_recount(full: Store, filled: Filled, filter_: Filter, step: Step) -> None:
    found = await series(full, filter_, step)
    steps = recount.grouped(filled.matching(filter_), lambda event: recount.begins(event.at, step.value))
    period = filter_.period
    assert found.starts == recount.every(period.start, period.end, step.value)
    assert list(zip(found.events, found.successes, found.failures, strict=True)) == [
        recount.outcomes(steps.get(start, [])) for start in found.starts
    ]
    if step is Step.HOUR:
        assert (found.active_all, found.active_people) == (None, None)
        return
    assert found.active_all is not None
    assert found.active_people is not None
    assert list(zip(found.active_all, found.active_people, strict=True)) == [recount.pair(steps.get(start, [])) for start in found.starts]


@picked_filters
@pytest.mark.parametrize("by", [By.OS, By.ARCH, By.RUNTIME, By.VERSION, By.PACKAGE_MANAGER])
async def test_breakdowns_by_fields_of_the_context_equal_the_recount(full: Store, filled: Filled, filter_: Filter, by: By) -> None:
    found = await breakdown(full, filter_, by)
    events = filled.matching(filter_)
    by_event = recount.grouped(events, lambda event: getattr(event, by.value))
    by_install = recount.grouped((event for event in events if event.install is not None), lambda event: getattr(event, by.value))
    assert {row.value: (row.events, row.successes, row.failures) for row in found.rows if row.events} == {
        value: recount.outcomes(each) for value, each in by_event.items()
    }
    assert {row.value: both(row.installs) for row in found.rows if row.installs and row.installs.all} == {
        value: recount.pair(each) for value, each in by_install.items()
    }
    assert [row.events for row in found.rows] == sorted((row.events for row in found.rows), reverse=True)


@picked_filters
async def test_breakdowns_by_other_dimensions_equal_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    events = filled.matching(filter_)
    keys: dict[By, Any] = {
        By.ENVIRONMENT: lambda event: (Environment(event.environment).word, None),
        By.NAME: lambda event: (event.name, None),
        By.TARGET: lambda event: (event.target, event.target_type),
        By.TOOL: lambda event: (event.target if event.target_type == "tool" else None, "tool"),
    }
    for by, key in keys.items():
        found = await breakdown(full, filter_, by, limit=1_000)
        expected = {value: each for value, each in recount.grouped(events, key).items() if value[0] is not None}
        assert {(row.value, row.target_type): (row.events, row.successes, row.failures) for row in found.rows} == {
            value: recount.outcomes(each) for value, each in expected.items()
        }, by
        if by is By.ENVIRONMENT:
            assert {row.value: both(row.installs) for row in found.rows} == {
                value[0]: recount.pair(each) for value, each in expected.items()
            }
        else:
            assert {row.installs for row in found.rows} <= {None}


@picked_filters
@pytest.mark.parametrize("name", ["theme", "variant"], ids=["a picked property", "another property"])
async def test_breakdowns_by_a_property_equal_the_recount(full: Store, filled: Filled, filter_: Filter, name: str) -> None:
    found = await breakdown(full, filter_, By.PROPERTY, property_name=name)
    by_value = recount.grouped(filled.matching(filter_), lambda event: msgspec.json.decode(event.properties or "{}").get(name))
    by_value.pop(None, None)
    assert {row.value: (row.events, row.successes, row.failures) for row in found.rows} == {
        value: recount.outcomes(each) for value, each in by_value.items()
    }


@picked_filters
async def test_active_users_equal_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    if not filter_.period.whole_days:
        return
    found = await active_users(full, filter_)
    first, last = filter_.period.first_day, filter_.period.last_day
    events = filled.matching(filter_.during(Period((first - 30) * DAY, filter_.period.end)))
    days = [first, first + 3, (first + last) // 2, last - 1, last]  # every day would be slow without testing more
    for day in days:
        place = day - first
        daily, weekly, monthly = (recount.rolling(events, day, length) for length in (1, 7, 30))
        assert (found.daily_all[place], found.daily_people[place]) == daily
        assert (found.weekly_all[place], found.weekly_people[place]) == weekly
        assert (found.monthly_all[place], found.monthly_people[place]) == monthly
        assert found.stickiness_all[place] == (daily[0] / monthly[0] if monthly[0] else None)
        assert found.stickiness_people[place] == (daily[1] / monthly[1] if monthly[1] else None)


@picked_filters
@pytest.mark.parametrize("step", [Step.DAY, Step.WEEK, Step.MONTH])
async def test_new_and_returning_installs_equal_the_recount(full: Store, filled: Filled, filter_: Filter, step: Step) -> None:
    found = await new_and_returning(full, filter_, step)
    steps = recount.grouped(filled.matching(filter_), lambda event: recount.begins(event.at, step.value))

    def is_new(event: Raw, start: int) -> bool:
        if event.install is None:
            return False
        first = filled.machines[event.install].first
        return recount.begins(first, step.value) == start and first >= filter_.period.start

    active = [recount.pair(steps.get(start, [])) for start in found.starts]
    new = [recount.pair(event for event in steps.get(start, []) if is_new(event, start)) for start in found.starts]
    assert list(zip(found.new_all, found.new_people, strict=True)) == new
    assert list(zip(found.returning_all, found.returning_people, strict=True)) == [
        (all_[0] - new_[0], all_[1] - new_[1]) for all_, new_ in zip(active, new, strict=True)
    ]


@picked_filters
async def test_retention_equals_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    found = await retention(full, filter_)
    monday = recount.begins(filter_.period.start, "week") // DAY
    end = recount.begins(filter_.period.end - 1, "week") // DAY + 7
    events = filled.matching(filter_.during(Period(monday * DAY, end * DAY)))
    expected = recount.cohorts(events, filled.machines, monday, (end - monday) // 7)
    assert [cohort.start for cohort in found] == list(range(monday * DAY, end * DAY, 7 * DAY))
    assert [(cohort.size.all, cohort.size.people) for cohort in found] == [size for size, _ in expected]
    assert [list(zip(cohort.active_all, cohort.active_people, strict=True)) for cohort in found] == [weeks for _, weeks in expected]


@picked_filters
@pytest.mark.parametrize("step", [Step.DAY, Step.WEEK])
async def test_version_adoption_equals_the_recount(full: Store, filled: Filled, filter_: Filter, step: Step) -> None:
    found = await version_adoption(full, filter_, step, limit=3)
    events = filled.matching(filter_)
    everyone = recount.adoption(events, step.value)
    people = recount.adoption((event for event in events if event.environment in recount.PEOPLE), step.value)
    named = {adoption.version for adoption in found.versions}
    for counts, part in ((everyone, "all"), (people, "people")):
        for adoption in found.versions:
            expected = [
                sum(count for (version, at), count in counts.items() if at == start and _is(adoption.version, version, named))
                for start in found.starts
            ]
            assert getattr(adoption, part) == expected, adoption.version
    ran = recount.grouped((event for event in events if event.install is not None and event.version), lambda event: event.version)
    several = {version for version, each in ran.items() if len({event.install for event in each}) > 1} & {
        version for version, _ in everyone
    }
    assert len(named - {None}) == min(3, len(several))
    assert named - {None} <= several
    by_version = recount.grouped(events, lambda event: event.version)
    for adoption in found.versions:
        if adoption.version is not None:
            _, successes, failed = recount.outcomes(by_version[adoption.version])
            assert adoption.failure_rate == (failed / (successes + failed) if successes + failed else None)


def _is(wanted: str | None, version: str, named: set[str | None]) -> bool:
    return version == wanted if wanted is not None else version not in named


def close(found: float | None, exact: float | None, *, exactly: bool = False) -> None:
    """Check a percentile: within 2 %, or equal if it is marked as exact."""
    assert (found is None) == (exact is None)
    if exactly:
        assert found == exact
    if found is not None and exact is not None:
        assert abs(found - exact) <= 0.02 * exact


def check_durations(found: Durations, events: list[Raw]) -> None:
    exact = recount.took(events)
    assert found.timed == sum(found.counts) == len(exact)
    assert found.mean == (sum(exact) / len(exact) if exact else None)
    assert found.percentiles.exact == (0 < len(exact) <= FEW)
    for name, share in (("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        close(getattr(found.percentiles, name), recount.quantile(exact, share), exactly=found.percentiles.exact)
    for place, count in enumerate(found.counts):
        assert count == sum(found.edges[place] <= duration < found.edges[place + 1] for duration in exact)


@picked_filters
async def test_timings_are_within_two_percent(full: Store, filled: Filled, filter_: Filter) -> None:
    events = filled.matching(filter_)
    by_name = await timings(full, filter_, Of.NAME)
    check_durations(by_name.total, events)
    names = recount.grouped((event for event in events if event.took is not None), lambda event: event.name)
    assert {group.label for group in by_name.groups} == set(names)
    for group in by_name.groups:
        check_durations(group, names[group.label])
    by_target = await timings(full, filter_, Of.TARGET, limit=5)
    own = recount.grouped((event for event in events if event.took is not None and event.target), lambda event: event.target)
    assert [group.timed for group in by_target.groups] == sorted(map(len, own.values()), reverse=True)[:5]
    for group in by_target.groups:
        check_durations(group, own[group.label])


@picked_filters
async def test_medians_over_time_are_within_two_percent(full: Store, filled: Filled, filter_: Filter) -> None:
    for step in (Step.DAY, Step.WEEK):
        found = await medians(full, filter_, step)
        ends = [*found.starts[1:], filter_.period.end]
        for start, end, median in zip(found.starts, ends, found.medians, strict=True):
            own = recount.took([event for event in filled.matching(filter_) if start <= event.at < end])
            close(median, recount.quantile(own, 0.5), exactly=found.exact)


@picked_filters
async def test_errors_equal_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    found = await errors(full, filter_)
    events = filled.matching(filter_)
    types = recount.failing(events)
    everything = [event for each in types.values() for event in each]
    assert {group.type for group in found.groups} == set(types)
    assert (found.types, found.events) == (len(types), len(everything))
    assert found.failures == recount.outcomes(events)[2]
    assert both(found.installs) == recount.pair(everything)
    allowed = tuple(Environment) if filter_.allowed is None else filter_.allowed
    ever = recount.failing(event for event in filled.events if event.environment in allowed)
    for group in found.groups:
        own = types[group.type]
        assert (group.events, both(group.installs), group.share) == (len(own), recount.pair(own), len(own) / len(everything))
        assert (group.first_seen, group.last_seen) == (min(each.at for each in own), max(each.at for each in own))
        assert group.first_ever == min(each.at for each in ever[group.type])
        versions = recount.grouped(own, lambda event: event.version)
        assert {count.version: count.events for count in group.versions} == {version: len(each) for version, each in versions.items()}
        assert group.names == sorted({event.name for event in own})
        assert group.sample is not None
        assert group.sample.id == to_uuid(own[-1].id)
        assert (group.sample.at, group.sample.name, group.sample.version) == (own[-1].at, own[-1].name, own[-1].version)


@picked_filters
async def test_the_last_failures_equal_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    found = await failures(full, filter_, limit=20)
    failed = [event for event in recount.stored(filled.matching(filter_)) if event.outcome == Outcome.FAILURE]
    assert [(each.id, each.error_type, each.duration_us) for each in found] == [
        (to_uuid(event.id), event.error, event.took) for event in reversed(failed[-20:])
    ]


@picked_filters
async def test_the_last_events_of_an_error_type_are_found_however_rare(full: Store, filled: Filled, filter_: Filter) -> None:
    for error_type, events in recount.failing(recount.stored(filled.matching(filter_))).items():
        found = await failures(full, filter_, error_type=error_type or "", limit=5)
        assert [each.id for each in found] == [to_uuid(event.id) for event in reversed(events[-5:])]


async def test_the_start_of_a_project_is_its_first_event(full: Store, filled: Filled) -> None:
    first = min(event.at for event in filled.matching(Filter(project=MAIN, period=WHOLE)))
    assert await vocabulary.first_events(full, [MAIN, 999]) == {MAIN: first // HOUR * HOUR}


@picked_filters
async def test_targets_equal_the_recount(full: Store, filled: Filled, filter_: Filter) -> None:
    found = await targets(full, filter_, limit=1_000)
    by_target = recount.grouped(
        (event for event in filled.matching(filter_) if event.target), lambda event: (event.target_type, event.target)
    )
    ever = filled.matching(Filter(project=MAIN, period=WHOLE, audience=filter_.audience, where=filter_.of("environment", "name")))
    totals = recount.grouped(ever, lambda event: (event.target_type, event.target))
    known = conditions(filter_) <= {"target"}
    assert {(each.type, each.id): (each.events, each.successes, each.failures, each.total) for each in found} == {
        key: (*recount.outcomes(events), len(totals[key]) if known else None) for key, events in by_target.items()
    }
    for each in found:
        exact = recount.took(by_target[each.type, each.id])
        assert each.mean_us == (sum(exact) / len(exact) if exact else None)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))])
async def test_charts_from_the_history_equal_charts_from_the_store(
    full: Store, filled: Filled, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Each part has every fourth filter."""
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    history = History(full, load({"FOOTFALL_DATA_DIR": str(filled.folder)}))
    await history.build(lag=0)
    for name, filter_ in list(FILTERS.items())[part::4]:
        figures, its = await overview(full, filter_, history), await overview(full, filter_)
        assert figures == msgspec.structs.replace(its, compared_until=figures.compared_until), name  # the clock has moved
        assert await series(full, filter_, Step.WEEK, history) == await series(full, filter_, Step.WEEK), name
        assert await medians(full, filter_, Step.DAY, history) == await medians(full, filter_, Step.DAY), name
        assert await new_and_returning(full, filter_, Step.WEEK, history) == await new_and_returning(full, filter_, Step.WEEK), name
        assert await errors(full, filter_, history=history) == await errors(full, filter_), name
        for of in Of:
            assert await timings(full, filter_, of, history=history) == await timings(full, filter_, of), (name, of)
        for by in (By.VERSION, By.NAME, By.TARGET, By.ENVIRONMENT):
            assert await breakdown(full, filter_, by, history=history) == await breakdown(full, filter_, by), (name, by)
        theme = await breakdown(full, filter_, By.PROPERTY, property_name="theme", history=history)
        assert theme == await breakdown(full, filter_, By.PROPERTY, property_name="theme"), name
    history.close()
