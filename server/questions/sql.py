"""Pieces of SQL with their arguments, and the read of a query within a time limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from server.event import DAY
from server.problems import TooBroad
from server.questions.periods import Step
from server.storage.engine import Store

RAW_SECONDS = 10.0  # limit of one query over raw events; on one core it reads about four million of them


class Sql(msgspec.Struct, frozen=True):
    """A piece of SQL with its arguments. `raw`: it reads raw events."""

    text: str
    arguments: tuple[Any, ...] = ()
    raw: bool = False


def sql(*parts: str | Sql) -> Sql:
    """Concatenate pieces."""
    pieces = [Sql(part) if isinstance(part, str) else part for part in parts]
    return Sql(
        "".join(piece.text for piece in pieces),
        tuple(argument for piece in pieces for argument in piece.arguments),
        any(piece.raw for piece in pieces),
    )


def bound(value: object) -> Sql:
    """One argument."""
    return Sql("{}", (value,))


def listed(values: Iterable[object]) -> Sql:
    """Arguments, separated by commas."""
    found = tuple(values)
    return Sql(", ".join("{}" for _ in found), found)


def step_of(step: Step, starts: list[int], day: str = "day") -> str:
    """An expression for the index in `starts` of the step that contains a day; negative before the first."""
    first = starts[0] // DAY
    if step is Step.MONTH:
        after = " ".join(f"WHEN {day} >= {start // DAY} THEN {place}" for place, start in reversed(list(enumerate(starts))))
        return f"(CASE {after} ELSE -1 END)"
    length = 7 if step is Step.WEEK else 1
    return f"(CASE WHEN {day} < {first} THEN -1 ELSE ({day} - {first}) / {length} END)"


async def read(store: Store, query: Sql) -> list[dict[str, Any]]:
    """Return the rows of a query. Raises TooBroad if it reads raw events for longer than RAW_SECONDS."""
    if not query.raw:
        return await store.rows(query.text, *query.arguments)
    try:
        return await store.rows_within(RAW_SECONDS, query.text, *query.arguments)
    except TimeoutError as error:
        raise TooBroad(
            f"No rollup has this combination, and reading the raw events takes more than {RAW_SECONDS:g} seconds: "
            "ask about a shorter period, or with fewer filters."
        ) from error
