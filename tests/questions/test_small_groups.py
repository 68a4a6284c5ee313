"""Answers without a login have no figure of few installs, and none that subtraction gives: checked by a recount in plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations

import pytest

from server.event import DAY, Context, Environment, Event, Outcome
from server.event_id import EventIds
from server.history import History
from server.questions import reader
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import By, Condition, Measure, Question, Segment
from server.storage.batch import Batch
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import END
from tests.questions.recount import Key, Raw, Recount
from tests.questions.test_recount import any_question, plain

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

LEAST = 5
NOW = 1_795_219_200_000
COUNTED = (Measure.EVENTS, Measure.INSTALLS)


def is_small(events: list[Raw]) -> bool:
    return 0 < len(owners(events)) < LEAST


def owners(events: list[Raw]) -> set[int]:
    return {event.install for event in events if event.install is not None}


def by_segment(filled: Filled, question: Question, period: tuple[int, int]) -> tuple[Recount, dict[str | None, dict[Key, list[Raw]]]]:
    """The events of each segment by group."""
    counted = Recount(filled.events, filled.first_seen, period, question.over.value if question.over else None)
    by = [(each.field, each.version.value if each.version else None) for each in question.by]
    base = [plain(each) for each in question.where]
    segments = question.segments or (Segment("", ()),)
    return counted, {each.name or None: counted.groups([*base, *map(plain, each.where)], by) for each in segments}


def check(filled: Filled, question: Question, answer: Answer) -> int:
    """Check each step of an answer; return the number of figures that it shows."""
    counted, groups = by_segment(filled, question, (question.period.start, question.period.end))
    shown = 0
    for step in range(len(counted.starts)):
        seen: dict[Key | None, dict[str | None, dict[int, Raw]]] = defaultdict(dict)
        for segment, found in groups.items():
            rows = [row for row in answer.rows if row.segment == segment]
            visible = {tuple(row.keys) for row in rows if not row.is_other and row.figures[0].all[step] is not None}
            for row in rows:
                chosen = [key for key in found if key not in visible] if row.is_other else [tuple(row.keys)]
                events = {each.id: each for key in chosen for each in found.get(key, []) if counted.step(each.at) == step}
                figure = row.figures[0].all[step]
                if figure is None:
                    continue
                shown += 1
                assert figure == sum(event.weight for event in events.values()), (step, row.keys, row.is_other)
                seen[None if row.is_other else tuple(row.keys)][segment] = events
            if question.by and not any(row.is_other for row in rows):
                assert set(found) <= visible | {key for key, each in found.items() if not any(counted.step(one.at) == step for one in each)}
        for cell in seen.values():
            for events in cell.values():
                assert not is_small(list(events.values()))
            for one, other in combinations(cell, 2):
                for first, second in ((cell[one], cell[other]), (cell[other], cell[one])):
                    assert not is_small([event for id_, event in first.items() if id_ not in second])
                    assert not 0 < len(owners(list(first.values())) - owners(list(second.values()))) < LEAST
    return shown


def public(question: Question) -> Question:
    return Question(
        project=question.project, period=question.period, measures=COUNTED, where=question.where[:1], by=question.by, over=question.over,
        segments=question.segments[:2], first=question.first,
    )  # fmt: skip


@pytest.mark.parametrize("with_history", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_no_figure_of_a_random_question_is_of_few_installs(
    filled: Filled, full: Store, with_history: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = None
    if with_history:
        monkeypatch.setattr(reader, "HISTORY_FROM", 0)
        history = History(full, filled.settings)
        await history.build()
    chance, shown = random.Random(7), 0
    for number in range(20):
        question = public(any_question(chance))
        answer = await ask(full, question, history=history, now=END + 90 * DAY, least=LEAST)
        assert answer.source == ("history" if with_history else "events")
        for row in answer.rows:
            assert not any(value is not None for figures in row.figures for value in figures.people), number
        shown += check(filled, question, answer)
    assert shown > 50
    if history is not None:
        history.close()


async def send(
    store: Store, ids: EventIds, system: str, installs: range, outcome: Outcome = Outcome.NONE, duration: int | None = None
) -> None:
    context = Context(Environment.PERSON, "reported", "native", system)
    events = [
        Event(
            id=ids.take(1, NOW)[0],
            project=1,
            occurred_at=NOW,
            name="build",
            context=context,
            install=install,
            outcome=outcome,
            duration_us=duration,
        )
        for install in installs
    ]
    await store.commit(Batch(events, target_rules={}))


def rows(answer: Answer) -> list[tuple[list[str | None], list[float | None]]]:
    return [(row.keys, row.figures[0].all) for row in answer.rows]


async def test_a_group_of_few_installs_is_folded_with_the_next_larger_one(store: Store) -> None:
    """Three installs on Plan 9 would be the total less the others, so the smallest other group joins them."""
    ids = EventIds(1)
    for system, installs in (("linux", range(20)), ("macos", range(20, 26)), ("plan9", range(30, 33))):
        await send(store, ids, system, installs)
    question = Question(project=1, period=Period.last_days(7, NOW), by=(By("os"),))
    assert rows(await ask(store, question, now=NOW)) == [(["linux"], [20]), (["macos"], [6]), (["plan9"], [3])]
    assert rows(await ask(store, question, now=NOW, least=5)) == [(["linux"], [20]), ([], [9])]
    await send(store, ids, "haiku", range(40, 42))
    assert rows(await ask(store, question, now=NOW, least=5)) == [(["linux"], [20]), (["macos"], [6]), ([], [5])]


async def test_segments_that_differ_in_few_installs_are_not_shown_apart(store: Store) -> None:
    ids = EventIds(1)
    await send(store, ids, "linux", range(20))
    await send(store, ids, "plan9", range(30, 33))
    segments = (Segment("all"), Segment("linux", (Condition("os", values=("linux",)),)))
    question = Question(project=1, period=Period.last_days(7, NOW), segments=segments)
    assert [row.figures[0].all for row in (await ask(store, question, now=NOW)).rows] == [[23], [20]]
    assert [row.figures[0].all for row in (await ask(store, question, now=NOW, least=5)).rows] == [[None], [None]]
    await send(store, ids, "plan9", range(33, 36))
    assert [row.figures[0].all for row in (await ask(store, question, now=NOW, least=5)).rows] == [[26], [20]]


async def test_few_new_installs_are_not_shown(store: Store) -> None:
    ids = EventIds(1)
    await send(store, ids, "linux", range(3))
    question = Question(project=1, period=Period.last_days(7, NOW), measures=(Measure.NEW_INSTALLS,))
    assert (await ask(store, question, now=NOW)).rows[0].figures[0].all == [3]
    assert (await ask(store, question, now=NOW, least=5)).rows[0].figures[0].all == [None]
    await send(store, ids, "linux", range(3, 6))
    assert (await ask(store, question, now=NOW, least=5)).rows[0].figures[0].all == [6]


OUTCOMES = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, Measure.FAILURE_RATE)
WEEK = Period.last_days(7, NOW)


def figures(answer: Answer) -> list[list[float | None]]:
    return [[each.all[0] for each in row.figures] for row in answer.rows]


async def test_failures_and_durations_of_a_few_installs_are_not_shown(store: Store) -> None:
    """The group had enough installs, so its only failure and its only duration were shown."""
    ids = EventIds(1)
    await send(store, ids, "linux", range(20), Outcome.SUCCESS)
    await send(store, ids, "linux", range(1), Outcome.FAILURE, 777_000)
    outcomes = Question(project=1, period=WEEK, measures=OUTCOMES, by=(By("os"),))
    durations = Question(project=1, period=WEEK, measures=(Measure.P50, Measure.MEAN, Measure.INSTALLS))
    assert figures(await ask(store, outcomes, now=NOW)) == [[21, 20, 1, 1 / 21]]
    assert figures(await ask(store, outcomes, now=NOW, least=5)) == [[21, None, None, None]]
    assert figures(await ask(store, durations, now=NOW, least=5)) == [[None, None, 20]]
    await send(store, ids, "linux", range(1, 5), Outcome.FAILURE, 777_000)
    assert figures(await ask(store, outcomes, now=NOW, least=5)) == [[25, 20, 5, 0.2]]
    assert figures(await ask(store, durations, now=NOW, least=5)) == [[777, 777, 20]]


async def test_events_of_a_few_installs_do_not_follow_from_the_figures_of_outcomes(store: Store) -> None:
    ids = EventIds(1)
    await send(store, ids, "linux", range(20), Outcome.SUCCESS)
    await send(store, ids, "linux", range(2), Outcome.NONE)
    shown = Question(project=1, period=WEEK, measures=(Measure.EVENTS, Measure.SUCCESSES))
    assert figures(await ask(store, shown, now=NOW, least=5)) == [[22, None]]
    alone = Question(project=1, period=WEEK, measures=(Measure.SUCCESSES,))
    assert figures(await ask(store, alone, now=NOW, least=5)) == [[20]]


async def test_failures_of_a_few_installs_do_not_follow_from_segments(store: Store) -> None:
    ids = EventIds(1)
    for system, failing in (("linux", range(10)), ("plan9", range(30, 32))):
        await send(store, ids, system, failing, Outcome.FAILURE)
        await send(store, ids, system, range(failing.start, failing.start + 20), Outcome.SUCCESS)
    segments = (Segment("all"), Segment("linux", (Condition("os", values=("linux",)),)))
    question = Question(project=1, period=WEEK, measures=(Measure.EVENTS, Measure.FAILURES), segments=segments)
    assert figures(await ask(store, question, now=NOW)) == [[52, 12], [30, 10]]
    assert figures(await ask(store, question, now=NOW, least=5)) == [[52, None], [30, None]]
    await send(store, ids, "plan9", range(32, 35), Outcome.FAILURE)
    assert figures(await ask(store, question, now=NOW, least=5)) == [[55, 15], [30, 10]]


async def test_the_order_of_groups_does_not_tell_the_failures_of_a_few_installs(store: Store) -> None:
    ids = EventIds(1)
    for system, failing, times in (("linux", 10, 3), ("macos", 1, 25), ("windows", 10, 2)):
        await send(store, ids, system, range(10), Outcome.SUCCESS)
        for _ in range(times):
            await send(store, ids, system, range(failing), Outcome.FAILURE)
    question = Question(project=1, period=WEEK, measures=(Measure.FAILURES,), by=(By("os"),))
    assert [row.keys for row in (await ask(store, question, now=NOW)).rows] == [["linux"], ["macos"], ["windows"]]
    answer = await ask(store, question, now=NOW, least=5)
    assert [(row.keys, row.figures[0].all) for row in answer.rows] == [(["linux"], [30]), (["windows"], [20]), (["macos"], [None])]
