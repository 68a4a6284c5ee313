"""SQL for the figures of a question: sums and distinct installs, percentiles of durations, events per install.

`placed` facts carry the place of their group among those listed, or -1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from server.questions import columnar
from server.questions.facts import Facts
from server.questions.question import DURATIONS, PER_INSTALL, Audience, Measure
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine

OTHER = -1
# Measures by which groups are ranked: for all events, and for those of people.
SIZES = {
    Measure.EVENTS: ("SUM(events)", "SUM(people * events)"),
    Measure.SUCCESSES: ("SUM(successes)", "SUM(people * successes)"),
    Measure.FAILURES: ("SUM(failures)", "SUM(people * failures)"),
    Measure.INSTALLS: ("COUNT(DISTINCT install_id)", "COUNT(DISTINCT CASE WHEN people = 1 THEN install_id END)"),
    Measure.NEW_INSTALLS: (
        "COUNT(DISTINCT CASE WHEN is_new = 1 THEN install_id END)",
        "COUNT(DISTINCT CASE WHEN is_new = 1 AND people = 1 THEN install_id END)",
    ),
}
_SUMS = {
    each: f"SUM({each.value}) AS {each.value}_all, SUM(people * {each.value}) AS {each.value}_people"
    for each in (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES)
}
SUMS = tuple(_SUMS)
_COLUMNS = {
    **_SUMS,
    Measure.INSTALLS: "COUNT(DISTINCT install_id) AS installs_all,"
    " COUNT(DISTINCT CASE WHEN people = 1 THEN install_id END) AS installs_people",
    Measure.NEW_INSTALLS: "COUNT(DISTINCT CASE WHEN is_new = 1 THEN install_id END) AS new_installs_all,"
    " COUNT(DISTINCT CASE WHEN is_new = 1 AND people = 1 THEN install_id END) AS new_installs_people",
}

Keys = tuple[str | None, str | None]
Cell = tuple[int, int]  # the place of a group, and a step
Percents = Mapping[Measure, int | None]  # the percentage of each percentile; None for means


def largest(engine: SqlEngine, facts: Sql, measure: Measure, audience: Audience, first: int) -> Sql:
    """The keys of the largest groups by a measure of SIZES, largest first: k1, k2, and one more group than `first`."""
    grouped = ") AS facts GROUP BY k1, k2 HAVING SUM(events) > 0 ORDER BY "
    return sql("SELECT k1, k2 FROM (", facts, f"{grouped}{_by_size(engine, measure, audience)} LIMIT {first + 1}")


def ranked(engine: SqlEngine, facts: Sql, measure: Measure, audience: Audience, sums: Collection[Measure], first: int) -> Sql:
    """The `first` largest groups by a measure with their sums, in one read: `place` from 0, k1, k2, and the columns of `counts`.

    Place OTHER has the sums of all other groups, if there are others.
    """
    columns = "".join(f", SUM({each.value}_{who}) AS {each.value}_{who}" for each in sums for who in ("all", "people"))
    shown = f"CASE WHEN number <= {first} THEN {{}} END"
    return sql(
        f"SELECT COALESCE({shown.format('number - 1')}, {OTHER}) AS place, {shown.format('k1')} AS k1, {shown.format('k2')} AS k2{columns}"
        f" FROM (SELECT k1, k2, {', '.join(_SUMS[each] for each in sums)}, ROW_NUMBER() OVER (ORDER BY {_by_size(engine, measure, audience)}) AS number FROM (",
        facts,
        ") AS facts GROUP BY k1, k2 HAVING SUM(events) > 0) AS numbered GROUP BY 1, 2, 3",
    )


def _by_size(engine: SqlEngine, measure: Measure, audience: Audience) -> str:
    size = SIZES[measure][audience is Audience.PEOPLE]
    return f"{size} DESC, k1 IS NULL, {engine.sortable('k1')}, k2 IS NULL, {engine.sortable('k2')}"


def placed(engine: SqlEngine, facts: Facts, groups: list[Keys] | None, *, installs: bool, folded: Collection[Cell] = ()) -> Sql:
    """Facts with the place of their group: its index in `groups`, or OTHER; 0 for all if there are no groups.

    The cells in `folded`, each a place and a step, count as OTHER.
    """
    rows = facts.sql(engine, installs=installs)
    if groups is None:
        return sql("SELECT 0 AS place, facts.* FROM (", rows, ") AS facts")
    columns = ("step", *facts.columns, *(["is_new"] if installs else []))
    # Several elements of one event may be among the others, where the event counts once.
    if facts.has_distinct_elements and not folded:
        return columnar.among(rows, columns, groups, len(facts.by), facts.element_columns)
    return among(engine, rows, columns, groups, distinct=facts.repeats, folded=folded)


def among(
    engine: SqlEngine,
    rows: Sql,
    columns: Iterable[str],
    groups: list[Keys],
    *,
    distinct: bool = False,
    folded: Collection[Cell] = (),
) -> Sql:
    """Rows with the keys k1 and k2: their `columns`, and the place of their group as in `placed`.

    With `distinct`, an event with several rows among the others counts there once.
    """
    pairs: list[list[str | int | None]] = [[_encoded(first), _encoded(second), place] for place, (first, second) in enumerate(groups)]
    cells: list[list[str | int | None]] = [[str(place), str(step), None] for place, step in sorted(folded)]
    place = "CASE WHEN small.a IS NULL THEN listing.place END" if cells else "listing.place"
    small = " AS small ON small.a = CAST(listing.place AS text) AND small.b = CAST(facts.step AS text)"
    return sql(
        f"SELECT {'DISTINCT ' if distinct else ''}COALESCE({place}, {OTHER}) AS place, {', '.join(f'facts.{each}' for each in columns)} FROM (",
        rows,
        ") AS facts LEFT JOIN ",
        engine.pairs(pairs),
        " AS listing ON listing.a = COALESCE('=' || facts.k1, '') AND listing.b = COALESCE('=' || facts.k2, '')",
        *((" LEFT JOIN ", engine.pairs(cells), small) if cells else ()),
    )


def _encoded(key: str | None) -> str:
    """A key that can be compared with `=` even if it has no value."""
    return "" if key is None else f"={key}"


class NewInstalls(NamedTuple):
    """The relation `install` with its join condition, and the condition that an install is new in a step; for facts without a column `is_new`."""

    join: Sql
    condition: str


def counts(engine: SqlEngine, facts: Sql, measures: Collection[Measure], by: str = "place, step", *, new: NewInstalls | None = None) -> Sql:
    """Counts by some columns: `{measure}_all` and `{measure}_people`."""
    if engine.is_columnar and Measure.INSTALLS in measures:
        return _counts_by_install(facts, measures, by, new)
    columns = ", ".join(_COLUMNS[measure] for measure in measures)
    return sql(f"SELECT {by}, {columns} FROM (", facts, f") AS placed GROUP BY {by}")


def _counts_by_install(facts: Sql, measures: Collection[Measure], by: str, new: NewInstalls | None) -> Sql:
    """Like `counts`, via one row for each install: DuckDB needs a second pass for each expression that counts distinct values."""
    sums = [measure.value for measure in measures if measure in _SUMS]
    inner = "".join(f", SUM({each}) AS {each}, SUM(people * {each}) AS {each}_people" for each in sums)
    outer = "".join(f", SUM({each}) AS {each}_all, SUM({each}_people) AS {each}_people" for each in sums)
    if Measure.NEW_INSTALLS in measures:
        inner += "" if new else ", MAX(is_new) AS is_new"
        condition = new.condition if new else "is_new = 1"
        outer += f", COUNT(CASE WHEN {condition} THEN install_id END) AS new_installs_all"
        outer += f", COUNT(CASE WHEN {condition} AND people = 1 THEN install_id END) AS new_installs_people"
    return sql(
        f"SELECT {by}, COUNT(install_id) AS installs_all,"
        f" COUNT(CASE WHEN people = 1 THEN install_id END) AS installs_people{outer} FROM"
        f" (SELECT {by}, install_id, MAX(people) AS people{inner} FROM (",
        facts,
        f") AS placed GROUP BY {by}, install_id) AS by_install",
        sql(" LEFT JOIN ", new.join) if new else "",
        f" GROUP BY {by}",
    )


def new_installs(facts: Sql, new: NewInstalls) -> Sql:
    """New installs by place and step, in the columns of `counts`. `new` joins the rows `placed` first, so that few rows remain to be counted."""
    return sql(
        "SELECT place, step, COUNT(install_id) AS new_installs_all, COUNT(CASE WHEN people = 1 THEN install_id END) AS new_installs_people FROM"
        " (SELECT place, step, install_id, MAX(people) AS people FROM (",
        facts,
        ") AS placed JOIN ",
        new.join,
        f" WHERE {new.condition} GROUP BY place, step, install_id) AS by_install GROUP BY place, step",
    )


def distributions(
    engine: SqlEngine,
    facts: Sql,
    percents: Percents,
    audiences: Iterable[bool],
    *,
    timed: bool,
    weighted: bool,
) -> Sql:
    """Percentiles by the nearest-rank method, with `total` and `number` of the values, by place, step and audience: 1 for people only, 0 for all.

    The values are durations in microseconds (`timed`) or the numbers of events of each install. The value at rank ceil(p / 100 * n) is the
    least whose rank r has 100 r >= p n. If values are `weighted`, each counts as many times as its weight.
    """
    columns = {measure.value: percent for measure, percent in percents.items()}
    if engine.is_columnar and not weighted:
        return columnar.distributions(facts, columns, audiences, timed=timed)
    parts: list[str | Sql] = []
    for people in audiences:
        values = _durations(facts, people=people) if timed else _per_install(facts, people=people)
        parts += [
            " UNION ALL " if parts else "",
            f"SELECT {int(people)} AS audience, found.* FROM (",
            columnar.weighted_distribution(values, columns) if engine.is_columnar else _distribution(values, percents, weighted=weighted),
            ") AS found",
        ]
    return sql(*parts)


def _durations(facts: Sql, *, people: bool) -> Sql:
    condition = " AND people = 1" if people else ""
    return sql(
        "SELECT place, step, duration_us AS value, events AS weight FROM (", facts, f") AS timed WHERE duration_us IS NOT NULL{condition}"
    )


def _per_install(facts: Sql, *, people: bool) -> Sql:
    condition = " AND people = 1" if people else ""
    return sql(
        "SELECT place, step, SUM(events) AS value, 1 AS weight FROM (",
        facts,
        f") AS owned WHERE install_id IS NOT NULL{condition} GROUP BY place, step, install_id",
    )


def _distribution(values: Sql, percents: Percents, *, weighted: bool) -> Sql:
    columns = "".join(
        f", MIN(CASE WHEN 100 * r >= {percent} * n THEN value END) AS {measure.value}"
        for measure, percent in percents.items()
        if percent is not None
    )
    within, ordered = "PARTITION BY place, step", "PARTITION BY place, step ORDER BY value"
    if weighted:
        number, total, rank = "SUM(weight)", "SUM(value * weight)", f"SUM(weight) OVER ({ordered} ROWS UNBOUNDED PRECEDING)"
    else:
        number, total, rank = "COUNT(*)", "SUM(value)", f"ROW_NUMBER() OVER ({ordered})"
    window = f"{rank} AS r, {number} OVER ({within}) AS n"
    return sql(
        f"SELECT place, step, {total} AS total, {number} AS number{columns} FROM (SELECT place, step, value, weight, {window} FROM (",
        values,
        ") AS given) AS ranked GROUP BY place, step",
    )


def percents(measures: Iterable[Measure]) -> tuple[dict[Measure, int | None], dict[Measure, int | None]]:
    """Split measures that describe a distribution into those of durations and those per install, each with its percentage."""
    requested = tuple(measures)
    return {m: DURATIONS[m] for m in requested if m in DURATIONS}, {m: PER_INSTALL[m] for m in requested if m in PER_INSTALL}


def owners(tagged: list[Sql], *, by_install: bool) -> Sql:
    """The number of installs in each cell, by the set of segments that have the same events (with `by_install`: the same installs).

    `tagged` are the placed facts of each segment. Each set is one row, so that the difference of two segments can be checked.
    """
    parts: list[str | Sql] = []
    for number, facts in enumerate(tagged):
        columns = "DISTINCT place, step, owner_id" if by_install else "place, step, owner_id, id"
        parts += [" UNION ALL " if parts else "", f"SELECT {columns}, {1 << number} AS bit FROM (", facts, ") AS placed"]
    key = "place, step, owner_id" if by_install else "place, step, owner_id, id"
    return sql(
        "SELECT place, step, mask, COUNT(DISTINCT owner_id) AS installs FROM (",
        f"SELECT {key}, SUM(bit) AS mask FROM (",
        *parts,
        f") AS tagged GROUP BY {key}) AS masked GROUP BY place, step, mask",
    )
