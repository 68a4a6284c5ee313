"""Random funnels reach what a recount in plain Python reaches, on both engines and over the history."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from server.event import Context, Environment, Event, FieldError
from server.event_id import EventIds
from server.history import History
from server.problems import BadQuery
from server.questions import reader
from server.questions.funnel import Funnel, funnel
from server.questions.periods import Period
from server.questions.question import Audience, By, Condition, Op, Segment
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import DAYS, END, MAIN, START
from tests.questions.recount import DAY, HOUR, Raw, group_keys, meets

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

FUNNELS = int(os.environ.get("FOOTFALL_TEST_QUESTIONS", "120")) // 12
_STEPS = (
    (Condition("name", Op.IS, ("init",)),),
    (Condition("name", Op.IS, ("build",)),),
    (Condition("name", Op.IS, ("deploy",)), Condition("outcome", Op.IS_NOT, ("failure",))),
    (Condition("name", Op.IS, ("build", "deploy")),),
    (Condition("properties.tags", Op.EXISTS),),
)
_SPLITS: tuple[tuple[By, ...], ...] = ((), (), (By("version"),), (By("os"), By("arch")), (By("properties.tags"),))


def any_funnel(chance: random.Random) -> Funnel:
    start = START + chance.randrange(DAYS - 10) * DAY
    # Half of them have steps of which no event meets two, which the history answers in its own way.
    wheres = (
        chance.sample(_STEPS[:3], chance.randrange(2, 4)) if chance.random() < 0.5 else chance.choices(_STEPS, k=chance.randrange(2, 5))
    )
    return Funnel(
        project=MAIN,
        period=Period(start, start + chance.randrange(2, 30) * DAY),
        steps=tuple(Segment(f"step {number}", where) for number, where in enumerate(wheres)),
        where=chance.choice(((), (), (Condition("os", Op.IS_NOT, ("windows",)),))),
        by=chance.choice(_SPLITS),
        within=chance.choice((HOUR, DAY, 10 * DAY)),
        first=chance.choice((1, 3, 20)),
        audience=chance.choice(list(Audience)),
        ordered=chance.random() < 0.6,
    )


def reach(events: list[Raw], begun: list[Raw], conditions: list[list[Any]], within: int) -> int:
    """The furthest step of any try: each try begins at one of the events `begun`, and takes each next step as soon as it can."""

    def order(event: Raw) -> tuple[int, int, int]:
        first = event.id in {each.id for each in begun}
        lowest = next((n for n, where in enumerate(conditions) if (first if n == 0 else all(meets(event, *each) for each in where))), 99)
        return event.at, lowest, event.id

    ordered = sorted(events, key=order)
    best = 0
    for start in begun:
        step, at = 1, order(start)
        for event in ordered:
            if step == len(conditions) or event.at - start.at > within:
                break
            if order(event) > at and all(meets(event, *each) for each in conditions[step]):
                step, at = step + 1, order(event)
        best = max(best, step)
    return best


def reach_in_any_order(events: list[Raw], begun: list[Raw], conditions: list[list[Any]], within: int) -> int:
    """The number of first steps that are all met within the time, in any order, beginning at any event."""
    first = {event.id for event in begun}

    def steps(start: Raw) -> int:
        window = [event for event in events if 0 <= event.at - start.at <= within]
        met = [
            any(event.id in first if n == 0 else all(meets(event, *each) for each in c) for event in window)
            for n, c in enumerate(conditions)
        ]
        return next((n for n, is_met in enumerate(met) if not is_met), len(met))

    return max(map(steps, events))


def expected(filled: Filled, report: Funnel, by: tuple[By, ...], listed: Any) -> dict[Any, list[tuple[int, int]]]:
    """For each key: installs that reached each step, all and people's. `listed` are the keys with rows; the others share one."""
    conditions = [[(each.field, each.op.value, list(each.values)) for each in (*report.where, *step.where)] for step in report.steps]
    found: dict[Any, list[list[int]]] = {}
    within = [
        event for event in filled.events if report.period.start <= event.at < report.period.end and event.install and not event.skewed
    ]
    for audience in (0, 1):
        owned: dict[int, list[Raw]] = {}
        for event in within:
            if audience == 0 or event.environment in (0, 1):
                owned.setdefault(event.install or 0, []).append(event)
        for events in owned.values():
            begun: dict[Any, dict[int, Raw]] = {}
            for event in events:
                if all(meets(event, *each) for each in conditions[0]):
                    for key in group_keys(event, [(each.field, None) for each in by]):
                        begun.setdefault(key if listed is None or key in listed else "other", {})[event.id] = event
            for key, tries in begun.items():
                steps = found.setdefault(key, [[0, 0] for _ in conditions])
                reached = (reach if report.ordered else reach_in_any_order)(events, list(tries.values()), conditions, report.within)
                for step in range(reached):
                    steps[step][audience] += 1
    return {key: [(both[0], both[1]) for both in steps] for key, steps in found.items()}


async def check(filled: Filled, full: Store, report: Funnel, history: History | None) -> None:
    answer = await funnel(full, report, history=history)
    nothing = [(0, 0)] * len(report.steps)
    assert [(step.all, step.people) for step in answer.total] == expected(filled, report, (), None).get((), nothing), report
    listed = [tuple(row.keys) for row in answer.rows if not row.is_other]
    split = expected(filled, report, report.by, listed)
    if report.by:
        begun = {key: steps[0][report.audience is Audience.PEOPLE] for key, steps in expected(filled, report, report.by, None).items()}
        order = sorted(begun, key=lambda key: (-begun[key], *((each is None, each or "") for each in key)))
        assert listed == order[: report.first], report
    for row in answer.rows:
        key = "other" if row.is_other else tuple(row.keys)
        assert [(step.all, step.people) for step in row.steps] == split.get(key, nothing), (report, key)
    if report.by:
        assert set(split) == {"other" if row.is_other else tuple(row.keys) for row in answer.rows} or len(listed) == report.first


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
async def test_random_funnels_equal_a_recount(filled: Filled, full: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    chance = random.Random(seed)
    history = History(full, filled.settings)
    await history.build()
    for number in range(FUNNELS):
        await check(filled, full, any_funnel(chance), history if number % 2 else None)
    history.close()


async def test_an_attempt_does_not_continue_with_another_install(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history sorts the events of all installs as one sequence, in which the neighbors of an install have the nearest numbers."""
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    last = 60 * DAY
    # For each install its steps, and the time of its first one.
    installs = {
        -(1 << 63): ([0], last), 1 - (1 << 63): ([1, 2], 0), -1: ([0, 1], last), 0: ([2], 0), 1: ([*range(10)], 0), (1 << 63) - 2: ([0, 2, 1], 0),
        (1 << 63) - 1: ([1, 0], 0),
    }  # fmt: skip
    context, ids = Context(Environment.PERSON, "reported", "native"), EventIds(1)
    stored = [
        Event(id=ids.take(1, END)[0], project=1, name=f"step {step}", occurred_at=START + at + place, context=context, install=install)
        for install, (steps, at) in installs.items()
        for place, step in enumerate(steps)
    ]
    await store.commit(Batch(stored, target_rules={}))
    history = History(store, settings)
    try:
        steps = tuple(Segment(f"step {step}", (Condition("name", Op.IS, (f"step {step}",)),)) for step in range(10))
        answer = await funnel(
            store, Funnel(project=1, period=Period(START, START + 90 * DAY), steps=steps, within=90 * DAY), history=history
        )
        assert answer.source == "history"
        assert [step.all for step in answer.total] == [5, 3, *[1] * 8]
    finally:
        history.close()


def test_an_invalid_step_is_named() -> None:
    period = Period(START, START + DAY)
    step = Segment("build", (Condition("name", Op.IS, ("build",)),))
    for steps, path in (
        ((step,), "steps"),
        ((step, Segment("odd", (Condition("nonsense", Op.EXISTS),))), "steps[1].where[0].field"),
    ):
        with pytest.raises(BadQuery) as found:
            Funnel(project=MAIN, period=period, steps=steps)
        assert isinstance(found.value.errors[0], FieldError)
        assert found.value.errors[0].path == path
