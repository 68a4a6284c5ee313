"""Random questions give the answers of a recount in plain Python, on both engines."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from server.history import History
from server.questions import reader
from server.questions.answer import Answer
from server.questions.ask import MAX_FIGURES, ask, size
from server.questions.periods import Period, Step
from server.questions.question import Audience, By, Compare, Condition, Measure, Op, Parts, Question, Segment
from server.storage.engine import Store
from tests.questions import dataset
from tests.questions.conftest import Filled
from tests.questions.dataset import DAYS, END, MAIN, START
from tests.questions.recount import DAY, HOUR, Raw, Recount

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

# On each engine, and twelve in a hundred over the history. `make test` asks 55 and 15.
QUESTIONS = int(os.environ.get("FOOTFALL_TEST_QUESTIONS", "1000"))
_TEXTS: dict[str, tuple[str, ...]] = {
    "name": ("init", "build", "it's {odd}", "never"),
    "os": ("linux", "macos", "none of these"),
    "arch": ("x64", "arm64"),
    "runtime": ("node 18", "node 20", "bun 1.1"),
    "version": tuple(version for version in dataset.VERSIONS if version),
    "package_manager": ("npm",),
    "agent": ("claude-code", "cursor"),
    "install_source": ("brew", "npm"),
    "interactive": ("true", "false"),
    "dialect": ("native", "sonicjs"),
    "error_type": ("Timeout", "ENOENT"),
    "target_type": ("tool", "page"),
    "target": ("grep", "sed"),
    "properties.theme": ("dark", "true", "3", "", "null", '["a","b"]'),
    "properties.tags": ("a", "ünï", "7", "1.5", "true", 'b,"a', "a\\"),
    "properties.build.stage": ("dependencies", "flat"),
}
_NUMBERS = ("duration_ms", "properties.build.files", "properties.tags", "properties.theme")
_RANGES = (">=2.0.0 <3.0.0", ">1.9.0", "<=2.0.0", ">=1.10.0 <2.0.0")


def any_condition(chance: random.Random) -> Condition:
    kind = chance.random()
    if kind < 0.12:
        return Condition(chance.choice(_NUMBERS), chance.choice((Op.ABOVE, Op.BELOW)), (chance.choice(("1", "5", "50", "1.4", "-1")),))
    if kind < 0.2:
        return Condition("version", Op.SEMVER, (chance.choice(_RANGES),))
    if kind < 0.35:
        field, listed = chance.choice((("outcome", ("none", "success", "failure")), ("environment", ("person", "ci", "unknown"))))
        return Condition(field, chance.choice((Op.IS, Op.IS_NOT)), tuple(chance.sample(listed, chance.randrange(1, 3))))
    field = chance.choice(list(_TEXTS))
    op = chance.choice((Op.IS, Op.IS, Op.IS_NOT, Op.EXISTS, Op.MISSING, Op.PREFIX, Op.CONTAINS))
    if op in (Op.EXISTS, Op.MISSING):
        return Condition(field, op)
    words = chance.sample(_TEXTS[field], min(len(_TEXTS[field]), chance.randrange(1, 3)))
    if op in (Op.PREFIX, Op.CONTAINS):
        words = [word[: chance.randrange(1, 4)] or "d" for word in words]
    return Condition(field, op, tuple(words))


def any_comparison(chance: random.Random, length: int) -> dict[str, Any]:
    if chance.random() < 0.2:
        start = START + chance.randrange(-5, DAYS - 2) * DAY
        return {"compare_to": Period(start, start + chance.choice((length, 3 * DAY)))}
    return {"compare": chance.choice((None, None, *Compare))}


def any_question(chance: random.Random) -> Question:
    by = chance.sample([*_TEXTS, "outcome", "environment"], chance.choice((0, 1, 1, 2)))
    over = chance.choice((None, None, *Step))
    start = START + chance.randrange(-5, DAYS - 2) * DAY + chance.choice((0, 0, 7 * HOUR))
    length = chance.randrange(1, 4) * DAY if over is Step.HOUR else chance.randrange(1, DAYS) * DAY
    segments = tuple(
        Segment(f"segment {number}", tuple(any_condition(chance) for _ in range(chance.randrange(1, 3))))
        for number in range(chance.choice((0, 0, 0, 2, 3)))
    )
    found = Question(
        project=MAIN,
        period=Period(start, start + length),
        measures=tuple(chance.sample(list(Measure), chance.randrange(1, 4))),
        where=tuple(any_condition(chance) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))),
        by=tuple(By(field, chance.choice((None, *Parts)) if field == "version" else None) for field in by),
        over=over,
        **any_comparison(chance, length),
        segments=segments,
        first=chance.choice((1, 3, 10, 50)),
        audience=chance.choice(list(Audience)),
    )
    return found if size(found) <= MAX_FIGURES else any_question(chance)


def simple_question(chance: random.Random) -> Question:
    """A question that rollups or activity can answer."""
    field = chance.choice(("os", "arch", "runtime", "version", "package_manager", "target", "target_type"))
    conditions = (
        Condition(field, Op.IS, (chance.choice(_TEXTS[field]),)),
        Condition(field, chance.choice((Op.EXISTS, Op.MISSING))),
        Condition(field, Op.IS_NOT, (_TEXTS[field][0],)),
        Condition("version", Op.SEMVER, (chance.choice(_RANGES),)) if field == "version" else Condition("environment", Op.IS, ("ci",)),
        Condition("name", Op.PREFIX, ("b", "it's")),
        Condition(
            "outcome", chance.choice((Op.IS, Op.IS_NOT)), tuple(chance.sample(("none", "success", "failure"), chance.randrange(1, 3)))
        ),
    )
    start = START + chance.randrange(-5, DAYS - 2) * DAY
    by = chance.sample((By(field), By("environment"), By("name"), By("outcome")), chance.randrange(3))
    measures: tuple[Measure, ...] = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, Measure.FAILURE_RATE)
    where = tuple(chance.sample(conditions, chance.randrange(3)))
    if chance.random() < 0.3:
        measures, by, where = (Measure.INSTALLS, Measure.NEW_INSTALLS), [By("environment")][: chance.randrange(2)], ()
    if chance.random() < 0.2:  # by the hour
        period = Period(start + 7 * HOUR, start + chance.randrange(1, 3) * DAY)
        named = tuple(condition for condition in where if condition.field in ("environment", "name", "outcome"))
        return Question(
            project=MAIN, period=period, measures=(Measure.EVENTS, Measure.FAILURES), where=named, over=chance.choice((None, Step.HOUR))
        )
    return Question(
        project=MAIN,
        period=Period(start, start + chance.randrange(1, DAYS) * DAY),
        measures=tuple(chance.sample(measures, chance.randrange(1, 3))),
        where=where,
        by=tuple(by),
        over=chance.choice((None, Step.DAY, Step.WEEK, Step.MONTH)),
        compare=chance.choice((None, *Compare)),
        first=chance.choice((1, 3, 10)),
        audience=chance.choice(list(Audience)),
    )


OUTCOME_OF = {Measure.SUCCESSES: "success", Measure.FAILURES: "failure"}


def expected(filled: Filled, question: Question, summed: list[Raw] | None = None) -> list[Any]:
    """The rows of an answer: segment, keys, whether they are others, and the figures. `summed`: see `Recount`."""
    over = question.over.value if question.over else None
    span = (question.period.start, question.period.end)
    length = 365 * DAY if question.compare is Compare.LAST_YEAR else span[1] - span[0]
    span_before = (span[0] - length, span[1] - length) if question.compare else None
    if question.compare_to:
        span_before = (question.compare_to.start, question.compare_to.end)
    now = Recount(filled.events, filled.first_seen, span, over, summed)
    before = Recount(filled.events, filled.first_seen, span_before, over) if span_before else None
    by = [(each.field, each.version.value if each.version else None) for each in question.by]
    base = [plain(condition) for condition in question.where]
    whole = now.groups(base, by)
    listed = largest(now, whole, question) if by else [()]
    segments = [(segment, [*base, *map(plain, segment.where)]) for segment in question.segments or (Segment("", ()),)]
    counted = [[recount.groups(where, by) if recount else {} for recount in (now, before)] for _, where in segments]
    rows = []
    for key in [*listed, *(["other"] if by and len(whole) > len(listed) else [])]:
        for (segment, _), both in zip(segments, counted, strict=True):
            figures = []
            for measure in question.measures:
                lists: list[Any] = []
                intervals: list[Any] = []
                for recount, groups in zip((now, before), both, strict=True):
                    if recount is None:
                        lists += [None, None]
                        continue
                    chosen = [found for each, found in groups.items() if each not in listed] if key == "other" else [groups.get(key, [])]
                    events = [event for found in chosen for event in found]
                    lists += recount.figures(events, measure.value)
                    if recount is now:
                        people = [event for event in events if event.environment in (0, 1)]
                        intervals = [rounded(recount.intervals(audience, measure.value)) for audience in (events, people)]
                if key != "other" and any(
                    field == "outcome" and word != OUTCOME_OF.get(measure, word) for (field, _), word in zip(by, key, strict=False)
                ):
                    intervals = [None, None]  # of 0 events, which no sample can lack
                figures.append((measure, *lists, *intervals))
            rows.append((segment.name or None, [] if key == "other" else list(key), key == "other", figures))
    return rows


def largest(recount: Recount, groups: Any, question: Question) -> list[Any]:
    """The listed groups: the largest by the first measure of the audience, by events if that is a rate, a duration or one per install."""
    ranking = (Measure.SUCCESSES, Measure.FAILURES, Measure.INSTALLS, Measure.NEW_INSTALLS)
    measure = question.measures[0].value if question.measures[0] in ranking else "events"
    whole = Recount([], {}, (question.period.start, question.period.end), None)
    is_people = question.audience is Audience.PEOPLE
    sizes: dict[Any, float] = {}
    for key, events in groups.items():
        if measure == "new_installs":  # of each step, each once
            steps = [[event for event in step if event.environment in (0, 1) or not is_people] for step in recount.by_step(events)]
            sizes[key] = len({event.install for number, step in enumerate(steps) for event in step if recount.is_new(event, number)})
        else:
            sizes[key] = whole.figures(events, measure)[is_people][0] or 0
    order = sorted(sizes, key=lambda key: (-sizes[key], *((each is None, each or "") for each in key)))
    return order[: question.first]


def plain(condition: Condition) -> Any:
    return condition.field, condition.op.value, list(condition.values)


def rounded(intervals: list[Any] | None) -> list[Any] | None:
    return intervals and [each and tuple(round(bound, 9) for bound in each) for each in intervals]


def bounds(low: list[Any] | None, high: list[Any] | None) -> list[Any] | None:
    """The intervals of a figure of an answer, as `rounded` has them."""
    if low is None or high is None:
        return None
    return rounded([None if pair == (None, None) else pair for pair in zip(low, high, strict=True)])


def shown(answer: Answer) -> list[Any]:
    return [
        (
            row.segment,
            row.keys,
            row.is_other,
            [
                (
                    *(each.measure, each.all, each.people, each.all_before, each.people_before),
                    *(bounds(each.all_low, each.all_high), bounds(each.people_low, each.people_high)),
                )
                for each in row.figures
            ],
        )
        for row in answer.rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
async def test_random_questions_equal_a_recount_over_the_history(
    filled: Filled, full: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    monkeypatch.setattr(reader, "PART", 300)
    monkeypatch.setattr(reader, "MOST_SUMS", 200 * (seed % 3))
    history = History(full, filled.settings)
    await history.build()
    chance, sources = random.Random(100 + seed), set()
    for number in range(QUESTIONS * 3 // 200):
        question = any_question(chance)
        answer = await ask(full, question, history=history, now=END + 90 * DAY)
        assert shown(answer) == expected(filled, question), f"question {number}: {question}"
        sources.add(answer.source)
    assert "history" in sources
    history.close()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 16))])
async def test_random_questions_equal_a_recount(filled: Filled, full: Store, seed: int) -> None:
    chance, sources = random.Random(seed), set()
    for number in range(QUESTIONS * 11 // 200):
        question = simple_question(chance) if number % 3 == 0 else any_question(chance)
        answer = await ask(full, question, now=END + 90 * DAY)
        assert shown(answer) == expected(filled, question), f"question {number}: {question}"
        assert answer.complete
        assert answer.complete_before in (None, True)
        sources.add(answer.source)
    assert sources == {"events", "rollups"}
