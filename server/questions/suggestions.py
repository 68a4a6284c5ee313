"""Conditions that no event of the period meets, with the nearest values that events have. An empty answer explains itself by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from server.event import DAY
from server.event_id import first_id
from server.fields import BY_NAME, FIELDS, PROPERTY_PREFIX, Kind
from server.history import History
from server.questions.answer import QuestionWarning
from server.questions.facts import Facts
from server.questions.nearest import nearest
from server.questions.periods import Period
from server.questions.question import MAX_PATH, By, Condition, Measure, Op, Property, Question, Segment, is_path, ops_of
from server.questions.reader import Reader, versions_of
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

MAX_CANDIDATES = 200
MAX_SAMPLE = 5_000  # events whose properties are listed
MAX_PROPERTIES = 200
_POSITIVE = (Op.IS, Op.PREFIX, Op.CONTAINS, Op.SEMVER)


async def warnings(store: Store, question: Question, empty: tuple[Segment, ...], history: History | None = None) -> list[QuestionWarning]:
    """Explain segments without events: each value of a condition that no event of the period has."""
    found: list[QuestionWarning] = []
    explained: dict[Condition, list[QuestionWarning]] = {}
    for segment in empty:
        conditions = [*question.where, *segment.where]
        for condition in conditions:
            if condition.op in _POSITIVE and condition not in explained:
                explained[condition] = await _explained(store, question, condition, history)
                found += explained[condition]
        if conditions and not any(explained.get(condition) for condition in conditions):
            place = f" of segment `{segment.name}`" if segment.name else ""
            found.append(QuestionWarning("where", f"No event in this period meets all conditions{place} together.", []))
    return found


async def _explained(store: Store, question: Question, condition: Condition, history: History | None) -> list[QuestionWarning]:
    known = await values(store, question, condition.field, history=history)
    label = condition.field
    if condition.op is not Op.IS:
        # Ranges and parts of texts: whether any value of the period meets them.
        if await _matches(store, question, condition, history):
            return []
        return [
            QuestionWarning(
                label, f"No event in this period has a `{label}` that meets `{condition.op.value} {condition.values[0]}`.", known[:5]
            )
        ]
    missing = [value for value in condition.values if value not in known]
    return [_missing(label, value, known) for value in missing[:5] if not await _matches(store, question, _only(condition, value), history)]


def _only(condition: Condition, value: str) -> Condition:
    return Condition(condition.field, condition.op, (value,))


def _missing(field: str, value: str, known: list[str]) -> QuestionWarning:
    near = nearest(value, known) or known[:5]
    hint = f" Did you mean {' or '.join(f'`{each}`' for each in near[:3])}?" if near else ""
    return QuestionWarning(field, f"No event in this period has `{field}` `{value}`.{hint}", near)


async def _matches(store: Store, question: Question, condition: Condition, history: History | None) -> bool:
    asked = _alone(question, where=(condition,))
    reader = Reader(store, asked, await versions_of(store, asked), history)
    facts = await reader.source(Measure.EVENTS, asked.period, ())

    def query(given: Facts, engine: SqlEngine) -> Sql:
        return sql("SELECT SUM(events) AS events FROM (", given.sql(engine), ") AS facts")

    (row,) = await reader.read(facts, query)
    return bool(row["events"])


async def values(
    store: Store, question: Question, field: str, *, search: str = "", limit: int = MAX_CANDIDATES, history: History | None = None
) -> list[str]:
    """The values of a field in the period, most common first. `search` selects those that contain a text, in any case."""
    declared = BY_NAME.get(field)
    if declared is not None and declared.kind is Kind.NUMBER:
        return []
    asked = _alone(question, by=(By(field),))
    reader = Reader(store, asked, (), history)
    facts = await reader.source(Measure.EVENTS, asked.period, ())

    def query(given: Facts, engine: SqlEngine) -> Sql:
        return sql(
            "SELECT k1 FROM (",
            given.sql(engine),
            ") AS facts WHERE k1 IS NOT NULL",
            sql(" AND ", engine.contains("lower(k1)", search.lower())) if search else "",
            f" GROUP BY k1 HAVING SUM(events) > 0 ORDER BY SUM(events) DESC, {engine.sortable('k1')} LIMIT {limit}",
        )

    return [row["k1"] for row in await reader.read(facts, query)]


def _alone(question: Question, *, where: tuple[Condition, ...] = (), by: tuple[By, ...] = ()) -> Question:
    """A question about the events of the same period that meet `where`."""
    return Question(project=question.project, period=question.period, where=where, by=by)


class KnownField(msgspec.Struct, frozen=True):
    """A field that questions can filter and split by."""

    name: str
    label: str
    description: str
    kind: Kind
    ops: list[Op]
    can_split: bool


async def fields(store: Store, project: int, period: Period) -> list[KnownField]:
    """The declared fields, and the properties that recent events of the period have, nested ones by path, most common first."""
    declared = [
        KnownField(each.name, each.label, each.description, each.kind, ops_of(each), each.kind is not Kind.NUMBER) for each in FIELDS
    ]
    sample = sql(
        f"SELECT properties FROM event WHERE project_id = {project} AND id >= {first_id(period.start)} AND id < {first_id(period.end + DAY)}"
        f" AND properties IS NOT NULL ORDER BY id DESC LIMIT {MAX_SAMPLE}",
        Sql("", raw=True),
    )
    found: Counter[str] = Counter()
    for row in await read(store, sample):
        found.update(set(_paths(msgspec.json.decode(row["properties"]))))
    names = [name for name, _ in found.most_common(MAX_PROPERTIES)]
    return [*declared, *(_property(name) for name in names)]


def _property(path: str) -> KnownField:
    return KnownField(PROPERTY_PREFIX + path, path, f"Property `{path}`.", Kind.PROPERTY, ops_of(Property(path)), can_split=True)


def _paths(document: object, prefix: str = "", depth: int = 1) -> Iterator[str]:
    """The paths of values in a document, objects left out."""
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            if depth < MAX_PATH:
                yield from _paths(value, f"{path}.", depth + 1)
        elif is_path(path):
            yield path
