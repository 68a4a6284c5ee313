"""Bodies in their plain form, read in one pass: the fields that a struct names, each once, and nothing that hides.

Clients of one family mostly send the same few fields. For these, bytes become structs at once, and the document in between, which takes most
of the time, is never made. Whatever is a bit different (a field that nobody knows, a `null`, a key that is there twice, something that is
wrong) goes the long way by `document.load`, which takes more and can say what is wrong; to the client both are the same.
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

REMEMBERED = 2_048  # kinds of events that a dialect has read and may see again
REMEMBERED_LENGTH = 500  # bytes of their properties

_NOTHING = msgspec.Raw()
_INTEGER = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_CANNOT_READ = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


class Prepared:
    """Reads bodies of one kind: a struct, or a list of structs. What it returns has their fields, but properties are `msgspec.Raw`, as they are
    written: see `properties_in`."""

    def __init__(self, kind: Any) -> None:
        self._decode = msgspec.json.Decoder(_plain(kind)).decode
        self._encode = msgspec.json.Encoder().encode

    def read(self, body: bytes) -> Any | None:
        """What a body says, or None where it has to go the long way."""
        try:
            payload = self._decode(body)
        except _CANNOT_READ:
            return None
        # As in `document.load`: a key that is there twice would leave fewer colons. What is still to be read has all of its own.
        if body.count(b":") != self._encode(payload).count(b":") or hides_something(body):
            return None
        return payload


class NotPlain(Exception):
    """A part of a body that has to go the long way, and with it the body."""


def properties_in(raw: bytes) -> dict[str, Any]:
    """Properties from what is written, none from nothing. Raises NotPlain."""
    try:
        properties = plain(raw) if raw else {}
    except _CANNOT_READ:
        raise NotPlain from None
    if type(properties) is not dict or len(properties) > MAX_PROPERTIES:
        raise NotPlain
    return properties


def _plain(kind: Any) -> Any:
    """A type whose structs take no unknown fields and write none that is missing, and whose integers have 64 bits."""
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
