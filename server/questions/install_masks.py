"""Installs of the history by step, from one group for each install: a mask with a bit for each step in which the install has an event.

A group for each install and step takes three times as long over a year of weeks, and many times the memory.
"""

from __future__ import annotations

from collections.abc import Collection

from server.questions.facts import COUNTED, Facts
from server.questions.history_facts import HistoryFacts
from server.questions.question import Measure
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine

MOST_STEPS = 126  # bits of a positive number of 128 bits, without the highest one
MOST_SMALL = 62  # the same for 64 bits
SEEN = "seen"


class SeenFacts(HistoryFacts, frozen=True, kw_only=True):
    """Facts from the relation `seen`, which holds the masks of all their steps."""


def has_masks(facts: Facts, measures: Collection[Measure]) -> bool:
    """Return whether masks can count these measures of facts. Facts with keys have no masks."""
    is_install = set(measures) <= {Measure.INSTALLS, Measure.NEW_INSTALLS}
    is_one = facts.over is None or len(measures) == 1
    return is_install and is_one and not facts.by and len(facts.starts) <= MOST_STEPS


def masks(facts: HistoryFacts, engine: SqlEngine) -> Sql:
    """The relation `seen`: install_id, everyone (the mask of all events) and persons (the mask of the events of people)."""
    chosen = facts.for_installs()
    step = chosen.step(engine, "event.occurred_at")
    return sql(
        f"SELECT install_id, BIT_OR(bit) AS everyone, BIT_OR(CASE WHEN people = 1 THEN bit ELSE 0 END) AS persons FROM"
        f" (SELECT {chosen.counted_install} AS install_id, {chosen.people} AS people, {_bit(facts, step)} AS bit FROM ",
        chosen.source_rows(engine),
        f"{COUNTED}) AS events GROUP BY install_id",
    )


def counts(facts: HistoryFacts, engine: SqlEngine, measures: Collection[Measure]) -> Sql:
    """Counts by step from `seen`, in the columns of `counting.counts`."""
    both = "COUNT(*) AS {0}_all, COUNT(CASE WHEN {1}persons & bit <> 0 THEN 1 END) AS {0}_people"
    if facts.over is None:
        return _in_period(facts, measures)
    if Measure.NEW_INSTALLS in measures:
        first = facts.step(engine, "install.first_seen")
        joined = sql(
            f"(SELECT {SEEN}.*, {first} AS step, {_bit(facts, first)} AS bit FROM {SEEN} JOIN ", facts.join_arrivals(SEEN), ") AS arrived"
        )
        return sql(f"SELECT 0 AS place, step, {both.format('new_installs', '')} FROM ", joined, " WHERE everyone & bit <> 0 GROUP BY step")
    steps = f"(SELECT step, {_bit(facts, 'step')} AS bit FROM range({len(facts.starts)}) AS steps(step))"
    return Sql(
        f"SELECT 0 AS place, step, {both.format('installs', '')} FROM {SEEN} JOIN {steps} AS steps ON everyone & bit <> 0 GROUP BY step"
    )


def _in_period(facts: HistoryFacts, measures: Collection[Measure]) -> Sql:
    is_new, columns = Measure.NEW_INSTALLS in measures, list[str]()
    if Measure.INSTALLS in measures:
        columns += ["COUNT(*) AS installs_all", "COUNT(CASE WHEN persons <> 0 THEN 1 END) AS installs_people"]
    if is_new:
        columns += ["COUNT(install.id) AS new_installs_all", "COUNT(CASE WHEN persons <> 0 THEN install.id END) AS new_installs_people"]
    joined = sql(" LEFT JOIN ", facts.join_arrivals(SEEN)) if is_new else ""
    return sql(f"SELECT 0 AS place, 0 AS step, {', '.join(columns)} FROM {SEEN}", joined)


def alone(facts: HistoryFacts, engine: SqlEngine, measures: Collection[Measure]) -> Sql:
    """Like `counts`, in one statement."""
    return sql(f"WITH {SEEN} AS MATERIALIZED (", masks(facts, engine), ") ", counts(facts, engine, measures))


def _bit(facts: HistoryFacts, step: str) -> str:
    kind = "BIGINT" if len(facts.starts) <= MOST_SMALL else "HUGEINT"
    return f"CAST(1 AS {kind}) << CAST({step} AS INTEGER)"
