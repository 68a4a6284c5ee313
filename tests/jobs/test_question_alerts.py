"""Alerts on saved questions: a threshold, a change, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from server.event import DAY, Context, Environment, Outcome
from server.jobs import Run, rules
from server.jobs.alert_job import alerts, find
from server.jobs.question_alerts import threshold_of
from server.jobs.rules import Draft
from server.questions import saved
from server.questions.periods import RelativePeriod, Step
from server.questions.question import Audience, Compare, Condition, Measure, Op, Segment
from server.questions.report_templates import AnyTemplate, FunnelTemplate
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import ProjectError, saved_questions
from server.storage.upkeep.alert_rules import Kind

ENGINES = ("sqlite", "postgres")
Make = Callable[..., Any]
BUILDS = Template(where=(Condition("name", Op.IS, ("build",)),), period=RelativePeriod(last=1), compare=Compare.PREVIOUS)


@pytest.fixture
def watched(store: Store, now: int, make_rule: Make) -> Make:
    """A function that creates a rule on a saved question and returns its finding."""

    async def make(kind: Kind, template: AnyTemplate = BUILDS, **fields: Any) -> Callable[[], Any]:
        await saved.save(store, 1, "Builds", template, now)
        rule = await make_rule(kind, question="Builds", **fields)

        async def message() -> str | None:
            finding = await find(store, await rules.find_rule(store, rule.id), now)
            return None if finding is None else finding.message

        return message

    return make


async def test_a_figure_above_its_threshold(watched: Make, commit: Make, event: Make) -> None:
    found = await watched(Kind.QUESTION_ABOVE, threshold=3)
    await commit([event(name="build") for _ in range(2)] + [event(name="other")])
    assert await found() is None
    await commit([event(name="build")])
    assert await found() == "default: Builds: number of events is 3, which is at or above 3"


async def test_a_rate_below_its_threshold_in_the_last_step_that_has_ended(watched: Make, commit: Make, ended: Make) -> None:
    by_day = Template(measures=(Measure.FAILURE_RATE,), over=Step.DAY, period=RelativePeriod(last=7))
    found = await watched(Kind.QUESTION_BELOW, by_day, threshold=0.25)
    await commit([*ended(1, 10, 0), *ended(24, 1, 1)])
    assert await found() is None
    await commit(ended(24, 2, 0))
    assert await found() == "default: Builds: failure rate is 25.0 %, which is at or below 25 %"


@pytest.mark.parametrize(
    ("today", "message"),
    [
        (14, None),
        (25, "by +150.0 %, from 10 to 25; the threshold is 50 %"),
        (5, "by -50.0 %, from 10 to 5; the threshold is 50 %"),
        (0, "by -100.0 %, from 10 to 0; the threshold is 50 %"),
    ],
)
async def test_a_change_against_the_compared_period(watched: Make, commit: Make, event: Make, today: int, message: str | None) -> None:
    found = await watched(Kind.QUESTION_CHANGE)
    await commit([event(days=1.1, name="build") for _ in range(10)] + [event(name="build") for _ in range(today)])
    finding = await found()
    assert finding is None if message is None else message in finding


async def test_a_change_of_a_rate_is_in_percent(watched: Make, commit: Make, ended: Make) -> None:
    found = await watched(Kind.QUESTION_CHANGE, structs.replace(BUILDS, measures=(Measure.FAILURE_RATE,)))
    await commit([*ended(26, 9, 1, name="build"), *ended(1, 7, 1, name="build")])
    assert await found() is None
    await commit(ended(1, 1, 2, name="build"))
    expected = "default: Builds: failure rate changed by +172.7 %, from 10.0 % to 27.3 %; the threshold is 50 %"
    assert await found() == expected


@pytest.mark.parametrize(
    ("measure", "empty", "zero"),
    [
        (Measure.FAILURE_RATE, "failure rate has no value, because there are no events to compute it from", "failure rate is 0 %"),
        (Measure.P95, "p95 has no value, because there are no events to compute it from", "p95 is 0 ms"),
        (Measure.INSTALLS, "number of installs is 0", None),
    ],
)
async def test_an_absent_figure_has_its_unit(
    watched: Make, commit: Make, event: Make, measure: Measure, empty: str, zero: str | None
) -> None:
    found = await watched(Kind.QUESTION_EMPTY, structs.replace(BUILDS, measures=(measure,)))
    assert await found() == f"default: Builds: {empty}"
    await commit([event(name="build", outcome=Outcome.SUCCESS, duration_us=0, install=1)])
    assert await found() == (None if zero is None else f"default: Builds: {zero}")


@pytest.mark.parametrize(
    ("kind", "measure", "threshold", "text"),
    [
        (Kind.FAILURE_RATE, None, 20, "20 %"),
        (Kind.VOLUME_SPIKE, None, 1250, "1,250 %"),
        (Kind.NEW_ERROR, None, None, None),
        (Kind.QUESTION_ABOVE, Measure.EVENTS, 20_000, "20,000"),
        (Kind.QUESTION_ABOVE, Measure.FAILURE_RATE, 0.125, "12.5 %"),
        (Kind.QUESTION_BELOW, Measure.P95, 1500, "1.5 s"),
        (Kind.QUESTION_CHANGE, Measure.P95, 50, "50 %"),
        (Kind.QUESTION_EMPTY, Measure.EVENTS, None, None),
    ],
)
async def test_a_threshold_has_its_unit(
    store: Store, now: int, make_rule: Make, kind: Kind, measure: Measure | None, threshold: float | None, text: str | None
) -> None:
    if measure is not None:
        await saved.save(store, 1, "Watched", structs.replace(BUILDS, measures=(measure,)), now)
    await make_rule(kind, threshold=threshold, question=None if measure is None else "Watched")
    ((rule, _),) = await rules.listed(store)
    assert threshold_of(rule) == text


async def test_an_alert_on_absence_fires_until_events_arrive(watched: Make, commit: Make, event: Make) -> None:
    found = await watched(Kind.QUESTION_EMPTY)
    assert await found() == "default: Builds: number of events is 0"
    await commit([event(name="build")])
    assert await found() is None


async def test_the_job_notifies_once_and_names_the_figures(
    store: Store, settings: Any, watched: Make, receiver: Any, commit: Make, event: Make, now: int
) -> None:
    await watched(Kind.QUESTION_ABOVE, threshold=1)
    await commit([event(name="build")])
    run = Run(store, replace(settings, alert_private=True), now=lambda: now)
    assert await alerts(run) == "1 alerts raised, 1 delivered, 0 to be retried"
    ((_, _, body),) = receiver.got
    payload = json.loads(body)
    assert payload["observed"] == {"question": "Builds", "measure": "events", "value": 1, "before": 0, "complete": True}
    await alerts(run)
    assert len(receiver.got) == 1


async def test_a_question_that_cannot_be_answered_does_not_hold_up_other_rules(
    store: Store, settings: Any, watched: Make, make_rule: Make, commit: Make, ended: Make, now: int
) -> None:
    await watched(Kind.QUESTION_EMPTY)
    await store.change(("UPDATE saved_question SET question = {}", ('{"where": [{"field": "gone", "op": "is", "values": ["x"]}]}',)))
    await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 20))
    assert (await alerts(Run(store, settings, now=lambda: now))).startswith("1 alerts raised")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": Kind.QUESTION_EMPTY}, "question must be the name"),
        ({"kind": Kind.QUESTION_EMPTY, "question": "None"}, "question must be the name"),
        ({"kind": Kind.NEW_ERROR, "question": "Plain"}, "question does not apply"),
        ({"kind": Kind.QUESTION_ABOVE, "question": "Plain"}, "threshold must be given"),
        ({"kind": Kind.QUESTION_CHANGE, "question": "Plain"}, "question must be compared"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused(store: Store, now: int, fields: dict[str, Any], error: str) -> None:
    await saved.save(store, 1, "Plain", Template(), now)
    with pytest.raises(ProjectError, match=error):
        await rules.create(store, "default", Draft(url="https://93.184.216.34/hook", **fields), now=now, private=False)


async def test_a_question_stays_while_an_alert_uses_it_and_may_get_another_name(store: Store, watched: Make, now: int) -> None:
    found = await watched(Kind.QUESTION_EMPTY)
    with pytest.raises(ProjectError, match="delete the alert first"):
        await saved_questions.delete(store, 1, "Builds")
    await saved_questions.rename(store, 1, "Builds", "Makes", now + DAY)
    assert await found() == "default: Makes: number of events is 0"
    await rules.delete(store, 1)
    await saved_questions.delete(store, 1, "Makes")


async def test_an_alert_moves_to_another_question(store: Store, watched: Make, now: int) -> None:
    found = await watched(Kind.QUESTION_CHANGE)
    await saved.save(store, 1, "Installs", Template(measures=(Measure.INSTALLS,), compare=Compare.PREVIOUS), now)
    await saved.save(store, 1, "Plain", Template(), now)
    await rules.change(store, 1, question="Installs", threshold=10)
    assert (await rules.find_rule(store, 1)).question == "Installs"
    for wrong in ("Plain", "None", ""):
        with pytest.raises(ProjectError, match="question must be"):
            await rules.change(store, 1, question=wrong, threshold=99)
    rule = await rules.find_rule(store, 1)
    assert (rule.question, rule.threshold) == ("Installs", 10)
    await saved_questions.delete(store, 1, "Builds")
    assert await found() is None


async def test_an_alert_of_another_kind_gets_no_question(store: Store, watched: Make, make_rule: Make) -> None:
    await watched(Kind.QUESTION_EMPTY)
    rule = await make_rule(Kind.FAILURE_RATE)
    with pytest.raises(ProjectError, match="does not apply to failure_rate"):
        await rules.change(store, rule.id, question="Builds")


async def test_the_conversion_of_a_funnel_below_its_threshold(watched: Make, commit: Make, event: Make) -> None:
    steps = tuple(Segment(name, (Condition("name", Op.IS, (name,)),)) for name in ("init", "build"))
    found = await watched(Kind.QUESTION_BELOW, FunnelTemplate(steps=steps), threshold=0.4)
    await commit([event(0.2, name="init", install=number + 1) for number in range(4)])
    await commit([event(0.1, name="build", install=number + 1) for number in range(2)])
    assert await found() is None
    await commit([event(0.2, name="init", install=5)])
    assert await found() == "default: Builds: conversion is 40.0 %, which is at or below 40 %"


async def test_a_figure_of_people_counts_people_only(watched: Make, commit: Make, event: Make) -> None:
    found = await watched(Kind.QUESTION_ABOVE, structs.replace(BUILDS, audience=Audience.PEOPLE), threshold=2)
    await commit([event(name="build", context=Context(environment=Environment.CI)) for _ in range(5)] + [event(name="build")])
    assert await found() is None
    await commit([event(name="build")])
    assert await found() == "default: Builds: number of events is 2, which is at or above 2"
