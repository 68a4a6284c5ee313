"""Questions that maintainers ask, each in one step."""

from __future__ import annotations

import json

import pytest

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.jobs import Run
from server.jobs.retention_job import retention
from server.problems import BadQuery
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.periods import Period, Step
from server.questions.question import By, Compare, Condition, Measure, Op, Parts, Question, Segment
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store

ENGINES = ("sqlite", "postgres")
NOW = 1_795_219_200_000
TODAY = NOW // DAY * DAY
WINDOWS = Context(Environment.PERSON, "reported", "native", "windows", "arm64", "node 18", "2.7.0", "npm")
LINUX = Context(Environment.CI, "reported", "native", "linux", "x64", "node 20", "3.0.0", "npm")
MAC = Context(Environment.PERSON, "reported", "native", "darwin", "arm64", "node 20", "3.0.0", "npm")


async def send(store: Store, ids: EventIds, at: int, **fields: object) -> None:
    """Store one event that arrives when it occurs."""
    known = {"name": "build", "context": WINDOWS, "install": 1} | fields
    event = Event(id=ids.take(1, at)[0], project=1, occurred_at=at, **known)  # type: ignore[arg-type]
    await store.commit(Batch([event], target_rules={}))


@pytest.fixture
def ids() -> EventIds:
    return EventIds(1)


def numbers(answer: Answer) -> list[tuple[list[str | None], list[float | None]]]:
    """The keys of each row with the figures of its first measure."""
    return [(row.keys, row.figures[0].all) for row in answer.rows]


def last(days: int) -> Period:
    return Period.last_days(days, NOW)


async def test_the_failure_rate_of_one_stage_on_one_platform(store: Store, ids: EventIds) -> None:
    """`build` on Windows arm64 with Node 18 at stage `dependencies`."""
    stage = json.dumps({"build": {"stage": "dependencies"}})
    for outcome, properties, context in (
        (Outcome.FAILURE, stage, WINDOWS),
        (Outcome.SUCCESS, stage, WINDOWS),
        (Outcome.SUCCESS, stage, WINDOWS),
        (Outcome.FAILURE, '{"build":{"stage":"bundle"}}', WINDOWS),
        (Outcome.FAILURE, stage, LINUX),
    ):
        await send(store, ids, NOW - DAY, outcome=outcome, properties=properties, context=context)
    where = (
        Condition("name", Op.IS, ("build",)),
        Condition("os", Op.IS, ("windows",)),
        Condition("arch", Op.IS, ("arm64",)),
        Condition("runtime", Op.PREFIX, ("node 18",)),
        Condition("properties.build.stage", Op.IS, ("dependencies",)),
    )
    answer = await ask(store, Question(project=1, period=last(7), measures=(Measure.FAILURE_RATE,), where=where), now=NOW)
    assert answer.rows[0].figures[0].all == [pytest.approx(1 / 3)]


async def test_installs_of_a_past_week_count_under_the_version_of_that_week(store: Store, ids: EventIds) -> None:
    """An install that has upgraded since counts under the version of that week."""
    for days, version in ((20, "1.0.0"), (19, "1.0.0"), (1, "2.0.0")):
        await send(store, ids, NOW - days * DAY, context=Context(os="linux", version=version))
    await send(store, ids, NOW - 20 * DAY, context=Context(os="linux", version="1.5.0"), install=2)
    week = Period(TODAY - 21 * DAY, TODAY - 14 * DAY)
    answer = await ask(store, Question(project=1, period=week, measures=(Measure.INSTALLS,), by=(By("version"),)), now=NOW)
    assert numbers(answer) == [(["1.0.0"], [1]), (["1.5.0"], [1])]


async def test_the_95th_percentile_by_version_over_time(store: Store, ids: EventIds) -> None:
    for days, version, duration in ((8, "2.7.0", 1_000), (8, "2.7.1", 3_000), (1, "2.7.1", 5_000), (1, "3.0.0", 9_000)):
        await send(store, ids, NOW - days * DAY, context=Context(version=version), duration_us=duration * 1000)
    question = Question(
        project=1,
        period=last(14),
        measures=(Measure.P95,),
        by=(By("version", Parts.MINOR),),
        over=Step.WEEK,
        where=(Condition("name", Op.IS, ("build",)),),
    )
    answer = await ask(store, question, now=NOW)
    assert [(row.keys, [value for value in row.figures[0].all if value is not None]) for row in answer.rows] == [
        (["2.7"], [3_000, 5_000]),
        (["3.0"], [9_000]),
    ]


async def test_the_values_that_a_filter_could_have_taken(store: Store, ids: EventIds) -> None:
    await send(store, ids, NOW - DAY)
    where = (Condition("version", Op.IS, ("2.7",)), Condition("os", Op.IS, ("windows",)))
    answer = await ask(store, Question(project=1, period=last(7), where=where), now=NOW)
    assert numbers(answer) == [([], [0])]
    assert [(each.field, each.nearest) for each in answer.warnings] == [("version", ["2.7.0"])]
    assert "Did you mean `2.7.0`?" in answer.warnings[0].message


@pytest.mark.parametrize(("value", "stored"), [("macos", "darwin"), ("Windows_NT", "windows"), ("linus", "linux")])
async def test_another_spelling_of_a_system_suggests_the_stored_one(store: Store, ids: EventIds, value: str, stored: str) -> None:
    for context, count in ((LINUX, 3), (WINDOWS, 2), (MAC, 1)):
        for _ in range(count):
            await send(store, ids, NOW - DAY, context=context)
    answer = await ask(store, Question(project=1, period=last(7), where=(Condition("os", Op.IS, (value,)),)), now=NOW)
    assert [(each.field, each.nearest[:1]) for each in answer.warnings] == [("os", [stored])]
    assert f"Did you mean `{stored}`" in answer.warnings[0].message


async def test_a_single_condition_without_a_value_to_suggest_has_a_warning_of_its_own(store: Store, ids: EventIds) -> None:
    await send(store, ids, NOW - DAY)
    answer = await ask(store, Question(project=1, period=last(7), where=(Condition("properties.stag", Op.EXISTS),)), now=NOW)
    warnings = [(each.field, each.message) for each in answer.warnings]
    assert warnings == [("properties.stag", "No event in this period meets the condition.")]


async def test_conditions_that_match_alone_but_not_together_have_a_warning(store: Store, ids: EventIds) -> None:
    await send(store, ids, NOW - DAY)
    await send(store, ids, NOW - DAY, context=LINUX)
    where = (Condition("version", Op.SEMVER, ("^2",)), Condition("os", Op.IS, ("linux",)))
    answer = await ask(store, Question(project=1, period=last(7), where=where), now=NOW)
    assert [each.message for each in answer.warnings] == ["No event in this period meets all conditions together."]


async def test_a_segment_without_events_is_explained_beside_one_that_has_some(store: Store, ids: EventIds) -> None:
    await send(store, ids, NOW - DAY, context=LINUX)
    segments = (
        Segment("linux", (Condition("os", Op.IS, ("linux",)),)),
        Segment("typo", (Condition("os", Op.IS, ("linus",)),)),
        Segment("never", (Condition("os", Op.IS, ("linux",)), Condition("version", Op.SEMVER, (">=9",)))),
    )
    answer = await ask(store, Question(project=1, period=last(7), segments=segments), now=NOW)
    assert numbers(answer) == [([], [1]), ([], [0]), ([], [0])]
    assert [(each.field, each.nearest[:1]) for each in answer.warnings] == [("os", ["linux"]), ("version", ["3.0.0"])]


async def test_segments_side_by_side_against_the_period_before(store: Store, ids: EventIds) -> None:
    for days, context in ((1, WINDOWS), (1, LINUX), (2, LINUX), (10, LINUX)):
        await send(store, ids, NOW - days * DAY, context=context)
    segments = (
        Segment("people", (Condition("environment", Op.IS, ("person",)),)),
        Segment("ci", (Condition("environment", Op.IS, ("ci",)),)),
    )
    answer = await ask(store, Question(project=1, period=last(7), segments=segments, compare=Compare.PREVIOUS), now=NOW)
    assert [(row.segment, row.figures[0].all, row.figures[0].all_before) for row in answer.rows] == [("people", [1], [0]), ("ci", [2], [1])]


async def test_an_unfinished_period_is_compared_with_the_same_part_of_the_one_before(store: Store, ids: EventIds) -> None:
    noon = TODAY + DAY // 2
    for at in (TODAY - DAY + 1000, noon - DAY + 1000, TODAY + 1000):
        await send(store, ids, at)
    question = Question(project=1, period=Period.last_days(1, noon), over=Step.DAY, compare=Compare.PREVIOUS)
    answer = await ask(store, question, now=noon)
    figures = answer.rows[0].figures[0]
    assert (figures.all, figures.all_before) == ([1], [1])
    assert answer.partial_step == 0


async def test_an_element_of_a_list_counts_an_event_once(store: Store, ids: EventIds) -> None:
    await send(store, ids, NOW - DAY, properties='{"flags":["a","a","b",null,{"c":1}]}')
    await send(store, ids, NOW - DAY, properties='{"flags":"a"}')
    answer = await ask(store, Question(project=1, period=last(7), by=(By("properties.flags"),)), now=NOW)
    assert numbers(answer) == [(["a"], [2]), (["b"], [1]), ([None], [1])]


@pytest.fixture
async def retained(store: Store, settings: Settings, ids: EventIds) -> None:
    """Two events, of which retention has deleted the first."""
    await send(store, ids, NOW - 380 * DAY)
    await send(store, ids, NOW - DAY, install=2)
    await retention(Run(store, settings, now=lambda: NOW))


YEARS = Period(TODAY - 390 * DAY, TODAY + DAY)


async def test_rollups_answer_for_events_that_retention_deleted(store: Store, retained: None) -> None:
    answer = await ask(store, Question(project=1, period=YEARS, by=(By("os"),), measures=(Measure.EVENTS,)), now=NOW)
    assert (numbers(answer), answer.complete, answer.source) == ([(["windows"], [2])], True, "rollups")


async def test_an_answer_after_retention_names_its_start_and_counts_one_population(store: Store, retained: None) -> None:
    where = (Condition("os", Op.IS, ("windows",)), Condition("arch", Op.IS, ("arm64",)))
    measures = (Measure.EVENTS, Measure.INSTALLS)
    answer = await ask(store, Question(project=1, period=YEARS, where=where, measures=measures, over=Step.MONTH), now=NOW)
    assert not answer.complete
    assert answer.since is not None
    events, installs = answer.rows[0].figures
    assert events.all[0] is None, "a month without remaining events is unknown, not 0"
    assert sum(each or 0 for each in events.all) == sum(each or 0 for each in installs.all) == 1
    question = Question(project=1, period=YEARS, by=(By("os"),), measures=measures)
    mixed = await ask(store, question, now=NOW)
    assert [(each.measure, each.all) for each in mixed.rows[0].figures] == [(Measure.EVENTS, [1]), (Measure.INSTALLS, [1])]


async def test_an_answer_is_complete_if_retention_found_nothing_to_delete(store: Store, settings: Settings, ids: EventIds) -> None:
    """Each run of the job notes a time, which the first answers over more than a year named as the start of their events."""
    await send(store, ids, NOW - 2 * DAY)
    await retention(Run(store, settings, now=lambda: NOW))
    where = (Condition("os", values=("windows",)), Condition("arch", values=("arm64",)))
    answer = await ask(store, Question(project=1, period=YEARS, where=where, over=Step.MONTH), now=NOW)
    assert (answer.since, answer.complete) == (None, True)
    assert set(answer.rows[0].figures[0].all) == {0, 1}


@pytest.mark.parametrize(("period", "before"), [(last(7), Period(TODAY - 385 * DAY, TODAY - 375 * DAY)), (YEARS, last(2))])
async def test_each_period_says_whether_it_is_complete(store: Store, retained: None, period: Period, before: Period) -> None:
    where = (Condition("os", values=("windows",)), Condition("arch", values=("arm64",)))
    answer = await ask(store, Question(project=1, period=period, where=where, compare_to=before), now=NOW)
    assert (answer.complete, answer.complete_before) == (period is not YEARS, period is YEARS)
    assert (await ask(store, Question(project=1, period=period, where=where), now=NOW)).complete_before is None


async def test_a_release_is_compared_with_an_explicit_period(store: Store, ids: EventIds) -> None:
    """The figures of a short and a longer period, step by step."""
    for days in (1, 2, 40, 41, 42):
        await send(store, ids, NOW - days * DAY)
    before = Period(TODAY - 43 * DAY, TODAY - 39 * DAY)
    answer = await ask(store, Question(project=1, period=last(3), compare_to=before, over=Step.DAY), now=NOW)
    assert answer.rows[0].figures[0].all == [1, 1, 0]
    assert answer.rows[0].figures[0].all_before == [0, 1, 1, 1]
    assert answer.starts_before == [TODAY - days * DAY for days in (43, 42, 41, 40)]
    with pytest.raises(BadQuery):
        Question(project=1, period=last(3), compare_to=before, compare=Compare.PREVIOUS)
