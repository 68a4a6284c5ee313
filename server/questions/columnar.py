"""The places of groups over the history, by the lists that only DuckDB has. An event's elements are known in each of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from server.questions.sql import Sql, bound, sql

_KEY = "COALESCE('=' || {0}, '')"  # structures with NULL are not equal
_PAIR = f"struct_pack(a := {_KEY}, b := {_KEY.replace('0', '1')})"


def among(rows: Sql, columns: Iterable[str], groups: Sequence[tuple[str | None, str | None]], keys: int, elements: Sequence[str]) -> Sql:
    """Rows with `keys` keys, k1 and k2: their `columns`, and the place of their group, or -1.

    `elements` are the lists of all values that an event has for each key, or empty if it has one row. An event that has several rows
    among the others counts once.
    """
    shown = ", ".join(f"facts.{each}" for each in columns)
    place, others = _by_one(groups, elements) if keys == 1 else _by_two(groups, elements)
    once = (" WHERE place >= 0 OR ", others) if elements else ()
    return sql(f"SELECT place, {shown} FROM (SELECT ", place, " AS place, facts.* FROM (", rows, ") AS facts) AS facts", *once)


def _by_one(groups: Sequence[tuple[str | None, str | None]], elements: Sequence[str]) -> tuple[Sql, Sql]:
    """The place of a row, and the condition that its key is the first one of its event that is not listed."""
    listed = sql("CAST(CAST(", bound(json.dumps([first for first, _ in groups])), " AS JSON) AS VARCHAR[])")
    place = sql("COALESCE(list_position(", listed, ", facts.k1), 0) - 1")
    if not elements:
        return place, sql("TRUE")
    (every,) = elements
    first = sql(f"list_filter({every}, lambda x: list_position(", listed, ", x) IS NULL)[1]")
    return place, sql(f"len({every}) = 1 OR facts.k1 IS NOT DISTINCT FROM ", first)


def _by_two(groups: Sequence[tuple[str | None, str | None]], elements: Sequence[str]) -> tuple[Sql, Sql]:
    pairs = [{"a": _encoded(first), "b": _encoded(second)} for first, second in groups]
    listed = sql("CAST(CAST(", bound(json.dumps(pairs)), " AS JSON) AS STRUCT(a VARCHAR, b VARCHAR)[])")
    own = _PAIR.format("facts.k1", "facts.k2")
    place = sql("COALESCE(list_position(", listed, f", {own}), 0) - 1")
    if not elements:
        return place, sql("TRUE")
    first, second = elements
    every = f"flatten(list_transform({first}, lambda x: list_transform({second}, lambda y: {_PAIR.format('x', 'y')})))"
    other = sql(f"list_filter({every}, lambda z: list_position(", listed, ", z) IS NULL)[1]")
    return place, sql(f"len({first}) * len({second}) = 1 OR {own} = ", other)


def _encoded(key: str | None) -> str:
    return "" if key is None else f"={key}"
