"""A list of groups with sums comes from one read of the events, and equals one that ranks its groups first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from server.history import History
from server.questions import reader
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import By, Condition, Measure, Op, Question
from server.questions.reader import Reader
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import END, START

ENGINES = ("sqlite", "postgres")
LINUX = Condition("os", values=("linux", "darwin"))
LISTS = {
    "events by version": ((Measure.EVENTS,), (By("version"),), ()),
    "failures by system and name": ((Measure.FAILURES, Measure.EVENTS), (By("os"), By("name")), (LINUX,)),
    "failure rate by target": ((Measure.FAILURE_RATE,), (By("target"),), (Condition("arch", Op.EXISTS),)),
    "nothing": ((Measure.EVENTS,), (By("version"),), (Condition("os", values=("none",)), Condition("arch", values=("none",)))),
}


@pytest.fixture(params=["store", "history"])
async def history(
    request: pytest.FixtureRequest, filled: Filled, full: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[History | None]:
    if request.param == "store":
        yield None
        return
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    made = History(full, filled.settings)
    await made.build()
    yield made
    made.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes the facts of each read."""
    found: list[Any] = []
    read = Reader.read

    async def noted(self: Reader, facts: Any, *arguments: Any, **named: Any) -> Any:
        found.append(facts)
        return await read(self, facts, *arguments, **named)

    monkeypatch.setattr(Reader, "read", noted)
    return found


def figures(answer: Answer, measures: tuple[Measure, ...]) -> list[Any]:
    return [(row.keys, row.is_other, row.figures[: len(measures)]) for row in answer.rows]


@pytest.mark.parametrize("first", [3, *(pytest.param(first, marks=pytest.mark.slow) for first in (1, 200))])
@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
async def test_a_list_of_sums_takes_one_read_and_is_the_same_as_with_several(
    full: Store, history: History | None, reads: list[Any], listed: Any, first: int
) -> None:
    measures, by, where = listed
    question = Question(project=1, period=Period(START, END), measures=measures, by=by, where=where, first=first)
    answer = await ask(full, question, history=history)
    own = [
        facts for facts in reads if (facts.where, facts.by, facts.is_spread) == (where, by, False)
    ]  # not those of warnings and intervals
    assert len(own) == 1
    ranked_first = await ask(full, msgspec.structs.replace(question, measures=(*measures, Measure.P50)), history=history)
    assert figures(answer, measures) == figures(ranked_first, measures)
    assert bool(answer.rows) is (where != LISTS["nothing"][2])
