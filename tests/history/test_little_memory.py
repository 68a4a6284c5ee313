"""With little memory, another query computes exact percentiles of many durations, with the same result."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, MINUTE, Context, Environment
from server.event_id import first_id
from server.history import History, OutOfMemory
from server.questions import reader
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import By, Condition, Measure, Op, Question
from server.settings import Settings
from server.storage.engine import Store
from tests.history.conftest import NOW

pytestmark = pytest.mark.slow

MANY = 200_000
LITTLE = 9_000_000  # bytes; all of these durations at once, twice for the two audiences, take more
PERCENTILES = Question(
    project=1,
    period=Period(NOW - DAY, NOW + DAY),
    measures=(Measure.P50, Measure.P95, Measure.MEAN),
    where=(Condition("name", Op.IS, ("build",)), Condition("interactive", Op.MISSING)),
    by=(By("os"),),
)


def multiply(where: Path) -> None:
    """Store copies of the only event, with durations of 1 µs to `MANY` µs in a mixed order."""
    columns = "project_id, name_id, context_id, install_id, occurred_at, outcome"
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute(
            f"INSERT INTO event (id, duration_us, {columns})"
            " WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
            f" SELECT {first_id(NOW + MINUTE)} + n, 1 + (n * 7919) % ?, {columns} FROM event, numbers",
            (MANY, MANY),
        )


@pytest.mark.on_sqlite
async def test_percentiles_that_take_too_much_memory_are_read_with_less(
    store: Store, settings: Settings, where: Path, make_event: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 1)
    person = Context(Environment.PERSON, dialect="native", os="linux")
    await commit(
        [make_event(project=1, name="build", occurred_at=NOW, duration_us=None, weight=1, skewed=False, install=1, context=person)]
    )
    multiply(where)
    whole = History(store, settings, now=lambda: NOW + DAY)
    await whole.build()
    whole.close()
    history = History(store, dataclasses.replace(settings, history_memory=LITTLE), now=lambda: NOW + DAY)
    at_once = "quantile_disc(duration_us, [0.5, 0.95]), quantile_disc(duration_us + 1, [0.5, 0.95])"
    with pytest.raises(OutOfMemory):
        await history.query(f"SELECT {at_once} FROM events", project_id=1)
    answer = await ask(store, PERCENTILES, history=history)
    history.close()
    assert answer.source == "history"
    (row,) = answer.rows
    assert row.keys == ["linux"]
    assert [figure.all for figure in row.figures] == [[MANY / 2 / 1_000], [MANY * 0.95 / 1_000], [(MANY + 1) / 2 / 1_000]]
    assert [figure.people for figure in row.figures] == [figure.all for figure in row.figures]
