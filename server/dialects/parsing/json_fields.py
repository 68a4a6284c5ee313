"""Conversion of JSON fields to a dialect's structs. Errors name the field and never its value."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from server.event import FieldError
from server.problems import Invalid
from server.scrubbing import beginning, scrub_text
from server.scrubbing.scrub import CUT

MAX_PROPERTIES = 100  # top-level properties of one event
MAX_WORD = 64  # characters of an os, a version, …: the values shown on charts
MAX_ERROR_TYPE = 200
MAX_ERROR_MESSAGE = 4_000
SCRUBBED = 4_000  # characters beyond a limit that are scrubbed before a text is cut
MAX_TARGET = 200

# Types of fields in the dialects' structs. Lengths are in characters.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Properties = dict[str, Any]
Timestamp = str | int | float  # ISO 8601, or epoch milliseconds
Number = int | float

T = TypeVar("T")


def convert(document: Any, kind: type[T], *, status: int = 422, path: str = "") -> T:
    """Convert a document to the struct `kind`. Raises `Invalid` with the given status, naming each invalid field below `path`."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError:
        errors = tuple(_errors(document, kind, path)) or (FieldError(path, "is not valid"),)
    raise Invalid(*errors, status=status)


def text(value: Any, limit: int = MAX_WORD, mark: str = CUT) -> str | None:
    """Return a string without surrounding whitespace, cut at `limit` characters; None for an empty string and for any other type."""
    return cut(value.strip(), limit, mark) or None if type(value) is str else None


def cut(value: str, limit: int, mark: str = CUT) -> str:
    """Cut a text at `limit` characters. A cut text ends in the mark, because several longer texts may have become this one."""
    if len(value) <= limit:
        return value
    value = scrub_text(beginning(value, limit + SCRUBBED))  # before the cut: half a secret matches no pattern
    return value if len(value) <= limit else f"{value[: limit - len(mark)].rstrip()}{mark}"


def leftovers(document: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the fields that the dialect does not know, which are kept as properties."""
    if document.keys() <= known:
        return {}
    return {name: value for name, value in document.items() if name not in known}


def keep(properties: dict[str, Any], others: Mapping[str, Any]) -> None:
    """Add fields to the properties. If a name is taken, `$` is prepended."""
    for name, value in others.items():
        while name in properties:
            name = f"${name}"
        properties[name] = value


_KINDS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_UNITS = {"str": "characters", "object": "entries", "array": "entries"}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}

_WRONG_KIND = re.compile(r"Expected `([^`]+)`, got `([^`]+)`").match
_WRONG_LENGTH = re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)").match
_WRONG_RANGE = re.compile(r"Expected `\w+` (>=|<=|>|<) (-?[\d.]+)").match


def _errors(value: Any, kind: Any, path: str) -> Iterator[FieldError]:
    """Yield every error of a value. msgspec stops at the first one."""
    struct = _struct_in(kind)
    if struct is None or not isinstance(value, dict):
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield FieldError(path, _message(str(error), kind))
        return
    for field in _fields(struct):
        place = f"{path}.{field.encode_name}" if path else field.encode_name
        if field.encode_name in value:
            yield from _errors(value[field.encode_name], field.type, place)
        elif field.required:
            yield FieldError(place, "is missing")


@lru_cache(maxsize=256)
def _fields(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a struct. Cached: msgspec evaluates the annotations on each call, which takes 0.25 ms."""
    return msgspec.structs.fields(struct)


def _message(original: str, kind: Any) -> str:
    """Return msgspec's message in plain English. The original may quote the client's value, so none of it is passed on."""
    if match := _WRONG_KIND(original):
        expected = dict.fromkeys(_KINDS.get(word, word) for word in match[1].split(" | ") if word != "null")
        got = "a boolean" if match[2] == "bool" else _KINDS.get(match[2], "something else")
        return f"expected {' or '.join(expected)}, got {got}"
    if match := _WRONG_LENGTH(original):
        if match[2] == ">=" and match[3] == "1":
            return "must not be empty"
        return f"must {'be' if match[1] == 'str' else 'have'} {_BOUNDS[match[2]]} {match[3]} {_UNITS[match[1]]}"
    if match := _WRONG_RANGE(original):
        return f"must be {_BOUNDS[match[1]]} {match[2]}"
    if original.startswith("Invalid enum value"):
        return f"is not one of: {', '.join(_allowed(kind))}"
    if "matching regex" in original:
        return f"must match {_pattern(kind)}"
    return "is not valid"


def _members(kind: Any) -> Iterator[Any]:
    """Yield a type and the members of its unions and annotations."""
    yield kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType, Annotated):
        for member in typing.get_args(kind):
            yield from _members(member)


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    structs = (member for member in _members(kind) if isinstance(member, type) and issubclass(member, msgspec.Struct))
    return next(structs, None)


def _allowed(kind: Any) -> list[str]:
    literals = (member for member in _members(kind) if typing.get_origin(member) is Literal)
    return [str(value) for literal in literals for value in typing.get_args(literal)]


def _pattern(kind: Any) -> str:
    patterns = (member.pattern for member in _members(kind) if isinstance(member, msgspec.Meta) and member.pattern)
    return next(patterns, "the pattern of this field")
