"""The statements of a commit on SQLite are equally fast on each Python version."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from bench import rows
from server.event import Context, Event, Outcome
from server.event_id import first_id
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.sqlite.connection_pool import SqliteConnection

NOON = 1_795_219_200_000
CONTEXT = Context(dialect="native", os="linux", version="1.0")
numbers = itertools.count()


def events(count: int, **fields: Any) -> list[Event]:
    """Events of different installs with otherwise equal fields."""
    defaults = {"project": 1, "name": "run", "occurred_at": NOON, "context": CONTEXT, "outcome": Outcome.SUCCESS}
    return [Event(id=first_id(NOON) + (number := next(numbers)), install=number + 1, **{**defaults, **fields}) for _ in range(count)]


async def test_no_statement_numbers_its_parameters(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbered parameters (`?1`) bind in quadratic time since Python 3.12, which also warns of each."""
    ran: list[str] = []

    def execute(connection: SqliteConnection, sql: str, *arguments: Any) -> Any:
        ran.append(sql)
        return super(SqliteConnection, connection).execute(sql, *arguments)

    monkeypatch.setattr(SqliteConnection, "execute", execute)
    alike = events(300)
    different = [each for number in range(80) for each in events(1, duration_us=number, target=("pack", f"p{number}"), mark=number)]
    await store.commit(Batch([*alike, *different, *events(2, error_type="IOError")], target_rules={1: TargetRules(False, 1_000)}))

    inserts = [sql for sql in ran if "INTO event " in sql]
    assert any("duration_us" in sql for sql in inserts)
    assert any("duration_us" not in sql for sql in inserts)
    assert [sql for sql in ran if re.search(r"\?\d", sql)] == []


@pytest.mark.parametrize("share", [0, 1, 3])
async def test_columns_that_no_row_of_many_has_are_null(store: Store, share: int) -> None:
    """Statements for many rows leave such columns out. Every third row, all rows or none have a value in each."""
    sent = events(321)
    for number, each in enumerate(sent):
        each.occurred_at = NOON + number % 5
        if share and number % share == 0:
            each.duration_us, each.session, each.skewed, each.weight = 1_500 + number, -7, number % 2 == 0, 2
            each.error_message, each.properties = "no such file", f'{{"n":{number}}}'
    await store.commit(Batch(sent, target_rules={}))

    stored = await store.rows(
        "SELECT id, install_id, occurred_at, outcome, duration_us, session, skewed, error_message, properties, weight FROM event ORDER BY id"
    )
    assert [tuple(row.values()) for row in stored] == [
        (
            each.id, each.install, each.occurred_at, 1, each.duration_us, each.session, 1 if each.skewed else None, each.error_message,
            each.properties, None if each.weight == 1 else each.weight,
        )
        for each in sent
    ]  # fmt: skip


def test_the_benchmark_of_plain_rows_knows_all_columns(tmp_path: Path) -> None:
    per_second, cpu = rows.write(tmp_path, 0.001)
    assert per_second > 0 < cpu
