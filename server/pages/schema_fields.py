"""The fields of a body as table rows, from its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from server.pages.markup import escape

Schema = dict[str, Any]

_COMPONENT = "#/components/schemas/"
_TYPE_NAMES = {"Moment": "time", "Value": "anything"}
_INT64 = 1 << 63
_NO_NEWLINE = r"(?!\n)"  # `$` matches before a newline in Python


class Row(NamedTuple):
    """A row of a table of fields. `path` is dotted, as in errors; `kind` and `bounds` are HTML."""

    path: str
    kind: str
    required: bool
    bounds: str
    meaning: str


class Fields:
    """Reads the schemas of one body. Each object type is expanded once, and named where it occurs again."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components
        self._expanded: set[str] = set()

    def rows(self, schema: Schema, prefix: str = "") -> Iterator[Row]:
        """Yield the fields of an object, or of the objects in an array, depth first."""
        target, is_list = _object_in(schema)
        if target is None or target in self._expanded:
            return
        self._expanded.add(target)
        component = self._components[target]
        if is_list and prefix:
            prefix = f"{prefix}[]"
        for name, field in component.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            inner, _ = _object_in(field)
            again = inner in self._expanded if inner else False
            kind = f"<code>{escape(title(inner))}</code>" if inner and again else _kind(field)
            required = name in component.get("required", ())
            yield Row(path, kind, required, ", ".join(_bounds(field)), _meaning(field))
            yield from self.rows(field, path)

    def single(self, name: str, schema: Schema, *, required: bool) -> Row:
        """Return the row of a single value, such as a parameter."""
        return Row(name, _kind(schema), required, ", ".join(_bounds(schema)), _meaning(schema))

    def shape(self, schema: Schema) -> str:
        """Render a schema on one line: `{"events": [Event, …]}`."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_COMPONENT)
            component = self._components[name]
            if name in self._expanded or name in _TYPE_NAMES or "properties" not in component:
                return title(name)
            members = (f'"{field}": {self.shape(inner)}' for field, inner in component["properties"].items())
            return "{" + ", ".join(members) + "}"
        if schema.get("type") == "array":
            return f"[{self.shape(schema['items'])}, …]"
        return "…"


def title(name: str) -> str:
    """Return a component's name without its family."""
    return name.rpartition(".")[2]


def _members(schema: Schema) -> list[Schema]:
    members: list[Schema] = schema.get("anyOf", [schema])
    return [member for member in members if member.get("type") != "null"]


def _object_in(schema: Schema) -> tuple[str | None, bool]:
    """Return the name of the object type in a schema, and whether the schema is a list of it."""
    for member in _members(schema):
        if (name := member.get("$ref", "").removeprefix(_COMPONENT)) and name not in _TYPE_NAMES:
            return name, False
        if (name := member.get("items", {}).get("$ref", "").removeprefix(_COMPONENT)) and name not in _TYPE_NAMES:
            return name, True
    return None, False


def _kind(schema: Schema) -> str:
    """Return the types of a value. Null means a missing value, and is omitted."""
    return " or ".join(dict.fromkeys(_one_kind(member) for member in _members(schema)))


def _one_kind(schema: Schema) -> str:
    if "$ref" in schema:
        return _TYPE_NAMES.get(schema["$ref"].removeprefix(_COMPONENT), "object")
    if "enum" in schema:
        return " ".join(f"<code>{escape(value)}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'])}s"
    return escape(schema.get("type", "anything"))


def _bounds(schema: Schema) -> Iterator[str]:
    for member in _members(schema):
        yield from _lengths(member)
        low, high = member.get("minimum"), member.get("maximum")
        if low is not None and high is not None and not -low == high + 1 == _INT64:
            yield f"{low:,} to {high:,}"
        pattern = member.get("pattern", "")
        if pattern and "\\u0000" not in pattern:  # a rule for every text, stated once
            yield f"<code>{escape(pattern.removesuffix(_NO_NEWLINE))}</code>"


def _lengths(schema: Schema) -> Iterator[str]:
    for low, high, unit in (
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("", "maxProperties", "entries"),
    ):
        if high in schema:
            yield f"{schema[low]}-{schema[high]:,} {unit}" if low in schema else f"up to {schema[high]:,} {unit}"


def _meaning(schema: Schema) -> str:
    return str(schema.get("description", ""))
