"""JSON Schemas of bodies, made from the types that they are read with, and made honest where a type cannot say everything.

A schema promises that what it allows is taken. So the rules that hold for every document (`dialects.document`: no NUL characters, integers
of 64 bits, names of at most 256 characters) are in each of them, and times are more than strings.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from server.dialects.document import MAX_KEY
from server.dialects.parsing.batches import MAX_EVENTS, Tally
from server.event import FieldError, Rejection
from server.openapi.field_descriptions import meaning

Schema = dict[str, Any]

REF = "#/components/schemas/"
NO_NUL = r"^[^\u0000]*$"

_INT64 = {"minimum": -(1 << 63), "maximum": (1 << 63) - 1}
_SHARED = {kind.__name__ for kind in (Tally, Rejection, FieldError)}
_KEYS = {"maxLength": MAX_KEY, "pattern": NO_NUL}
_STRING, _INTEGER, _NUMBER, _NULL = ({"type": name} for name in ("string", "integer", "number", "null"))

# Said of one field: (schema, field) -> what holds beside its type.
_ALSO: dict[tuple[str, str], Schema] = {
    ("engagement.Engagement", "targetId"): {"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
}

# The two schemas that all others refer to.
COMMON: dict[str, Schema] = {
    "Moment": {
        "title": "Moment",
        "description": "ISO 8601 (UTC where it names no offset), or epoch milliseconds. For another text the time of arrival counts, and "
        "`ignored` names the field.",
        "anyOf": [{"type": "string", "pattern": NO_NUL, "examples": ["2026-03-14T09:26:53.589Z"]}, {"type": "number", **_INT64}],
    },
    "Value": {
        "title": "Value",
        "description": "Any JSON value, at most 16 levels deep.",
        "anyOf": [
            _NULL,
            {"type": "boolean"},
            {"type": "number", **_INT64},
            {"type": "string", "pattern": NO_NUL},
            {"type": "array", "items": {"$ref": REF + "Value"}},
            {"type": "object", "additionalProperties": {"$ref": REF + "Value"}, "propertyNames": _KEYS},
        ],
    },
}


def bodies(kinds: Iterable[Any], family: str) -> tuple[list[Schema], dict[str, Schema]]:
    """The schemas of what a family's clients send, and the components that these refer to, as `family.Name`."""
    schemas, components = answers(kinds, family)
    sharp = {name: _sharpened(schema, name) for name, schema in components.items()}
    return [_sharpened(schema, "") for schema in schemas], sharp


def answers(kinds: Iterable[Any], family: str) -> tuple[list[Schema], dict[str, Schema]]:
    """The same for what a family's clients get back, which is promised as loosely as the types are."""
    once = {repr(kind): kind for kind in kinds}
    schemas, components = msgspec.json.schema_components(once.values(), ref_template=REF + "{name}")
    renamed = {_full_name(name, family): _tidied(schema, family) for name, schema in components.items()}
    return [_tidied(schema, family) for schema in schemas], renamed


def any_of(schemas: list[Schema]) -> Schema:
    """One schema of several. Not `oneOf`: a body that fits two of them is taken, and so it is no mistake."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _full_name(name: str, family: str) -> str:
    return name if name in _SHARED else f"{family}.{name}"


def _tidied(value: Any, family: str) -> Any:
    """msgspec's schema with our names, without the defaults that say nothing and with docstrings that are not indented."""
    if isinstance(value, list):
        return [_tidied(item, family) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {key: _tidied(inner, family) for key, inner in value.items() if (key, inner) not in (("default", None), ("required", []))}
    if isinstance(ref := tidy.get("$ref"), str):
        tidy["$ref"] = REF + _full_name(ref.removeprefix(REF), family)
    if isinstance(text := tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(text)
    return tidy


def _sharpened(schema: Schema, name: str) -> Schema:
    """A schema with what its type could not say; `name` is that of its component."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_sharpened(member, "") for member in _merged(schema["anyOf"])]}
    if "$ref" in schema or "enum" in schema:
        return schema
    match schema.get("type"):
        case None:
            return {"$ref": REF + "Value", **schema}
        case "string":
            return {"pattern": NO_NUL, **schema}
        case "integer" | "number":
            return {**_INT64, **schema}
        case "array":
            return {"maxItems": MAX_EVENTS, **schema, "items": _sharpened(schema.get("items", {}), "")}
        case "object":
            return _sharpened_object(schema, name)
    return schema


def _sharpened_object(schema: Schema, name: str) -> Schema:
    sharp = {**schema, "additionalProperties": {"$ref": REF + "Value"}, "propertyNames": _KEYS}
    if "properties" in schema:
        sharp["properties"] = {field: _field(inner, name, field) for field, inner in schema["properties"].items()}
    return sharp


def _field(schema: Schema, name: str, field: str) -> Schema:
    sharp = _sharpened(schema, "")
    if also := _ALSO.get((name, field)):
        members = sharp.get("anyOf", [sharp])
        next(member for member in members if member != _NULL).update(also)
    if said := meaning(name, field):
        sharp.setdefault("description", said)
    return sharp


def _merged(members: list[Schema]) -> list[Schema]:
    """The members of a union with the two that have a name of their own: a moment, and a number."""
    if all(kind in members for kind in (_STRING, _INTEGER, _NUMBER)):
        members = [{"$ref": REF + "Moment"}, *(member for member in members if member not in (_STRING, _INTEGER, _NUMBER))]
    elif _NUMBER in members:
        members = [member for member in members if member != _INTEGER]
    return members
