"""All groups of random questions, as charts read them, equal a recount: over the store and over the history."""

from __future__ import annotations

import random

import msgspec
import pytest

from server.history import History
from server.questions import reader
from server.questions.figures import every_group, figures
from server.questions.question import Measure, Question
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.recount import Recount
from tests.questions.test_recount import any_question, plain, simple_question

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

COUNTED = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, Measure.INSTALLS)


def one(chance: random.Random) -> Question:
    question = (any_question if chance.random() < 0.7 else simple_question)(chance)
    return msgspec.structs.replace(question, measures=COUNTED, over=None, compare=None, compare_to=None, segments=())


async def check(filled: Filled, full: Store, question: Question, history: History | None) -> None:
    recount = Recount(filled.events, filled.first_seen, (question.period.start, question.period.end), None)
    where = [plain(condition) for condition in question.where]
    by = [(each.field, each.version.value if each.version else None) for each in question.by]
    if not by:
        found = await figures(full, question, history)
        events = [event for group in recount.groups(where, []).values() for event in group]
        assert {measure: (each.all, each.people) for measure, each in found.items()} == {
            measure: tuple(recount.figures(events, measure.value)) for measure in COUNTED
        }, question
        return
    groups, since = await every_group(full, question, history)
    assert since is None
    expected = {}
    for key, events in recount.groups(where, by).items():
        counts = {measure.value: recount.figures(events, measure.value) for measure in COUNTED}
        expected[(*key, None)[:2]] = {
            f"{name}_{audience}": values[0]
            for name, pair in counts.items()
            for audience, values in zip(("all", "people"), pair, strict=True)
        }
    assert groups == expected, question


@pytest.mark.engine_matters
@pytest.mark.parametrize("seed", range(3))
async def test_all_groups_equal_a_recount(filled: Filled, full: Store, seed: int) -> None:
    chance = random.Random(500 + seed)
    for _ in range(12):
        await check(filled, full, one(chance), None)


async def test_all_groups_equal_a_recount_over_the_history(filled: Filled, full: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    history = History(full, filled.settings)
    await history.build()
    chance = random.Random(600)
    for _ in range(12):
        await check(filled, full, one(chance), history)
    history.close()
