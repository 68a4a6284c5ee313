"""Installs by the texts of a property, from the history, in one row for each install: its texts are the bits of a mask.

A row for each install and text takes twice as long, because such rows do not fit into the cache of a processor.
"""

from __future__ import annotations

from server.history import texts_in
from server.questions import columnar
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts
from server.questions.question import Audience
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine

MOST_TEXTS = 62  # the bits of a mask
MOST_LISTS = 1_000  # different lists of texts; the list of each event is searched in them
_LISTS, _TEXTS, _MASKS, _IS_FEW = (f"getvariable('{name}')" for name in ("lists", "texts", "masks", "is_few"))


def ranked_installs(facts: Facts, engine: SqlEngine, audience: Audience, first: int) -> Sql | tuple[Sql, ...]:
    """Like `columnar.ranked_installs`, for any facts. For one property, it takes several statements: the first ones list the property's texts.

    DuckDB inserts the value of a variable as a constant. So it computes a mask once for each entry of a file's dictionary, not for each event, and does
    not read the files for the half of the last statement that does not apply.
    """
    facts = facts.for_installs()
    if not (isinstance(facts, HistoryFacts) and facts.has_one_list):
        return columnar.ranked_installs(facts.sql(engine), audience, first)
    rows = facts.lists(engine)
    many = sql("SELECT * FROM (", facts.sql(engine), f") AS facts WHERE NOT {_IS_FEW}")
    return (
        sql(
            "SET VARIABLE lists = (SELECT list(elements) FROM (SELECT DISTINCT elements FROM (",
            rows,
            f") AS listed LIMIT {MOST_LISTS + 1}) AS lists)",  # more may not fit into memory
        ),
        sql(
            f"SET VARIABLE texts = (SELECT list(DISTINCT text) FROM (SELECT unnest({texts_in('elements')}) AS text"
            f" FROM (SELECT unnest({_LISTS}[:{MOST_LISTS}]) AS elements) AS lists) AS texts)"
        ),
        sql(f"SET VARIABLE is_few = COALESCE(len({_LISTS}) <= {MOST_LISTS} AND len({_TEXTS}) <= {MOST_TEXTS}, TRUE)"),
        sql(
            "SET VARIABLE masks = (SELECT list_transform(found, lambda elements: list_bit_or(list_transform("
            f"{texts_in('elements')}, lambda text: 1::BIGINT << (list_position({_TEXTS}, text) - 1)))) FROM"
            f" (SELECT {_LISTS} AS found WHERE {_IS_FEW}) AS few)"
        ),
        sql(
            "SELECT place, k1, k2, installs_all, installs_people FROM (",
            _from_masks(rows, audience, first),
            ") AS few UNION ALL SELECT place, k1, k2, installs_all, installs_people FROM (",
            columnar.ranked_installs(many, audience, first),
            ") AS many ORDER BY place",
        ),
    )


def _from_masks(rows: Sql, audience: Audience, first: int) -> Sql:
    mask = f"{_MASKS}[list_position({_LISTS}, elements)]"
    size = "installs_people" if audience is Audience.PEOPLE else "installs_all"
    counts = ", ".join(
        f"COALESCE(SUM(CASE WHEN {who} & bits > 0 THEN installs END), 0) AS installs_{name}"
        for who, name in (("everyone", "all"), ("people", "people"))
    )
    return sql(
        "WITH by_install AS (SELECT install_id, BIT_OR(mask) AS everyone, BIT_OR(people * mask) AS people"
        f" FROM (SELECT install_id, CAST(people AS BIGINT) AS people, {mask} AS mask FROM (",
        rows,
        f") AS listed WHERE install_id IS NOT NULL AND {_IS_FEW}) AS masked GROUP BY install_id)"
        ", alike AS MATERIALIZED (SELECT everyone, people, COUNT(*) AS installs FROM by_install GROUP BY everyone, people)"
        f", texts AS (SELECT unnest({_TEXTS}) AS k1, 1::BIGINT << unnest(range(len({_TEXTS}))) AS bits WHERE {_IS_FEW})"
        f", counted AS (SELECT k1, bits, {counts} FROM texts LEFT JOIN alike ON TRUE GROUP BY k1, bits)"
        f", ranked AS MATERIALIZED (SELECT *, row_number() OVER (ORDER BY {size} DESC, k1 IS NULL, k1) - 1 AS place FROM counted)"
        f", others AS (SELECT BIT_OR(bits) AS bits FROM ranked WHERE place >= {first} HAVING COUNT(*) > 0)"
        f" SELECT place, k1, NULL AS k2, installs_all, installs_people FROM ranked WHERE place < {first}"
        f" UNION ALL SELECT -1, NULL, NULL, {counts} FROM others LEFT JOIN alike ON TRUE GROUP BY bits",
    )
