"""Reports that maintainers ask for, each in one step."""

from __future__ import annotations

import pytest

from server.clock import utc_minute
from server.event import DAY, HOUR, Context
from server.event_id import EventIds
from server.jobs import Run
from server.jobs.retention_job import retention as delete_old_events
from server.questions.cohorts import Retention, retention
from server.questions.funnel import Funnel, funnel
from server.questions.paths import Direction, Paths, paths
from server.questions.periods import Period, Step
from server.questions.question import By, Condition, Op, Segment
from server.settings import Settings
from server.storage.engine import Store
from server.transfer.report_table import retention_notes
from tests.questions.test_stories import LINUX, NOW, TODAY, WINDOWS, last, send

ENGINES = ("sqlite", "postgres")
MONDAY = TODAY - 5 * DAY
OLD, NEW = Context(os="linux", version="1.0.0"), Context(os="linux", version="2.0.0")


@pytest.fixture
def ids() -> EventIds:
    return EventIds(1)


def named(name: str) -> tuple[Condition, ...]:
    return (Condition("name", Op.IS, (name,)),)


async def test_retention_split_by_os(store: Store, ids: EventIds) -> None:
    """Two installs on Linux, one of which returns and changes its system; one on Windows that does not return."""
    first = MONDAY - 21 * DAY
    for days, install, context in ((0, 1, LINUX), (1, 2, LINUX), (2, 3, WINDOWS), (8, 1, WINDOWS), (22, 1, WINDOWS)):
        await send(store, ids, first + days * DAY, install=install, context=context)
    answer = await retention(store, Retention(project=1, period=Period(first, MONDAY + DAY), by=(By("os"),)), now=NOW)
    assert answer.starts == [first, first + 7 * DAY, first + 14 * DAY, MONDAY]
    assert [(row.keys, row.cohorts[0].size.all, row.cohorts[0].active_all) for row in answer.rows] == [
        (["linux"], 2, [2, 1, 0, 1]),
        (["windows"], 1, [1, 0, 0, 0]),
    ]
    assert answer.partial_step == 3
    assert [row.rates_all for row in answer.rows] == [[1, 0.5, 0], [1, 0, 0]], "the current week has not ended"
    assert answer.total.cohorts[0].active_all == [3, 1, 0, 1]


async def test_retention_from_the_first_time_of_an_event(store: Store, ids: EventIds) -> None:
    """Installs begin with their first deploy ever, and return with successful builds only."""
    for days, install, name in ((40, 1, "deploy"), (9, 1, "deploy"), (9, 2, "build"), (8, 2, "deploy"), (7, 2, "build"), (6, 2, "other")):
        await send(store, ids, TODAY - days * DAY, install=install, name=name)
    report = Retention(
        project=1, period=Period(TODAY - 10 * DAY, TODAY - 5 * DAY), over=Step.DAY, start=named("deploy"), back=named("build")
    )
    (cohort,) = (each for each in (await retention(store, report, now=NOW)).total.cohorts if each.size.all)
    assert (cohort.start, cohort.size.all, cohort.active_all) == (TODAY - 8 * DAY, 1, [0, 1, 0])


async def test_retention_after_events_were_deleted_says_so(store: Store, ids: EventIds, settings: Settings) -> None:
    for days in (380, 373, 30, 2):
        await send(store, ids, NOW - days * DAY, install=days)
    await delete_old_events(Run(store, settings, now=lambda: NOW))
    period = Period(TODAY - 390 * DAY, TODAY + DAY)
    whole = await retention(store, Retention(project=1, period=period), now=NOW)
    assert (whole.complete, whole.source, sum(each.size.all for each in whole.total.cohorts)) == (True, "rollups", 4)
    split = await retention(store, Retention(project=1, period=period, by=(By("os"),)), now=NOW)
    assert (split.complete, sum(each.size.all for each in split.total.cohorts)) == (False, 2)
    assert split.since is not None
    assert split.starts[0] > split.since - 7 * DAY, "no row for weeks whose events are gone"
    cut = f"The week that begins at {utc_minute(split.starts[0])} UTC counts only from {utc_minute(split.since)} UTC."
    assert [cut in retention_notes(Retention(project=1, period=period), each) for each in (whole, split)] == [False, True]


async def test_the_first_cohort_is_whole_if_the_period_begins_within_its_step(store: Store, ids: EventIds) -> None:
    first = MONDAY - 21 * DAY
    for days, install in ((0, 1), (3, 2), (8, 1)):
        await send(store, ids, first + days * DAY, install=install)
    for by in ((), (By("os"),)):
        answer = await retention(store, Retention(project=1, period=Period(first + 2 * DAY, MONDAY), by=by), now=NOW)
        assert (answer.starts[0], answer.total.cohorts[0].size.all, answer.total.cohorts[0].active_all[:2]) == (first, 2, [2, 1])


async def test_the_funnel_from_init_to_deploy_split_by_version(store: Store, ids: EventIds) -> None:
    """An install that upgrades after `init` stays in the row of its old version."""
    for hours, install, name, context in (
        (0, 1, "init", OLD), (1, 1, "build", NEW), (2, 1, "deploy", NEW),
        (0, 2, "init", NEW), (1, 2, "build", NEW),
        (0, 3, "build", NEW), (1, 3, "init", NEW), (2, 3, "deploy", NEW),
    ):  # fmt: skip
        await send(store, ids, NOW - 2 * DAY + hours * HOUR, install=install, name=name, context=context)
    steps = tuple(Segment(name, named(name)) for name in ("init", "build", "deploy"))
    report = Funnel(project=1, period=last(7), steps=steps, by=(By("version"),))
    answer = await funnel(store, report)
    assert [(row.keys, [step.all for step in row.steps]) for row in answer.rows] == [(["2.0.0"], [2, 1, 0]), (["1.0.0"], [1, 1, 1])]
    assert [step.all for step in answer.total] == [3, 2, 1]
    any_order = await funnel(store, Funnel(project=1, period=last(7), steps=steps, ordered=False))
    assert [step.all for step in any_order.total] == [3, 3, 2]


async def test_paths_show_the_events_before_an_error_in_its_session(store: Store, ids: EventIds) -> None:
    """The session of the client counts; without one, a pause of more than 30 minutes ends it."""
    for minutes, session, name in ((0, None, "init"), (31, None, "build"), (40, 7, "other"), (50, None, "deploy")):
        await send(store, ids, NOW - DAY + minutes * 60_000, session=session, name=name)
    before = await paths(store, Paths(project=1, period=last(7), event=named("deploy"), direction=Direction.BEFORE))
    assert [(path.names, path.counts.events_all) for path in before.total.paths] == [(["build"], 1)]
    after = await paths(store, Paths(project=1, period=last(7), event=named("init")))
    assert [path.names for path in after.total.paths] == [[]]
