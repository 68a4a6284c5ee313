"""Random questions still equal a recount after retention, an import of past events, the erasure of installs, and a build of the history that was
killed, with and without the history."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from server.event import DAY
from server.event_id import first_id
from server.history import History
from server.jobs import Run
from server.jobs.retention_job import retention
from server.questions import facts, reader
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import Condition, Op, Question
from server.settings import Settings
from server.storage.engine import Store
from server.storage.history.imports import ImportBatch, ImportStore
from server.storage.projects import create_project, ensure_default
from tests.history.killed import kill_build
from tests.questions import dataset
from tests.questions.conftest import Filled, read
from tests.questions.dataset import END, MAIN, START
from tests.questions.test_recount import QUESTIONS, any_question, expected, shown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

ENGINES = ("sqlite", "postgres")
KEPT_DAYS = 30
# A condition that all events meet and no rollup has: sums keep erased and deleted events, and these answers count those that are stored.
STORED = Condition("dialect", Op.IS, ("native", "sonicjs"))


@pytest.fixture
async def changed(
    store: Store, settings: Settings, database: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Filled, Filled, History]]:
    """A store that has lost and gained events since its history was built: what it holds, what its sums hold, and its history."""
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    await ensure_default()
    await create_project("other")
    await dataset.fill(store, 1_200)
    history = History(store, settings)
    await history.build()
    past = [
        msgspec.structs.replace(event, id=first_id(event.occurred_at) + number, mark=number)
        for number, event in enumerate(dataset.events(400, seed=6))
        if event.project == MAIN
    ]
    await ImportStore(store).commit(ImportBatch(past, project=MAIN, target_rules=dataset.RULES))
    summed = read(settings)
    rows = await store.rows("SELECT id FROM install WHERE project_id = 1 ORDER BY id LIMIT 8")
    for row in rows[:4]:
        await history.erase(MAIN, row["id"])
    assert await kill_build(settings, database, END + 90 * DAY, after=3)  # which has read some of the changed days again
    for row in rows[4:]:  # a history that has not been built since
        await history.erase(MAIN, row["id"])
    kept = dataclasses.replace(settings, retention_days=KEPT_DAYS)
    await retention(Run(store, kept, now=lambda: END))
    yield read(settings), summed, history
    history.close()


def stored(question: Question, since: int, chance: random.Random) -> Question:
    start = since + chance.randrange(0, (END - since) // DAY - 3) * DAY
    return msgspec.structs.replace(
        question,
        period=Period(start, start + (question.period.end - question.period.start)),
        where=(*question.where, STORED),
        compare=None,
        compare_to=None,
    )


@pytest.mark.parametrize("count", [QUESTIONS // 60, pytest.param(QUESTIONS // 20, marks=pytest.mark.slow)])
async def test_answers_equal_a_recount_of_what_is_stored(store: Store, changed: tuple[Filled, Filled, History], count: int) -> None:
    filled, summed, history = changed
    chance, sources = random.Random(9), set()
    for number in range(count):
        question = any_question(chance)
        since = await facts.kept_since(store, MAIN)
        assert since is not None
        assert START < since < END
        question = stored(question, since, chance)
        answer = await ask(store, question, history=history if number % 2 == 0 else None, now=END + 90 * DAY)
        assert shown(answer) == expected(filled, question, summed.events), f"question {number}: {question}"
        assert answer.complete
        sources.add(answer.source)
    assert sources == {"history", "events"}
