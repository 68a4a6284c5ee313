"""Conditions on an event in memory: the filter of live events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from server.event import Event, Outcome
from server.fields import MAX_PROPERTY_TEXT, Field, Kind, Place
from server.questions import versions
from server.questions.question import Condition, Op, Property, find_field

_TEXT_TESTS: dict[Op, Callable[[str, str], bool]] = {
    Op.IS: str.__eq__,
    Op.IS_NOT: str.__eq__,
    Op.PREFIX: str.startswith,
    Op.CONTAINS: str.__contains__,
}


def meets_all(event: Event, conditions: Iterable[Condition]) -> bool:
    """Return whether an event meets every condition."""
    return all(_meets(event, condition) for condition in conditions)


def _meets(event: Event, condition: Condition) -> bool:
    values = _values(event, condition.field)
    if condition.op in (Op.EXISTS, Op.MISSING):
        return bool(values) is (condition.op is Op.EXISTS)
    if condition.op in (Op.ABOVE, Op.BELOW):
        limit = float(condition.values[0])
        return any((value > limit) is (condition.op is Op.ABOVE) and value != limit for value in values if not isinstance(value, str))
    texts = [value if isinstance(value, str) else _text(value) for value in values]
    if condition.op is Op.SEMVER:
        return any(map(versions.matcher(condition.values[0]), texts))
    test = _TEXT_TESTS[condition.op]
    return any(test(text, value) for text in texts for value in condition.values) is not (condition.op is Op.IS_NOT)


def _text(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(event: Event, name: str) -> list[Any]:
    """The values of a field: texts, numbers or booleans; empty if there is none, several for an array."""
    field = find_field(name, "where")
    if isinstance(field, Property):
        return _elements(field, event.properties)
    return [value for value in [_value(event, field)] if value is not None]


def _value(event: Event, field: Field) -> Any:
    if field.place is Place.TARGET:
        return None if event.target is None else event.target[field.name == "target"]
    if field.name == "outcome":
        return Outcome(event.outcome).name.lower()
    if field.name == "environment":
        return event.context.environment.word
    if field.kind is Kind.NUMBER:
        return None if event.duration_us is None else event.duration_us / field.scale
    return getattr(event.context if field.place is Place.CONTEXT else event, field.name)


def _elements(property_: Property, properties: str | None) -> list[Any]:
    document = msgspec.json.decode(properties) if properties else {}
    for path in property_.paths:
        value = document
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            elements = value if isinstance(value, list) else [value]
            return [each[:MAX_PROPERTY_TEXT] if isinstance(each, str) else each for each in elements if isinstance(each, str | int | float)]
    return []
