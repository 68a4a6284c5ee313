"""A full dictionary costs nothing: the texts of one client do not slow down the commits of another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from server.event import Context, Event, Outcome, Receipt
from server.event_id import first_id
from server.storage.batch import Batch, TargetRules
from server.storage.commit import candidates, transaction
from server.storage.engine import Store
from server.storage.postgres.postgres_writer import PostgresWriter
from server.storage.sqlite.connection_pool import SqliteConnection

ENGINES = ("sqlite", "postgres")
MOST = 40
NOON = 1_795_219_200_000
RULES = {1: TargetRules(listed_only=False, most=MOST), 2: TargetRules(listed_only=False, most=MOST)}
CONTEXT = Context(dialect="native", os="linux")
numbers = itertools.count()

Counted = Callable[[], int]


@pytest.fixture
def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the statements of commits from now on."""
    ran: list[str] = []
    kind: Any = SqliteConnection if store.engine_type == "sqlite" else PostgresWriter
    execute = kind.execute

    def recorded(connection: Any, sql: str, *arguments: Any) -> Any:
        ran.append(sql)
        return execute(connection, sql, *arguments)

    monkeypatch.setattr(kind, "execute", recorded)
    monkeypatch.setattr(transaction, "MAX_NAMES", MOST)
    monkeypatch.setattr(transaction, "MAX_ERROR_TYPES", MOST)
    return ran


def event(**fields: Any) -> Event:
    return Event(id=first_id(NOON) + next(numbers), **{"project": 1, "name": "run", "occurred_at": NOON, "context": CONTEXT, **fields})


async def commit(store: Store, events: Iterable[Event]) -> dict[int, Receipt]:
    return (await store.commit(Batch(list(events), target_rules=RULES))).exceptions


FLOODS: dict[str, Callable[[int], Event]] = {
    "event_name": lambda number: event(name=f"name-{number}"),
    "error_type": lambda number: event(outcome=Outcome.FAILURE, error_type=f"Error{number}"),
    "target": lambda number: event(target=("pack", f"pack-{number}")),
}


@pytest.mark.parametrize("table", FLOODS)
async def test_words_beyond_the_limit_need_no_statement_each(store: Store, statements: list[str], table: str) -> None:
    flood = FLOODS[table]
    await commit(store, (flood(number) for number in range(MOST + 10)))
    counts = [sql for sql in statements if "count(*)" in sql]
    assert len(counts) <= (30 if store.engine_type == "postgres" else 3), (
        "near a bound that several servers share, rows are counted more often"
    )

    ran = {}
    for first, many in ((1_000, 1), (2_000, 300)):
        statements.clear()
        await commit(store, (flood(number) for number in range(first, first + many)))
        assert [sql for sql in statements if "count(*)" in sql] == []
        ran[many] = len([sql for sql in statements if f" {table} " in sql])
    assert ran[300] == ran[1]
    (row,) = await store.rows(f"SELECT count(*) AS n FROM {table}")
    assert row["n"] <= MOST + 1


async def test_other_projects_and_known_words_cost_no_more_statements(store: Store, statements: list[str]) -> None:
    async def cost() -> int:
        statements.clear()
        await commit(store, [event(project=2, name="build", target=("tool", "x"), error_type="E"), event(name="name-3")])
        return len(statements)

    await commit(store, (event(name=f"name-{number}") for number in range(10)))
    await cost()
    before = await cost()
    for round_ in range(3):
        await commit(store, (event(name=f"other-{round_}-{number}", error_type=f"E{round_}-{number}") for number in range(200)))
    assert await cost() == before


async def test_known_words_of_a_full_dictionary_keep_their_names(store: Store, statements: list[str]) -> None:
    await commit(store, (event(name=f"name-{number}") for number in range(MOST + 5)))
    await commit(store, [event(name="name-7"), event(name="unknown"), event(name="(other)")])
    counted = await store.rows("SELECT text, sum(events) AS n FROM rollup_day JOIN event_name ON event_name.id = name_id GROUP BY text")
    found = {row["text"]: int(row["n"]) for row in counted}
    assert found["name-7"] == 2
    assert found["(other)"] == 7
    assert len(found) == MOST + 1


async def test_new_targets_are_accepted_again_once_the_limit_is_raised(store: Store) -> None:
    full = await commit(store, (event(target=("pack", f"p{number}")) for number in range(MOST + 2)))
    assert full == {MOST: Receipt.TOO_MANY_TARGETS, MOST + 1: Receipt.TOO_MANY_TARGETS}
    more = {1: TargetRules(listed_only=False, most=MOST + 1)}
    after = (await store.commit(Batch([event(target=("pack", "a")), event(target=("pack", "b"))], target_rules=more))).exceptions
    assert after == {1: Receipt.TOO_MANY_TARGETS}


@pytest.mark.on_sqlite  # PostgreSQL has no unique ids over all months
async def test_a_failed_commit_leaves_no_word_in_the_dictionary_caches(store: Store, statements: list[str]) -> None:
    twice = event(name="last")
    await commit(store, (event(name=f"name-{number}") for number in range(MOST - 1)))
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        await commit(store, [twice, event(name="one too many"), twice])
    assert await commit(store, [event(name="another")]) == {}
    rows = await store.rows("SELECT text FROM event_name WHERE text IN ('last', 'another', '(other)')")
    assert [row["text"] for row in rows] == ["another"]


@pytest.mark.parametrize("table", FLOODS)
async def test_the_second_half_of_a_dictionary_accepts_only_words_from_two_senders(
    store: Store, statements: list[str], table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "SMALLEST", MOST)
    monkeypatch.setattr(candidates, "OF_ONE", 5)
    flood = FLOODS[table]

    async def send(sender: int, *words: int) -> int:
        statements.clear()
        await store.commit(Batch([flood(number) for number in words], target_rules=RULES, sender_of=lambda _: sender))
        return len([sql for sql in statements if f" {table} " in sql])

    async def words() -> int:
        (row,) = await store.rows(f"SELECT count(*) AS n FROM {table} WHERE id > 0")
        return int(row["n"])

    await send(1, *range(MOST))
    half = await words()
    assert MOST // 2 <= half <= MOST // 2 + 2  # one more, and (other)
    assert await send(1, *range(100, 400)) == await send(1, 500)
    await send(2, MOST - 1, 400)  # for which the first sender had no room left
    assert await words() == half
    await send(3, 400)
    assert await words() == half + 1
    await send(0, 600, 601)  # as imports do
    assert await words() == half + 3
