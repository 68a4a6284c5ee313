"""Random questions about retention give the answers of a recount in plain Python, on both engines and over the history."""

from __future__ import annotations

import os
import random
from typing import Any, NamedTuple

import pytest

from server.history import History
from server.problems import BadQuery
from server.questions import reader
from server.questions.cohorts import Retention, RetentionGroup, retention
from server.questions.periods import Period, Step
from server.questions.question import Audience, By, Condition, Op
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import DAYS, END, MAIN, START
from tests.questions.recount import DAY, HOUR, Raw, group_keys, meets, step_starts

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

QUESTIONS = int(os.environ.get("FOOTFALL_TEST_QUESTIONS", "120")) // 6
_WHERE: tuple[tuple[Condition, ...], ...] = (
    (),
    (),
    (Condition("environment", Op.IS, ("person",)),),
    (Condition("environment", Op.IS_NOT, ("ci", "test")),),
    (Condition("os", Op.IS_NOT, ("windows",)),),
)
_START: tuple[tuple[Condition, ...], ...] = ((), (), (Condition("name", Op.IS, ("init",)),), (Condition("properties.tags", Op.EXISTS),))
_BACK: tuple[tuple[Condition, ...], ...] = ((), (), (Condition("name", Op.IS, ("build",)), Condition("outcome", Op.IS, ("success",))))
_SPLITS: tuple[tuple[By, ...], ...] = ((), (), (By("os"),), (By("version"),), (By("properties.tags"),), (By("os"), By("arch")))


def any_question(chance: random.Random) -> Retention:
    start = START + chance.randrange(-3, DAYS - 5) * DAY + chance.choice((0, 0, 5 * HOUR))
    return Retention(
        project=MAIN,
        period=Period(start, start + chance.randrange(1, 30) * DAY),
        over=chance.choice((Step.DAY, Step.WEEK, Step.WEEK, Step.MONTH)),
        where=chance.choice(_WHERE),
        start=chance.choice(_START),
        back=chance.choice(_BACK),
        by=chance.choice(_SPLITS),
        first=chance.choice((1, 3, 20)),
        audience=chance.choice(list(Audience)),
    )


def holds(event: Raw, conditions: tuple[Condition, ...]) -> bool:
    return all(meets(event, each.field, each.op.value, list(each.values)) for each in conditions)


class Began(NamedTuple):
    """An install: the step in which it began, whether it is people's, and the steps in which it returned."""

    step: int
    is_people: bool
    back: set[int]
    people_back: set[int]


class Recount:
    """The cohorts of a question: for each key the steps in which each of its installs began and returned."""

    def __init__(self, filled: Filled, report: Retention) -> None:
        self.report = report
        self.first_seen = filled.first_seen
        self.starts = step_starts(report.period.start, report.period.end, report.over.value)
        self.end = step_starts(self.starts[-1], self.starts[-1] + 40 * DAY, report.over.value)[1]
        self.events = [each for each in filled.events if each.install is not None and not each.skewed and holds(each, report.where)]

    def step(self, at: int) -> int:
        return sum(1 for start in self.starts if start <= at) - 1

    def groups(self, by: tuple[By, ...]) -> dict[Any, dict[int, Began]]:
        """For each key, its installs."""
        found: dict[Any, dict[int, Began]] = {}
        owned: dict[int, list[Raw]] = {}
        for event in sorted(self.events, key=lambda each: (each.at, each.id)):
            if event.at < self.end:
                owned.setdefault(event.install or 0, []).append(event)
        for install, events in owned.items():
            within = [event for event in events if event.at >= self.starts[0]]
            chosen = [event for event in events if holds(event, self.report.start)] if self.report.start else within
            began = -1
            if chosen:
                began = chosen[0].at if self.report.start else self.first_seen[install]
            if not self.starts[0] <= began < self.end:
                continue
            back = [event for event in within if (event.at >= began or not self.report.start) and holds(event, self.report.back)]
            is_people = any(event.environment in (0, 1) for event in chosen)
            entry = Began(
                self.step(began),
                is_people,
                {self.step(event.at) for event in back},
                {self.step(event.at) for event in back if is_people and event.environment in (0, 1)},
            )
            for key in group_keys(chosen[0], [(each.field, None) for each in by]):
                found.setdefault(key, {})[install] = entry
        return found

    def cohorts(self, installs: dict[int, Began]) -> list[Any]:
        """The rows of a group."""
        rows = []
        for step, start in enumerate(self.starts):
            own = [each for each in installs.values() if each.step == step]
            later = range(step, len(self.starts))
            active = [
                [sum(1 for each in own if at in each.back) for at in later],
                [sum(1 for each in own if at in each.people_back) for at in later],
            ]
            rows.append((start, len(own), sum(each.is_people for each in own), *active))
        return rows


def shown(group: RetentionGroup) -> list[Any]:
    return [(each.start, each.size.all, each.size.people, each.active_all, each.active_people) for each in group.cohorts]


async def check(filled: Filled, full: Store, report: Retention, history: History | None) -> str:
    answer = await retention(full, report, history=history, now=END + 90 * DAY)
    recount = Recount(filled, report)
    assert shown(answer.total) == recount.cohorts(recount.groups(()).get((), {})), report
    if report.by:
        split = recount.groups(report.by)
        is_people = report.audience is Audience.PEOPLE
        sizes = {key: sum(each.is_people or not is_people for each in found.values()) for key, found in split.items()}
        order = sorted(sizes, key=lambda key: (-sizes[key], *((each is None, each or "") for each in key)))
        listed = [tuple(row.keys) for row in answer.rows if not row.is_other]
        assert listed == order[: report.first], report
        assert any(row.is_other for row in answer.rows) == (len(order) > report.first)
        for row in answer.rows:
            keys = [key for key in split if key not in listed] if row.is_other else [tuple(row.keys)]
            chosen = {install: found for key in keys for install, found in split[key].items()}
            assert shown(row) == recount.cohorts(chosen), (report, row.keys)
    assert answer.complete
    return answer.source


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
async def test_random_questions_about_retention_equal_a_recount(
    filled: Filled, full: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    chance, sources = random.Random(seed), set()
    history = History(full, filled.settings)
    await history.build()
    for number in range(QUESTIONS):
        sources.add(await check(filled, full, any_question(chance), history if number % 2 else None))
    history.close()
    assert {"events", "history"} <= sources


@pytest.mark.parametrize("over", [Step.DAY, Step.WEEK, Step.MONTH])
async def test_questions_without_a_filter_read_rollups(filled: Filled, full: Store, over: Step) -> None:
    for where in _WHERE[1:4]:
        assert await check(filled, full, Retention(project=MAIN, period=Period(START, END), over=over, where=where), None) == "rollups"


def test_an_invalid_part_is_named() -> None:
    period, odd = Period(START, START + DAY), (Condition("nonsense", Op.EXISTS),)
    for parts, path in (
        ({"over": Step.HOUR}, "over"),
        ({"where": odd}, "where[0].field"),
        ({"start": odd}, "start[0].field"),
        ({"back": odd}, "return[0].field"),
        ({"by": (By("duration_ms"),)}, "by[0].field"),
        ({"first": 0}, "first"),
        ({"period": Period(START, START + 105 * DAY), "over": Step.DAY}, "period"),
        ({"period": Period(START, START + 100 * DAY), "over": Step.DAY, "by": (By("os"),), "first": 20}, "first"),
    ):
        with pytest.raises(BadQuery) as found:
            Retention(**{"project": MAIN, "period": period, **parts})  # type: ignore[arg-type]
        assert found.value.errors[0].path == path
