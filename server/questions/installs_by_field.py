"""Installs and events by the values of several fields of the context, counted in one read of the events.

A page shows a card for each field. An install counts in each value that one of its events has, as in any question. Reading the events
takes most of the time, so all fields share one read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from server.event import PEOPLE
from server.fields import BY_NAME
from server.history import History
from server.questions import joint_reads
from server.questions.facts import COUNTED, Facts, kept_since, versions_of
from server.questions.history_facts import HistoryFacts
from server.questions.joint_reads import Joint
from server.questions.question import Measure, Question
from server.questions.reader import Reader
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import SqlEngine, sql_of
from server.storage.engine import Store
from server.tasks import run_in_thread

MAX_STORED = 1_000_000  # events that are read from the store if the history has no answer: about two seconds of one core

LANE = 62  # values that share a mask: their bits fit into one number
_SUMS = ("events", "successes", "failures")

# For each field, the counts of each value, as `installs_all`, `installs_people`, and perhaps `events_all` and so on.
Counts = dict[str, dict[str | None, dict[str, int]]]


async def counts_by_field(
    store: Store, question: Question, fields: Sequence[str], history: History | None = None, *, sums: bool = False
) -> tuple[Counts | None, int | None]:
    """Return the installs by value of each field, and the time from which on events count (None if none were deleted).

    With `sums`, also those of events, which only the history has. The counts are None if there are too many events to read, or none of the period are
    left. Raises TooBroad if reading takes too long.

    Sums of a single field share the read of the page's figures. A copy with the texts of several fields would exceed the memory.
    """
    question = msgspec.structs.replace(question, measures=(Measure.INSTALLS,), by=(), over=None)
    joint = Joint(columns=tuple(BY_NAME[field].column for field in fields)) if sums and len(fields) == 1 else None
    with contextlib.nullcontext() if history is None or joint is None else joint_reads.of(history).expect(question):
        reader = Reader(store, question, await versions_of(store, question), history, events_only=True)
        await reader.plan([question.period], await kept_since(store, question.project))
        facts, since = reader.facts(Facts, question.period, ()), reader.since or None
        if reader.since >= question.period.end:
            return None, since
        rows = await reader.read_history(facts, partial(_by_value, fields=fields, sums=_SUMS if sums else ()), joint=joint)
    if rows is not None:
        found: Counts = {field: {} for field in fields}
        for row in rows:
            field, value = row.pop("field"), row.pop("value")
            found[field][value] = {name: int(count) for name, count in row.items()}
        return found, since
    if sums or await reader.count_events(question.period) > MAX_STORED:
        return None, since
    return await _from_contexts(store, facts, fields), since


def _by_value(facts: Facts, engine: SqlEngine, fields: Sequence[str], sums: Sequence[str] = ()) -> Sql:
    """Count each install's distinct combinations of values, then the installs of each value: the history has no contexts.

    `sums` are measures that are summed up for each value, of all events: without an install or with a wrong clock, too.
    """
    if sums and len(fields) == 1 and isinstance(facts, HistoryFacts) and facts.has_marks:
        return _marked_by_value(facts, engine, fields[0], sums)
    columns = ", ".join(f"{facts.shown(BY_NAME[field])} AS {field}" for field in fields)
    added = "".join(f", SUM({each}) AS {each}" for each in sums)
    counted = "COUNT(install_id) AS installs_all, COUNT(CASE WHEN people = 1 THEN install_id END) AS installs_people"
    counted += "".join(f", SUM({each}) AS {each}_all" for each in sums)
    is_one = len(fields) == 1  # then its rows are by install already
    parts = " UNION ALL ".join(
        f"SELECT '{field}' AS field, {field} AS value, {counted} FROM "
        + (
            "seen"
            if is_one
            else f"(SELECT {field}, install_id, MAX(people) AS people{added} FROM seen GROUP BY {field}, install_id) AS by_install"
        )
        + f" GROUP BY {field}"
        for field in fields
    )
    install = f"{facts.counted_install} AS install_id"
    measured = "".join(f", SUM({facts.summed(each)}) AS {each}" for each in sums)
    seen = sql(
        f"SELECT {columns}, {install}, MAX({facts.people}) AS people{measured} FROM ",
        facts.source_rows(engine),
        f"{'' if sums else COUNTED} GROUP BY ALL",
    )
    return sql(f"WITH seen AS {'NOT ' if is_one else ''}MATERIALIZED (", seen, f") {parts}")


def _marked_by_value(facts: HistoryFacts, engine: SqlEngine, field: str, sums: Sequence[str]) -> Sql:
    """Like `_by_value`, for one field, in two reads: one sums all events without grouping them by install, the other finds the values of each install in
    marked events.

    Values are numbered. An install has a mask for each lane of `LANE` values, with a bit for each value: a group for each value and install takes twice
    as long.
    """
    value, marked = facts.shown(BY_NAME[field]), facts.for_installs()
    summed = "".join(f", SUM({facts.summed(each)}) AS {each}_all" for each in sums)
    bit = "CAST(1 AS BIGINT) << CAST({0} AS INTEGER) AS bit"
    places = f"(SELECT place, {bit.format('place')} FROM range({LANE}) AS places(place)) AS places"
    counts = "COUNT(*) AS installs_all, COUNT(CASE WHEN persons & bit <> 0 THEN 1 END) AS installs_people"
    shown = ", ".join(f"COALESCE({each}, 0) AS {each}" for each in ("installs_all", "installs_people"))
    return sql(
        f"WITH valued AS MATERIALIZED (SELECT {value} AS value{summed} FROM ",
        facts.source_rows(engine),
        f" GROUP BY 1), numbered AS MATERIALIZED (SELECT *, number // {LANE} AS lane, {bit.format(f'number % {LANE}')} FROM"
        f" (SELECT *, ROW_NUMBER() OVER (ORDER BY {sums[0]}_all DESC) - 1 AS number FROM valued) AS ordered),"
        " seen AS MATERIALIZED (SELECT install_id, lane, BIT_OR(bit) AS everyone, BIT_OR(CASE WHEN people = 1 THEN bit ELSE 0 END) AS persons FROM"
        f" (SELECT {value} AS value, {facts.counted_install} AS install_id, {facts.people} AS people FROM ",
        marked.source_rows(engine),
        ") AS events JOIN numbered ON numbered.value IS NOT DISTINCT FROM events.value WHERE install_id IS NOT NULL GROUP BY install_id, lane),"
        f" counted AS (SELECT lane * {LANE} + place AS number, {counts} FROM seen JOIN {places} ON everyone & bit <> 0 GROUP BY lane, place)"
        f" SELECT '{field}' AS field, value, {shown}{''.join(f', {each}_all' for each in sums)} FROM numbered LEFT JOIN counted USING (number)",
    )


async def _from_contexts(store: Store, facts: Facts, fields: Sequence[str]) -> Counts:
    """Count installs with the same contexts together; most installs have one context."""
    engine = sql_of(store)
    sets = await read(
        store,
        sql(
            f"SELECT contexts, COUNT(*) AS installs FROM (SELECT {engine.joined('event.context_id')} AS contexts FROM ",
            facts.source_rows(engine),
            f"{COUNTED} GROUP BY event.install_id) AS sets GROUP BY contexts",
        ),
    )
    ids = sorted({int(each) for row in sets for each in row["contexts"].split(",")})
    listed = store.sql.integers("{}")
    columns = ", ".join(f"context.{BY_NAME[field].column} AS {field}" for field in fields)
    contexts = await store.rows(
        f"SELECT context.id, context.environment, {columns} FROM ({listed}) AS these CROSS JOIN context WHERE context.id = these.value",
        msgspec.json.encode(ids).decode(),
    )
    return await run_in_thread(lambda: _fold(sets, contexts, fields))


def _fold(sets: Iterable[dict[str, Any]], contexts: Iterable[dict[str, Any]], fields: Sequence[str]) -> Counts:
    known = {str(row["id"]): (row["environment"] in PEOPLE, [row[field] for field in fields]) for row in contexts}
    found: list[dict[str | None, dict[str, int]]] = [{} for _ in fields]
    for row in sets:
        ran, installs = [known[each] for each in row["contexts"].split(",") if each in known], row["installs"]
        for place, counts in enumerate(found):
            said: dict[str | None, bool] = {}
            for is_person, values in ran:
                said[values[place]] = said.get(values[place], False) or is_person
            for value, is_person in said.items():
                count = counts.setdefault(value, {"installs_all": 0, "installs_people": 0})
                count["installs_all"] += installs
                count["installs_people"] += installs if is_person else 0
    return dict(zip(fields, found, strict=True))
