"""The statements of a commit on SQLite are equally fast on each Python version."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

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
    assert any("alike" in sql for sql in inserts)
    assert any("alike" not in sql for sql in inserts)
    assert [sql for sql in ran if re.search(r"\?\d", sql)] == []


async def test_rows_that_are_much_alike_are_stored_as_they_were_given(store: Store) -> None:
    """Values that rows share are bound once; each column still gets its own value."""
    given = events(321, duration_us=1_500, session=-7, error_message="no such file", skewed=True)
    for number, each in enumerate(given):
        each.properties = None if number % 3 else f'{{"n":{number}}}'
        each.occurred_at = NOON + number % 5
    await store.commit(Batch(given, target_rules={}))

    rows = await store.rows(
        "SELECT id, install_id, occurred_at, outcome, duration_us, session, skewed, error_type, error_message, properties FROM event ORDER BY id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (each.id, each.install, each.occurred_at, 1, 1_500, -7, 1, None, "no such file", each.properties) for each in given
    ]
