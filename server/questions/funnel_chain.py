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
# The parts of a moment, from the lowest bit on: place (16 bits), people (1), number of the step (4), time (41: 69 years of milliseconds), a free bit,
# install. The free bit keeps moments of different installs further apart than an attempt may take.
_PEOPLE, _NUMBER, _TIME, _INSTALL = 1 << 16, 1 << 17, 1 << 21, 1 << 63
_ALL = 1 << 62  # rows; DuckDB need not keep the order of a subquery without a limit
_AUDIENCES = {"all": "", "people": f" AND flags & {_PEOPLE} > 0"}

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
    the third: no other choice ends earlier. An attempt is therefore independent of its group, and one order of the events serves all groups. Time
    is divided into parts as long as an attempt may take, and only events in the part of an attempt and in the next one are sorted, and a few
    others whose hash of install and part is the same.

    The events of all installs are sorted as one sequence of numbers. From the last event to the first, the next event of a step is the least one so
    far: a running minimum, which DuckDB streams. That event may belong to another install: it is then too far away to be within an attempt.
    """
    assert isinstance(facts, HistoryFacts)
    steps, start = range(len(conditions)), facts.period.start
    later = msgspec.structs.replace(facts, where=common, by=()).steps(engine, conditions[1:])
    part = f"occurred_at // {within}"
    return sql(
        "WITH begun AS MATERIALIZED (SELECT install_id, occurred_at, people, place FROM (",
        counting.placed(engine, facts, groups, installs=False),
        ") AS first WHERE install_id IS NOT NULL)"
        # Otherwise, DuckDB would estimate few rows, and build the table of the join from the later events.
        f", near AS MATERIALIZED (SELECT unnest([hash(install_id, {part}), hash(install_id, {part} + 1)]) AS near FROM begun)"
        f", met AS (SELECT {_moment(start, '0', 'place + 1')} AS moment FROM begun"
        f" UNION ALL SELECT {_moment(start, '(number + 1)', '0')} FROM (SELECT *, hash(install_id, {part}) AS near FROM (",
        later,
        ") AS stepped) AS later SEMI JOIN near ON near.near = later.near)"
        f", met{len(steps)} AS (SELECT moment, CAST(moment & {_TIME - 1} AS INTEGER) AS flags"
        f" FROM (SELECT moment FROM met ORDER BY moment DESC LIMIT {_ALL}) AS sorted)",
        *(_next(step, steps) for step in reversed(steps[1:])),
        f", reached AS MATERIALIZED (SELECT (flags & {_PEOPLE - 1}) - 1 AS place, CAST(moment >> {_bits(_INSTALL)} AS UBIGINT) AS install_id, 1 AS all0,"
        f" MAX(flags // {_PEOPLE}) AS people0{_reached(steps, within)} FROM met1 WHERE flags < {_NUMBER} GROUP BY ALL) ",
        _counts("SELECT * FROM reached", "place", steps),
        f" UNION ALL {_counts(_whole(steps), str(WHOLE), steps)}" if groups is not None else "",
    )


def counts_of(row: dict[str, Any], steps: int) -> list[list[int]]:
    """Return the installs that reached each step, all and people's, of a row of `chain`."""
    return [[int(row[f"{audience}{number}"]) for audience in _AUDIENCES] for number in range(steps)]


def _moment(start: int, number: str, place: str) -> str:
    """An event as a number that sorts by install, time and step: install, milliseconds since `start`, the number of its step, people, and `place`."""
    low = f"(occurred_at - {start}) * {_TIME} + {number} * {_NUMBER} + people * {_PEOPLE} + {place}"
    return f"(CAST(install_id AS HUGEINT) + {1 << 63}) * {_INSTALL} + ({low})"


def _bits(unit: int) -> int:
    """The bits by which to shift a moment instead of dividing it, which takes many times as long for 128 bits."""
    return unit.bit_length() - 1


def _next(step: int, steps: range) -> str:
    """Add the moments of the next event of a step, and of those that continue it, to the events of earlier steps."""
    found = "".join(
        f", MIN(CASE WHEN flags >= {step * _NUMBER}{condition} THEN {'moment' if number == step else f'{audience}{number}'} END)"
        f" OVER (ROWS UNBOUNDED PRECEDING) AS {audience}{number}"
        for audience, condition in _AUDIENCES.items()
        for number in steps[step:]
    )
    return f", met{step} AS (SELECT moment, flags{found} FROM met{step + 1} WHERE flags < {(step + 1) * _NUMBER})"


def _reached(steps: range, within: int) -> str:
    """For each later step, 1 if an install's attempt reached it in time."""
    return "".join(
        f", MAX(CASE WHEN ({audience}{number} >> {_bits(_TIME)}) - (moment >> {_bits(_TIME)}) <= {within}{condition} THEN 1 ELSE 0 END) AS {audience}{number}"
        for audience, condition in _AUDIENCES.items()
        for number in steps[1:]
    )


def _whole(steps: range) -> str:
    columns = ", ".join(f"MAX({audience}{number}) AS {audience}{number}" for audience in _AUDIENCES for number in steps)
    return f"SELECT install_id, {columns} FROM reached GROUP BY install_id"


def _counts(installs: str, place: str, steps: range) -> str:
    columns = ", ".join(f"SUM({audience}{number}) AS {audience}{number}" for audience in _AUDIENCES for number in steps)
    return f"SELECT {place} AS place, {columns} FROM ({installs}) AS installs GROUP BY 1"
