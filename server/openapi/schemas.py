"""JSON Schemas of request bodies, generated from the types that decode them, with additional rules.

A body that matches its schema is accepted. So each schema includes the rules for every document (`dialects.document`: no NUL characters,
integers of 64 bits, names of at most 256 characters), and formats that a type cannot express, such as times.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from server.dialects.document import MAX_KEY
from server.dialects.parsing.batches import MAX_EVENTS, Tally
from server.event import FieldError, Rejection
from server.openapi.field_descriptions import field_description

Schema = dict[str, Any]

REF = "#/components/schemas/"
NO_NUL = r"^[^\u0000]*$"

_INT64 = {"minimum": -(1 << 63), "maximum": (1 << 63) - 1}
_SHARED = {kind.__name__ for kind in (Tally, Rejection, FieldError)}
_KEYS = {"maxLength": MAX_KEY, "pattern": NO_NUL}
_STRING, _INTEGER, _NUMBER, _NULL = ({"type": name} for name in ("string", "integer", "number", "null"))

# (schema, field) -> constraints in addition to its type.
_ALSO: dict[tuple[str, str], Schema] = {
    ("engagement.Engagement", "targetId"): {"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
}

# The two schemas that all others refer to.
COMMON: dict[str, Schema] = {
    "Moment": {
        "title": "Moment",
        "description": "ISO 8601 (UTC without an offset) or epoch milliseconds. Other texts are replaced by the time of arrival and reported "
        "in `ignored`.",
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
    """Return the schemas of request bodies, and the components that they refer to, as `family.Name`."""
    schemas, components = answers(kinds, family)
    sharp = {name: _tighten(schema, name) for name, schema in components.items()}
    return [_tighten(schema, "") for schema in schemas], sharp


def answers(kinds: Iterable[Any], family: str) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schemas of response bodies, and their components. Responses keep the types as they are."""
    once = {repr(kind): kind for kind in kinds}
    schemas, components = msgspec.json.schema_components(once.values(), ref_template=REF + "{name}")
    renamed = {_full_name(name, family): _tidy(schema, family) for name, schema in components.items()}
    return [_tidy(schema, family) for schema in schemas], renamed


def any_of(schemas: list[Schema]) -> Schema:
    """Combine schemas. Not `oneOf`: a body may match several of them."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _full_name(name: str, family: str) -> str:
    return name if name in _SHARED else f"{family}.{name}"


def _tidy(value: Any, family: str) -> Any:
    """Rename msgspec's components, and remove empty defaults and the indentation of docstrings."""
    if isinstance(value, list):
        return [_tidy(item, family) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {key: _tidy(inner, family) for key, inner in value.items() if (key, inner) not in (("default", None), ("required", []))}
    if isinstance(ref := tidy.get("$ref"), str):
        tidy["$ref"] = REF + _full_name(ref.removeprefix(REF), family)
    if isinstance(text := tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(text)
    return tidy


def _tighten(schema: Schema, name: str) -> Schema:
    """Add the constraints that a type cannot express; `name` is the component."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_tighten(member, "") for member in _merge(schema["anyOf"])]}
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
            return {"maxItems": MAX_EVENTS, **schema, "items": _tighten(schema.get("items", {}), "")}
        case "object":
            return _tighten_object(schema, name)
    return schema


def _tighten_object(schema: Schema, name: str) -> Schema:
    sharp = {**schema, "additionalProperties": {"$ref": REF + "Value"}, "propertyNames": _KEYS}
    if "properties" in schema:
        sharp["properties"] = {field: _field(inner, name, field) for field, inner in schema["properties"].items()}
    return sharp


def _field(schema: Schema, name: str, field: str) -> Schema:
    sharp = _tighten(schema, "")
    if also := _ALSO.get((name, field)):
        members = sharp.get("anyOf", [sharp])
        next(member for member in members if member != _NULL).update(also)
    if description := field_description(name, field):
        sharp.setdefault("description", description)
    return sharp


def _merge(members: list[Schema]) -> list[Schema]:
    """Simplify a union: replace (string, integer, number) by `Moment`, and (integer, number) by number."""
    if all(kind in members for kind in (_STRING, _INTEGER, _NUMBER)):
        members = [{"$ref": REF + "Moment"}, *(member for member in members if member not in (_STRING, _INTEGER, _NUMBER))]
    elif _NUMBER in members:
        members = [member for member in members if member != _INTEGER]
    return members
