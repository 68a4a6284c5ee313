"""Conditions that no event of the period meets, with the nearest values that events have. They explain empty answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
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
from server.questions.facts import Facts, versions_of
from server.questions.nearest import NEAREST, nearest
from server.questions.periods import Period
from server.questions.question import By, Condition, Measure, Op, Property, Question, Segment, ops_of
from server.questions.reader import Reader
from server.questions.rollup_facts import RollupFacts
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.projects import picked_properties

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
_NEED_PROPERTY = (Op.EXISTS, Op.ABOVE, Op.BELOW)


class Absent(msgspec.Struct, frozen=True):
    """A condition that no event of the period meets, with one of its values. `known` are the most common values of the field.

    `nearest_fields` are the properties that the client may have meant, if no event has the one that the condition names.
    """

    condition: Condition
    known: list[str]
    nearest_fields: list[str] = []

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
                found += {each.message: each for each in map(_warning, explained[condition])}.values()
        if conditions and not any(explained[condition] for condition in conditions):
            place = f" of segment `{segment.name}`" if segment.name else ""
            if len(conditions) == 1 and conditions[0].op not in _POSITIVE:
                found.append(QuestionWarning(conditions[0].field, f"{ALONE}{place}.", []))
            else:
                found.append(QuestionWarning("where", f"{ALL}{place} together.", []))
    return found


async def split_warnings(
    store: Store, question: Question, keys: Sequence[Sequence[str | None]], history: History | None = None
) -> list[QuestionWarning]:
    """Return a warning for each property of the split that no event of the period has. `keys` are those of the listed groups."""
    found = []
    for place, by in enumerate(question.by):
        is_empty = bool(keys) and all(each[place] is None for each in keys)
        if is_empty and is_property(by.field) and not await values(store, question, by.field, limit=1, history=history):
            found.append(_unknown_property(by.field, await _nearest_properties(store, question, by.field)))
    return found


def _warning(found: Absent) -> QuestionWarning:
    condition = found.condition
    if found.nearest_fields:
        return _unknown_property(condition.field, found.nearest_fields)
    field, value = condition.field, condition.values[0]
    if condition.op is not Op.IS:
        message = f"No event in this period has a `{field}` that meets `{condition.op.value} {value}`."
        return QuestionWarning(field, message, found.known[:5])
    near = found.nearest or found.known[:5]
    return QuestionWarning(field, f"No event in this period has `{field}` `{value}`.{_hint(near)}", near)


def _unknown_property(field: str, near: list[str]) -> QuestionWarning:
    return QuestionWarning(field, f"No event in this period has `{field}`.{_hint(near)}", [], near)


def _hint(near: list[str]) -> str:
    return f" Did you mean {' or '.join(f'`{each}`' for each in near[:NEAREST])}?" if near else ""


async def absent(store: Store, question: Question, conditions: tuple[Condition, ...], history: History | None = None) -> list[Absent]:
    """Return the conditions that no event of the question's period meets on their own, one for each value of a list."""
    found: list[Absent] = []
    for condition in dict.fromkeys(conditions):
        if condition.op not in _POSITIVE or (len(condition.values) == 1 and await _matches(store, question, condition, history)):
            if condition.op in _NEED_PROPERTY and is_property(condition.field):
                found += await _without_property(store, question, condition, history)
            continue
        known = await values(store, question, condition.field, history=history)
        near = await _nearest_properties(store, question, condition.field) if not known and is_property(condition.field) else []
        if len(condition.values) == 1:
            found.append(Absent(condition, known, near))
            continue
        unknown = [Condition(condition.field, condition.op, (value,)) for value in condition.values if value not in known]
        found += [Absent(each, known, near) for each in unknown[:MAX_MISSING] if not await _matches(store, question, each, history)]
    return found


async def _without_property(store: Store, question: Question, condition: Condition, history: History | None) -> list[Absent]:
    """Return the condition, without values to suggest, if no event has its property but events have others."""
    if await values(store, question, condition.field, limit=1, history=history):
        return []
    near = await _nearest_properties(store, question, condition.field)
    return [Absent(condition, [], near)] if near else []


async def _nearest_properties(store: Store, question: Question, field: str) -> list[str]:
    """Return the properties that a client may have meant by a field, or the most common ones."""
    known = await property_names(store, question.project, question.period)
    near = nearest(field.removeprefix(PROPERTY_PREFIX), known) or known[:NEAREST]
    return [PROPERTY_PREFIX + name for name in near]


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
    """The declared fields, and the properties of a project in a period: see `property_names`."""
    declared = [
        KnownField(each.name, each.label, each.description, each.kind, ops_of(each), each.kind is not Kind.NUMBER) for each in FIELDS
    ]
    return [*declared, *(_property(name) for name in await property_names(store, project, period))]


async def property_names(store: Store, project: int, period: Period) -> list[str]:
    """The properties that recent events of the period have, nested ones by path, most common first; then others that the project counts by value."""
    sample = sql(
        f"SELECT properties FROM event WHERE project_id = {project} AND id >= {first_id(period.start)} AND id < {first_id(period.end + DAY)}"
        f" AND properties IS NOT NULL ORDER BY id DESC LIMIT {MAX_SAMPLE}",
        Sql("", raw=True),
    )
    found: Counter[str] = Counter()
    for row in await read(store, sample):
        found.update(set(paths_in(msgspec.json.decode(row["properties"]))))
    names = [name for name, _ in found.most_common(MAX_PROPERTIES)]
    return list(dict.fromkeys([*names, *await picked_properties.counted(store, project)]))


def is_property(field: str) -> bool:
    """Return True for the name of a property in conditions and splits."""
    return field.startswith(PROPERTY_PREFIX)


def _property(path: str) -> KnownField:
    return KnownField(PROPERTY_PREFIX + path, path, f"Property `{path}`.", Kind.PROPERTY, ops_of(Property(path)), can_split=True)
