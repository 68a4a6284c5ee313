"""The funnel over the history in one read, for steps that no event can share: all groups, the whole funnel and both audiences at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec

from server.questions import counting
from server.questions.counting import Keys
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts
from server.questions.question import Condition, Op, Property, find_field
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine

WHOLE = -2  # the place of all groups together
_UNIT = 10  # the maximum number of steps: a moment holds a time and the number of a step
_AUDIENCES = {"all": "", "people": " AND people = 1"}


Conditions = tuple[Condition, ...]


def is_chain(steps: Sequence[Conditions]) -> bool:
    """Return True if no event can meet two of the steps, because each pair requires different values of a field."""
    return all(_differ(first, second) for first, second in combinations(steps, 2))


def _differ(first: Conditions, second: Conditions) -> bool:
    texts = [{each.field: set(each.values) for each in where if _is_text(each)} for where in (first, second)]
    return any(texts[0][field].isdisjoint(texts[1][field]) for field in texts[0].keys() & texts[1].keys())


def _is_text(condition: Condition) -> bool:
    """Return True for a condition on a field with at most one value per event."""
    return condition.op is Op.IS and not isinstance(find_field(condition.field, "where"), Property)


def chain(
    common: Conditions, conditions: Sequence[Conditions], within: int, groups: list[Keys] | None, facts: Facts, engine: SqlEngine
) -> Sql:
    """The installs that reached each step, `all0`, `people0`, `all1`, …, by the place of their group, and of all groups: WHOLE.

    `facts` are those of the first step. `conditions` are those of each step, in addition to the `common` ones; an attempt takes at most `within`
    milliseconds. An attempt begins with an event of the first step. It continues with the next event of the second step, then with the next one of
    the third: no other choice ends earlier. An attempt is therefore independent of its group, and one order of an install's events serves all groups. Time
    is divided into parts as long as an attempt may take, and only events in the part of an attempt and in the next one are sorted.
    """
    assert isinstance(facts, HistoryFacts)
    steps = range(len(conditions))
    later = msgspec.structs.replace(facts, where=common, by=()).steps(engine, conditions[1:])
    return sql(
        "WITH begun AS MATERIALIZED (SELECT install_id, occurred_at, people, place FROM (",
        counting.placed(engine, facts, groups, installs=False),
        f") AS first WHERE install_id IS NOT NULL), near AS (SELECT install_id, occurred_at // {within} AS part FROM begun"
        f" UNION SELECT install_id, occurred_at // {within} + 1 FROM begun)"
        f", met{len(steps)} AS (SELECT install_id, occurred_at * {_UNIT} AS moment, people, 0 AS number, place FROM begun"
        f" UNION ALL SELECT install_id, occurred_at * {_UNIT} + number + 1, people, number + 1, NULL FROM (",
        later,
        f") AS later SEMI JOIN near ON near.install_id = later.install_id AND near.part = later.occurred_at // {within})",
        *(_next(step, steps) for step in reversed(steps[1:])),
        f", reached AS MATERIALIZED (SELECT place, install_id, 1 AS all0, MAX(people) AS people0{_reached(steps, within)}"
        " FROM met1 WHERE number = 0 GROUP BY place, install_id) ",
        _counts("SELECT * FROM reached", "place", steps),
        f" UNION ALL {_counts(_whole(steps), str(WHOLE), steps)}" if groups is not None else "",
    )


def counts_of(row: dict[str, Any], steps: int) -> list[list[int]]:
    """Return the installs that reached each step, all and people's, of a row of `chain`."""
    return [[int(row[f"{audience}{number}"]) for audience in _AUDIENCES] for number in range(steps)]


def _next(step: int, steps: range) -> str:
    """Add the moments of the next event of a step, and of those that continue it, to the events of earlier steps."""
    window = "PARTITION BY install_id ORDER BY moment DESC ROWS UNBOUNDED PRECEDING"
    found = "".join(
        f", LAST_VALUE(CASE WHEN number = {step}{condition} THEN {'moment' if number == step else f'{audience}{number}'} END IGNORE NULLS)"
        f" OVER later AS {audience}{number}"
        for audience, condition in _AUDIENCES.items()
        for number in steps[step:]
    )
    return (
        f", met{step} AS (SELECT install_id, moment, people, number, place{found} FROM met{step + 1}"
        f" WHERE number <= {step} WINDOW later AS ({window}))"
    )


def _reached(steps: range, within: int) -> str:
    """For each later step, 1 if an install's attempt reached it in time."""
    return "".join(
        f", MAX(CASE WHEN {audience}{number} // {_UNIT} - moment // {_UNIT} <= {within}{condition} THEN 1 ELSE 0 END) AS {audience}{number}"
        for audience, condition in _AUDIENCES.items()
        for number in steps[1:]
    )


def _whole(steps: range) -> str:
    columns = ", ".join(f"MAX({audience}{number}) AS {audience}{number}" for audience in _AUDIENCES for number in steps)
    return f"SELECT install_id, {columns} FROM reached GROUP BY install_id"


def _counts(installs: str, place: str, steps: range) -> str:
    columns = ", ".join(f"SUM({audience}{number}) AS {audience}{number}" for audience in _AUDIENCES for number in steps)
    return f"SELECT {place} AS place, {columns} FROM ({installs}) AS installs GROUP BY 1"
