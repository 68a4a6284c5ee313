"""Bytes to a JSON document, or the reason why not.

msgspec reads fast, and too kindly for us: of two equal keys it keeps the last, it takes NUL characters (PostgreSQL's text cannot hold
them), integers of 400 digits and a thousand levels. `load` refuses all that without walking the document:

- a decoder typed for `FAST_DEPTH` levels refuses large integers, long keys and depth while it reads;
- equal keys show in the colons. Each key of a JSON text has one colon outside of strings, and the colons inside of strings come back
  when the document is written again. So the text has more colons than the document exactly where a key was lost; only an escaped
  colon (`\\u003a`) could hide one.

Where any of these speaks up, which ordinary bodies never do, `_inspect` reads the body again, exactly and slowly, and names the place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from server.event import FieldError
from server.problems import Invalid, Malformed

MAX_DEPTH = 16
MAX_KEY = 256
FAST_DEPTH = 8  # building the decoder's type doubles with each level: 5 ms for 8, 2.7 s for 16
STATUS = 400

_INT64 = 1 << 63
_BACKSLASH = ord("\\")
_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_SHOWN = re.compile(r"[A-Za-z0-9_.$-]{1,64}").fullmatch
_BYTE = re.compile(r"\(byte (\d+)\)")


def load(body: bytes) -> Any:
    """The document in a body.

    Raises `Malformed` for what is no JSON in UTF-8, and `Invalid` with status 400, naming the place, for equal keys in one object, NUL
    characters, integers beyond 64 bits, numbers beyond a double, keys over 256 characters and more than 16 levels.
    """
    try:
        document = _decode(body)
    except msgspec.ValidationError:
        return _inspect(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from None
    if _loses_keys(body, document) or hides_something(body):
        return _inspect(body)
    return document


def plain(body: bytes) -> Any:
    """The document in a body or a part of one, at most `FAST_DEPTH` levels deep. Raises ValueError where `load` has to look at it."""
    document = _decode(body)
    if _loses_keys(body, document) or hides_something(body):
        raise ValueError("needs a closer look")
    return document


def dotted(path: Sequence[str | int]) -> str:
    """A path as errors name it: `events[3].target.id`. A key that a client made up is shown where it is short and plain, else as `*`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part if _SHOWN(part) else '*'}" for part in path)
    return text.removeprefix(".")


def _decoder() -> msgspec.json.Decoder[Any]:
    integer: Any = Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
    key: Any = Annotated[str, msgspec.Meta(max_length=MAX_KEY)]
    scalar: Any = str | integer | float | bool | None
    value = scalar
    for _ in range(FAST_DEPTH):
        value = scalar | GenericAlias(dict, (key, value)) | GenericAlias(list, (value,))
    return msgspec.json.Decoder(value)


_decode = _decoder().decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _loses_keys(body: bytes, document: Any) -> bool:
    """Whether a key was there more than once."""
    return body.count(b":") != _encode(document).count(b":")


def hides_something(body: bytes) -> bool:
    """Whether the text may hold a NUL or a colon that is written as an escape."""
    # Most bodies have no backslash at all, which takes less to find out.
    return _BACKSLASH in body and b"\\u00" in body and (b"\\u0000" in body or b"\\u003a" in body or b"\\u003A" in body)


def _malformed(body: bytes, error: Exception) -> Malformed:
    if not body:
        return Malformed("The body is empty; JSON was expected")
    if body.startswith(_COMPRESSED):
        return Malformed("The body is compressed; JSON is taken as it is, in UTF-8")
    if body.startswith(_ORDER_MARKS):
        return Malformed("The body begins with a byte order mark; JSON is taken without one, in UTF-8")
    if isinstance(error, UnicodeDecodeError):
        return Malformed("The body is not UTF-8 text")
    if isinstance(error, RecursionError):
        return Malformed(f"The body is nested too deeply; {MAX_DEPTH} levels are taken")
    place = _BYTE.search(str(error))
    return Malformed("The body is not JSON" + (f": it cannot be read from byte {place[1]} on" if place else ""))


class _Repeating(list[tuple[str, Any]]):
    """An object of which a key is there more than once: its members, in their order."""


class _Wrong(Exception):
    """Something in the document that is not taken. The path grows from the inside out while this passes the containers around it."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = list(path)


def _inspect(body: bytes) -> Any:
    """The document once more, exactly. Returns it where nothing is wrong: deep, but not too deep; an escaped colon, but no equal keys."""
    try:
        _check(_parse(body.decode()), 0)
        return _decode_any(body)
    except _Wrong as wrong:
        raise Invalid(FieldError(dotted(wrong.path[::-1]), wrong.message), status=STATUS) from None
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError, JSONDecodeError and msgspec's errors are ValueErrors
        raise _malformed(body, error) from None


def _parse(text: str) -> Any:
    """The document with its equal keys. ValueError where it is no JSON."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of so many digits that Python reads it in quadratic time, or rather not
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)


def _object(members: list[tuple[str, Any]]) -> Any:
    found = dict(members)
    return found if len(found) == len(members) else _Repeating(members)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= 20 else _INT64  # which is one too large


def _constant(_: str) -> Any:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)


def _check(value: Any, depth: int) -> None:
    """Raises `_Wrong` for the first thing in a value, in the order of the text, that is not taken."""
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise _Wrong("must not hold NUL characters")
    elif kind is int:
        if not -_INT64 <= value < _INT64:
            raise _Wrong("must be a whole number of at most 64 bits")
    elif kind is float:
        if not math.isfinite(value):
            raise _Wrong("is too large for a number")
    elif kind is list or kind is dict or kind is _Repeating:
        if depth >= MAX_DEPTH:
            raise _Wrong(f"must not be nested deeper than {MAX_DEPTH} levels")
        if kind is list:
            _check_items(value, depth + 1)
        else:
            _check_members(value.items() if kind is dict else value, depth + 1)


def _check_items(items: list[Any], depth: int) -> None:
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007 - the except clause uses it
            _check(item, depth)
    except _Wrong as wrong:
        wrong.path.append(index)
        raise


def _check_members(members: Iterable[tuple[str, Any]], depth: int) -> None:
    seen: set[str] = set()
    for key, value in members:
        if len(key) > MAX_KEY:
            raise _Wrong(f"must have a name of at most {MAX_KEY} characters", key)
        if "\0" in key:
            raise _Wrong("must not hold NUL characters in its name", key)
        if key in seen:
            raise _Wrong("is there more than once", key)
        seen.add(key)
        try:
            _check(value, depth)
        except _Wrong as wrong:
            wrong.path.append(key)
            raise
