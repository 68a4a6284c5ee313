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
from collections.abc import Sequence
from types import GenericAlias
from typing import Annotated, Any, NoReturn

import msgspec

from server.event import FieldError
from server.problems import Invalid, Malformed

MAX_DEPTH = 16
MAX_KEY = 256
FAST_DEPTH = 8  # building the decoder's type doubles with each level: 5 ms for 8, 2.7 s for 16
STATUS = 400

_INT64 = 1 << 63
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
    if body.count(b":") != _encode(document).count(b":") or (b"\\u00" in body and _hides_something(body)):
        return _inspect(body)
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


def _hides_something(body: bytes) -> bool:
    """Whether the text may hold a NUL or a colon that is written as an escape."""
    return b"\\u0000" in body or b"\\u003a" in body or b"\\u003A" in body


def _malformed(body: bytes, error: Exception) -> Malformed:
    if not body:
        return Malformed("The body is empty; JSON was expected")
    if isinstance(error, UnicodeDecodeError):
        return Malformed("The body is not UTF-8 text")
    if isinstance(error, RecursionError):
        return Malformed(f"The body is nested too deeply; {MAX_DEPTH} levels are taken")
    place = _BYTE.search(str(error))
    return Malformed("The body is not JSON" + (f": it cannot be read from byte {place[1]} on" if place else ""))


class _Object(list[tuple[str, Any]]):
    """An object of the document with each of its keys, also those that another one hides."""


def _integer(digits: str) -> int:
    # Python takes quadratic time for long numbers, and refuses very long ones in its own way: 20 characters are beyond 64 bits already.
    return int(digits) if len(digits) <= 20 else _INT64


def _constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


def _inspect(body: bytes) -> Any:
    """The document once more, exactly. Returns it where nothing is wrong: deep, but not too deep; an escaped colon, but no equal keys."""
    try:
        text = body.decode()
        document = json.loads(text, object_pairs_hook=_Object, parse_int=_integer, parse_constant=_constant)
        _check(document, ())
        return _decode_any(body)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError, JSONDecodeError and msgspec's errors are ValueErrors
        raise _malformed(body, error) from None


def _check(value: Any, path: tuple[str | int, ...]) -> None:
    """Raises `Invalid` for the first thing in a value, in the order of the text, that is wrong."""
    match value:
        case str() if "\0" in value:
            _refuse(path, "must not hold NUL characters")
        case bool() | str() | None:
            pass
        case int() if not -_INT64 <= value < _INT64:
            _refuse(path, "must be a whole number of at most 64 bits")
        case float() if not math.isfinite(value):
            _refuse(path, "is too large for a number")
        case list() if len(path) >= MAX_DEPTH:
            _refuse(path, f"must not be nested deeper than {MAX_DEPTH} levels")
        case _Object():
            _check_object(value, path)
        case list():
            for index, item in enumerate(value):
                _check(item, (*path, index))


def _check_object(pairs: _Object, path: tuple[str | int, ...]) -> None:
    seen: set[str] = set()
    for key, value in pairs:
        place = (*path, key)
        if len(key) > MAX_KEY:
            _refuse(place, f"must have a name of at most {MAX_KEY} characters")
        if "\0" in key:
            _refuse(place, "must not hold NUL characters in its name")
        if key in seen:
            _refuse(place, "is there more than once")
        seen.add(key)
        _check(value, place)


def _refuse(path: tuple[str | int, ...], message: str) -> NoReturn:
    raise Invalid(FieldError(dotted(path), message), status=STATUS)
