"""SQL of figures over the history, with functions that only DuckDB has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from server.questions.sql import Sql, bound, sql

_KEY = "COALESCE('=' || {0}, '')"  # structures with NULL are not equal
_PAIR = f"struct_pack(a := {_KEY}, b := {_KEY.replace('0', '1')})"


def among(rows: Sql, columns: Iterable[str], groups: Sequence[tuple[str | None, str | None]], keys: int, elements: Sequence[str]) -> Sql:
    """Rows with `keys` keys, k1 and k2: their `columns`, and the place of their group, or -1.

    `elements` are the lists of all values that an event has for each key, in each of its rows, or empty if it has one row. An event that has several rows
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


def distributions(facts: Sql, percents: Mapping[str, int | None], audiences: Iterable[bool], *, timed: bool) -> Sql:
    """Like `counting.distributions`, for all audiences at once. `percents` are percentages by the names of their columns."""
    ranks = {name: percent for name, percent in percents.items() if percent is not None}
    # Decimals, with which DuckDB computes the rank exactly.
    found = f", quantile_disc({{0}}, [{', '.join(f'{percent / 100:.2f}' for percent in ranks.values())}]) AS {{0}}_found" if ranks else ""
    figures = f"SUM({{0}}) AS {{0}}_total, COUNT({{0}}) AS {{0}}_number{found}"
    value = ("everyone", "people")
    parts: list[str] = []
    for is_people in audiences:
        of = value[is_people]
        columns = "".join(f", {of}_found[{place}] AS {name}" for place, name in enumerate(ranks, 1))
        parts.append(
            f"SELECT {int(is_people)} AS audience, place, step, {of}_total AS total, {of}_number AS number{columns}"
            f" FROM described WHERE {of}_number > 0"
        )
    both = ", ".join(figures.format(of) for of in value)
    return sql(
        f"WITH described AS (SELECT place, step, {both} FROM (",
        _durations(facts) if timed else _per_install(facts),
        f") AS given GROUP BY place, step) {' UNION ALL '.join(parts)}",
    )


def _durations(facts: Sql) -> Sql:
    columns = "duration_us AS everyone, CASE WHEN people = 1 THEN duration_us END AS people"
    return sql(f"SELECT place, step, {columns} FROM (", facts, ") AS timed WHERE duration_us IS NOT NULL")


def _per_install(facts: Sql) -> Sql:
    columns = "CAST(SUM(events) AS BIGINT) AS everyone, NULLIF(CAST(SUM(people * events) AS BIGINT), 0) AS people"
    return sql(f"SELECT place, step, {columns} FROM (", facts, ") AS owned WHERE install_id IS NOT NULL GROUP BY place, step, install_id")


def weighted_distribution(values: Sql, percents: Mapping[str, int | None]) -> Sql:
    """Like `quantile_disc` with `total` and `number`, for values that count as often as their weight says.

    The values are first counted in parts of 3 % in width. Only those of the parts that hold a requested rank are sorted, which takes an eighth of the time of
    sorting all of them.
    """
    ranks = {name: percent for name, percent in percents.items() if percent is not None}
    holds = " OR ".join(f"(100 * (up_to - w) < {percent} * n AND 100 * up_to >= {percent} * n)" for percent in ranks.values())
    found = "".join(f", MIN(CASE WHEN 100 * r >= {percent} * n THEN value END) AS {name}" for name, percent in ranks.items())
    return sql(
        "WITH given AS NOT MATERIALIZED (SELECT *, CAST(floor(32 * ln(value + 1)) AS INTEGER) AS part FROM (",
        values,
        ") AS listed), parts AS MATERIALIZED (SELECT place, step, part, SUM(weight) AS w, SUM(value * weight) AS t FROM given GROUP BY ALL),"
        " ranked AS (SELECT *, SUM(w) OVER (PARTITION BY place, step ORDER BY part) AS up_to, SUM(w) OVER (PARTITION BY place, step) AS n FROM parts),"
        f" chosen AS (SELECT place, step, part, up_to - w AS before, n FROM ranked WHERE {holds or 'false'}),"
        " sorted AS (SELECT place, step, value, n, before + SUM(weight) OVER (PARTITION BY place, step, part ORDER BY value ROWS UNBOUNDED PRECEDING) AS r"
        " FROM given JOIN chosen USING (place, step, part)),"
        f" ends AS (SELECT place, step{found} FROM sorted GROUP BY place, step),"
        " sums AS (SELECT place, step, SUM(t) AS total, SUM(w) AS number FROM parts GROUP BY place, step)"
        f" SELECT sums.*{''.join(f', ends.{name}' for name in ranks)} FROM sums LEFT JOIN ends USING (place, step)",
    )
