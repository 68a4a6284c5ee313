"""SQL of figures over the history, with functions that only DuckDB has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from server.history import texts_in
from server.questions.question import Audience
from server.questions.sql import Sql, bound, sql

_KEY = "COALESCE('=' || {0}, '')"  # structures with NULL are not equal
_PAIR = f"struct_pack(a := {_KEY}, b := {_KEY.replace('0', '1')})"


def among(rows: Sql, columns: Iterable[str], groups: Sequence[tuple[str | None, str | None]], keys: int, elements: Sequence[str]) -> Sql:
    """Rows with `keys` keys, k1 and k2: their `columns`, and the place of their group, or -1.

    `elements` are the lists of all values that an event has for each key, in each of its rows, or empty if it has one row. An event with several rows
    among the others counts once.
    """
    shown = ", ".join(f"facts.{each}" for each in columns)
    place, others = _by_one(groups, elements) if keys == 1 else _by_two(groups, elements)
    once = (" WHERE place >= 0 OR ", others) if elements else ()
    return sql(f"SELECT place, {shown} FROM (SELECT ", place, " AS place, facts.* FROM (", rows, ") AS facts) AS facts", *once)


def _by_one(groups: Sequence[tuple[str | None, str | None]], elements: Sequence[str]) -> tuple[Sql, Sql]:
    """The place of a row, and the condition that its key is the first unlisted one of its event."""
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


def largest_elements(rows: Sql, measure: str, audience: Audience, first: int) -> Sql:
    """The largest groups by a sum, like `counting.largest`. `elements` of a row are the texts of a property. `lists` counts the different `elements`."""
    size = f"people * {measure}" if audience is Audience.PEOPLE else measure
    return sql(
        f"WITH lists AS MATERIALIZED (SELECT elements, SUM(events) AS events, SUM({size}) AS size FROM (",
        rows,
        ") AS listed GROUP BY elements) SELECT k1, NULL AS k2, (SELECT COUNT(*) FROM lists) AS lists"
        f" FROM (SELECT events, size, unnest({texts_in('elements')}) AS k1 FROM lists) AS each"
        f" GROUP BY k1 HAVING SUM(events) > 0 ORDER BY SUM(size) DESC, k1 IS NULL, k1 LIMIT {first + 1}",
    )


def sums_of_elements(rows: Sql, groups: Sequence[tuple[str | None, str | None]], sums: Iterable[str], *, is_few: bool) -> Sql:
    """Sums by place and step, like `counting.counts`, of rows with the texts of a property in `elements`. A row counts once in each place of its texts.

    Rows with the same `elements` are added up first if these are few (`is_few`), so that each is parsed once; otherwise, rows with the same places are.
    """
    listed = sql("CAST(CAST(", bound(json.dumps([first for first, _ in groups])), " AS JSON) AS VARCHAR[])")
    places = sql(f"list_transform({texts_in('elements')}, lambda element: COALESCE(list_position(", listed, ", element), 0) - 1) AS places")
    names = tuple(sums)
    inner = "".join(f", SUM({name}) AS {name}, SUM(people * {name}) AS {name}_people" for name in names)
    outer = "".join(f", SUM({name}) AS {name}_all, SUM({name}_people) AS {name}_people" for name in names)
    if is_few:
        summed = sql(
            "SELECT *, ", places, f" FROM (SELECT elements, step{inner} FROM (", rows, ") AS listed GROUP BY elements, step) AS alike"
        )
    else:
        summed = sql(
            f"SELECT places, step{inner} FROM (SELECT *, ", places, " FROM (", rows, ") AS listed) AS placed GROUP BY places, step"
        )
    return sql(
        f"SELECT place, step{outer} FROM (SELECT *, unnest(list_distinct(places)) AS place FROM (",
        summed,
        ") AS summed) AS each GROUP BY place, step",
    )


def installs_by_day(alone: Sql, others: Sql) -> Sql:
    """Distinct installs by step, like `counting.counts`, of marked events: see `server.history.day_marks`.

    The installs that are `alone` on a day are counted, the `others` grouped. An install of both, which only unmarked events can cause, is subtracted once.
    """
    return sql(
        "WITH grouped AS MATERIALIZED (SELECT step, install_id, MAX(people) AS people, MAX(is_unmarked) AS is_unmarked FROM (",
        others,
        ") AS events GROUP BY step, install_id)"
        " SELECT 0 AS place, step, SUM(everyone) AS installs_all, SUM(persons) AS installs_people FROM ("
        "SELECT step, COUNT(*) AS everyone, SUM(people) AS persons FROM (",
        alone,
        ") AS events GROUP BY step UNION ALL SELECT step, COUNT(*), SUM(people) FROM grouped GROUP BY step"
        " UNION ALL SELECT step, -COUNT(*), -SUM(events.people * twice.people) FROM (",
        alone,
        ") AS events JOIN (SELECT * FROM grouped WHERE is_unmarked) AS twice USING (step, install_id) GROUP BY step) AS counted GROUP BY step",
    )


def ranked_installs(facts: Sql, audience: Audience, first: int) -> Sql:
    """The `first` largest groups by distinct installs, with their counts: `place` from 0, k1, k2, `installs_all`, `installs_people`.

    Place -1 counts the installs of all other groups, if there are others. Both come from one read of the events.
    """
    counts = "COUNT(install_id) AS installs_all, COUNT(CASE WHEN people = 1 THEN install_id END) AS installs_people"
    size = "installs_people" if audience is Audience.PEOPLE else "installs_all"
    order = f"{size} DESC, k1 IS NULL, k1, k2 IS NULL, k2"
    same = "ranked.k1 IS NOT DISTINCT FROM by_install.k1 AND ranked.k2 IS NOT DISTINCT FROM by_install.k2"
    return sql(
        "WITH by_install AS MATERIALIZED (SELECT k1, k2, install_id, MAX(people) AS people FROM (",
        facts,
        f") AS facts GROUP BY k1, k2, install_id), counted AS (SELECT k1, k2, {counts} FROM by_install GROUP BY k1, k2)"
        f", ranked AS MATERIALIZED (SELECT *, row_number() OVER (ORDER BY {order}) - 1 AS place FROM counted)"
        f", others AS (SELECT install_id, MAX(people) AS people FROM by_install SEMI JOIN (SELECT * FROM ranked WHERE place >= {first}) AS ranked"
        f" ON {same} GROUP BY install_id)"
        f" SELECT place, k1, k2, installs_all, installs_people FROM ranked WHERE place < {first}"
        f" UNION ALL SELECT -1, NULL, NULL, {counts} FROM others HAVING COUNT(*) > 0 ORDER BY place",
    )


def distributions(facts: Sql, percents: Mapping[str, int | None], audiences: Iterable[bool], *, timed: bool) -> Sql:
    """Like `counting.distributions`, for all audiences at once, and with a `total` only for a mean. `percents` are percentages by the names of their
    columns.
    """
    ranks = {name: percent for name, percent in percents.items() if percent is not None}
    # Decimals, with which DuckDB computes the rank exactly.
    found = f", quantile_disc({{0}}, [{', '.join(f'{percent / 100:.2f}' for percent in ranks.values())}]) AS {{0}}_found" if ranks else ""
    total = "SUM({0})" if len(ranks) < len(percents) else "NULL"  # only means need it
    figures = f"{total} AS {{0}}_total, COUNT({{0}}) AS {{0}}_number{found}"
    parts, values = list[str](), list[str]()
    for is_people in audiences:
        of = "people" if is_people else "everyone"
        values.append(of)
        columns = "".join(f", {of}_found[{place}] AS {name}" for place, name in enumerate(ranks, 1))
        parts.append(
            f"SELECT {int(is_people)} AS audience, place, step, {of}_total AS total, {of}_number AS number{columns}"
            f" FROM described WHERE {of}_number > 0"
        )
    both = ", ".join(figures.format(of) for of in values)
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
    """Like `quantile_disc` with `total` and `number`, for weighted values.

    The values are first counted in bins of 3 % width. Only values in bins with a requested rank are sorted, which takes an eighth of the time of
    sorting all.
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
