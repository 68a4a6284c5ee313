"""One-pass parsing of plain bodies: the fields of a struct, each once, and no escapes that hide something.

Clients of one kind mostly send the same few fields. Their bytes become structs directly, without the document in between, which takes most of
the time. Anything else (an unknown field, a `null`, a duplicate key, an error) takes the ordinary path through `document.read`, which is
slower and can name the error. The response is the same on both paths.
"""

from __future__ import annotations

import functools
import operator
import types
import typing
from typing import Annotated, Any

import msgspec

from server.dialects.document import hides_something, plain
from server.dialects.parsing.json_fields import MAX_PROPERTIES, Properties

REMEMBERED = 2_048  # cached kinds of events per dialect
REMEMBERED_LENGTH = 500  # bytes of their properties

_NOTHING = msgspec.Raw()
_INTEGER = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_CANNOT_READ = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


class Prepared:
    """Parser for bodies of one type: a struct, or a list of structs. The result has the same fields, but properties are raw JSON
    (`msgspec.Raw`): see `properties_in`.
    """

    def __init__(self, kind: Any) -> None:
        self._decode = msgspec.json.Decoder(_plain(kind)).decode
        self._encode = msgspec.json.Encoder().encode

    def read(self, body: bytes) -> Any | None:
        """Parse a body. Returns None if it needs the ordinary path."""
        payload = self.parse(body)
        return payload if payload is not None and self.is_complete(body, payload) else None

    def parse(self, body: bytes) -> Any | None:
        """Parse a body, which may have duplicate keys: check the result with `is_complete`. Returns None if it needs the ordinary path."""
        try:
            return self._decode(body)
        except _CANNOT_READ:
            return None

    def is_complete(self, body: bytes, payload: Any, *, has_floats: bool = True) -> bool:
        """Return True if all values of a body are in `payload`. `has_floats`: one of its fields, apart from raw properties, may be a float."""
        encoded = self._encode(payload)
        # Only floats grow: `1e3` becomes `1000.0`. Without them, a text that has kept its length has lost nothing. This saves counting long bodies.
        is_same_length = not has_floats and len(encoded) == len(body)
        # As in `document.read`: fewer colons mean a duplicate key. Raw properties keep all of theirs.
        return (is_same_length or body.count(b":") == encoded.count(b":")) and not hides_something(body)


class NotPlain(Exception):
    """A part of a body that needs the ordinary path, for the whole body."""


def properties_in(raw: bytes) -> dict[str, Any]:
    """Parse raw properties; empty input has none. Raises NotPlain."""
    try:
        properties = plain(raw) if raw else {}
    except _CANNOT_READ:
        raise NotPlain from None
    if type(properties) is not dict or len(properties) > MAX_PROPERTIES:
        raise NotPlain
    return properties


def _plain(kind: Any) -> Any:
    """Return a type whose structs reject unknown fields and omit defaults, and whose integers have 64 bits."""
    if kind is int:
        return _INTEGER
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _plain_struct(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return types.GenericAlias(list, (_plain(arguments[0]),))
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, map(_plain, arguments))
    return kind


@functools.cache
def _plain_struct(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        if field.name == "properties" and field.type == Properties | None:
            fields.append((field.name, msgspec.Raw, _NOTHING))
        elif field.required:
            fields.append((field.name, _plain(field.type)))
        else:
            fields.append((field.name, _plain(field.type), field.default))
    return msgspec.defstruct(struct.__name__, fields, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True)
