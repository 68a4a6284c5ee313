"""Conditions that no event of the period meets, with the nearest values that events have. They explain empty answers."""

from __future__ import annotations

import time
from collections import Counter
from weakref import WeakKeyDictionary

import msgspec

from server.caching import BoundedDict
from server.dialects.parsing.environments import CONTEXT_READERS
from server.event import CONTEXT_FIELDS, DAY
from server.event_id import first_id
from server.fields import BY_NAME, FIELDS, PROPERTY_PREFIX, Kind, paths_in
from server.history import History
from server.questions.answer import QuestionWarning
from server.questions.answer_cache import shared
from server.questions.facts import Facts
from server.questions.nearest import NEAREST, nearest
from server.questions.periods import Period
from server.questions.question import By, Condition, Measure, Op, Property, Question, Segment, ops_of
from server.questions.reader import Reader, versions_of
from server.questions.rollup_facts import RollupFacts
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

MAX_CANDIDATES = 200
MAX_MISSING = 5  # values of one condition that are reported
MAX_SAMPLE = 5_000  # events whose properties are listed
MAX_PROPERTIES = 200
# Conditions that events were found to meet, and the seconds for which each is remembered: later events cannot change it.
_MOST_MET, _MET_FOR = 1_000, 60.0
_MET: WeakKeyDictionary[Store, BoundedDict[Question, float]] = WeakKeyDictionary()
ALONE, ALL = "No event in this period meets the condition", "No event in this period meets all conditions"
_STORED_FORM = dict(zip(CONTEXT_FIELDS, CONTEXT_READERS, strict=True))
_POSITIVE = (Op.IS, Op.PREFIX, Op.CONTAINS, Op.SEMVER)


class Absent(msgspec.Struct, frozen=True):
    """A condition that no event of the period meets, with one of its values. `known` are the most common values of the field."""

    condition: Condition
    known: list[str]

    @property
    def nearest(self) -> list[str]:
        """The values that the client may have meant. First the form in which ingest stores the value, such as `darwin` for `macos`."""
        name, value = self.condition.field, self.condition.values[0]
        stored = _STORED_FORM[name](value) if name in _STORED_FORM else None
        return list(dict.fromkeys([*([stored] if stored in self.known else []), *nearest(value, self.known)]))[:NEAREST]


async def warnings(store: Store, question: Question, empty: tuple[Segment, ...], history: History | None = None) -> list[QuestionWarning]:
    """Return a warning for each value of a condition that no event of the period has, to explain segments without events."""
    found: list[QuestionWarning] = []
    explained: dict[Condition, list[Absent]] = {}
    for segment in empty:
        conditions = [*question.where, *segment.where]
        for condition in conditions:
            if condition not in explained:
                explained[condition] = await absent(store, question, (condition,), history)
                found += map(_warning, explained[condition])
        if conditions and not any(explained[condition] for condition in conditions):
            place = f" of segment `{segment.name}`" if segment.name else ""
            if len(conditions) == 1 and conditions[0].op not in _POSITIVE:
                found.append(QuestionWarning(conditions[0].field, f"{ALONE}{place}.", []))
            else:
                found.append(QuestionWarning("where", f"{ALL}{place} together.", []))
    return found


def _warning(found: Absent) -> QuestionWarning:
    condition = found.condition
    field, value = condition.field, condition.values[0]
    if condition.op is not Op.IS:
        message = f"No event in this period has a `{field}` that meets `{condition.op.value} {value}`."
        return QuestionWarning(field, message, found.known[:5])
    near = found.nearest or found.known[:5]
    hint = f" Did you mean {' or '.join(f'`{each}`' for each in near[:3])}?" if near else ""
    return QuestionWarning(field, f"No event in this period has `{field}` `{value}`.{hint}", near)


async def absent(store: Store, question: Question, conditions: tuple[Condition, ...], history: History | None = None) -> list[Absent]:
    """Return the conditions that no event of the question's period meets on their own, one for each value of a list."""
    found: list[Absent] = []
    for condition in dict.fromkeys(conditions):
        if condition.op not in _POSITIVE or (len(condition.values) == 1 and await _matches(store, question, condition, history)):
            continue
        known = await values(store, question, condition.field, history=history)
        if len(condition.values) == 1:
            found.append(Absent(condition, known))
            continue
        unknown = [Condition(condition.field, condition.op, (value,)) for value in condition.values if value not in known]
        found += [Absent(each, known) for each in unknown[:MAX_MISSING] if not await _matches(store, question, each, history)]
    return found


async def _matches(store: Store, question: Question, condition: Condition, history: History | None) -> bool:
    requested, known = _alone(question, where=(condition,)), _MET.setdefault(store, BoundedDict(_MOST_MET))
    if known.get(requested, 0.0) > time.monotonic():
        return True
    is_met = await _is_met(store, requested, history)
    if is_met:
        known.keep(requested, time.monotonic() + _MET_FOR)
    return is_met


@shared
async def _is_met(store: Store, requested: Question, history: History | None) -> bool:
    reader = Reader(store, requested, await versions_of(store, requested), history)
    facts = await reader.source(Measure.EVENTS, requested.period, ())

    def query(given: Facts, engine: SqlEngine) -> Sql:
        # Rollups count events without a value as all events minus those with one, so only the sum shows whether there are any.
        measure = "SUM(events)" if isinstance(given, RollupFacts) else "1"
        return sql(f"SELECT {measure} AS events FROM (", given.sql(engine), ") AS facts LIMIT 1")

    rows = await reader.read(facts, query)
    return bool(rows and rows[0]["events"])


async def values(
    store: Store, question: Question, field: str, *, search: str = "", limit: int = MAX_CANDIDATES, history: History | None = None
) -> list[str]:
    """The values of a field in the period, most common first. `search` selects those that contain a text, in any case."""
    declared = BY_NAME.get(field)
    if declared is not None and declared.kind is Kind.NUMBER:
        return []
    requested = _alone(question, by=(By(field),))
    reader = Reader(store, requested, (), history)
    facts = await reader.source(Measure.EVENTS, requested.period, ())

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
        found.update(set(paths_in(msgspec.json.decode(row["properties"]))))
    names = [name for name, _ in found.most_common(MAX_PROPERTIES)]
    return [*declared, *(_property(name) for name in names)]


def _property(path: str) -> KnownField:
    return KnownField(PROPERTY_PREFIX + path, path, f"Property `{path}`.", Kind.PROPERTY, ops_of(Property(path)), can_split=True)
