"""Parsing of JSON documents, with precise errors.

msgspec is fast, and accepts more than a store can keep: it keeps the last of duplicate keys, and accepts NUL characters (which PostgreSQL's
text type rejects), integers of 400 digits and a thousand levels. `read` finds all of these without walking the document:

- a decoder typed for `FAST_DEPTH` levels rejects large integers, long keys and depth while it parses;
- duplicate keys show in the number of colons. Each key has one colon outside of strings, and the colons inside of strings come back when
  the document is encoded again. So the text has more colons than the document if and only if a key was lost; only an escaped colon
  (`\\u003a`) could hide one.

If one of these checks fails, which is rare, `_inspect` parses the body again, slowly, and names each fault. A body with a byte order mark or a
lone surrogate (from JavaScript that truncates text inside an emoji) takes that path, too: it is accepted, with U+FFFD for the surrogate.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from server.event import Fault, FieldError
from server.problems import Invalid, Malformed
from server.scrubbing import scrub_text, without_identifiers

MAX_DEPTH = 16
MAX_KEY = 256
FAST_DEPTH = 8  # building the decoder's type doubles with each level: 5 ms for 8, 2.7 s for 16
STATUS = 400

_INT64 = 1 << 63
_BACKSLASH = ord("\\")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_SHOWN = re.compile(r"[A-Za-z0-9_.$-]{1,64}").fullmatch
_BYTE = re.compile(r"\(byte (\d+)\)")


def load(body: bytes) -> Any:
    """Parse a body.

    Raises `Malformed` for invalid JSON or UTF-8, and `Invalid` with status 400, naming the path, for the first fault that `read` returns.
    """
    document, faults = read(body)
    if faults:
        raise problem_of(faults[:1])
    return document


def read(body: bytes) -> tuple[Any, tuple[Fault, ...]]:
    """Parse a body, and return the document and its faults: values that cannot be stored.

    Faults are duplicate keys, NUL characters, integers beyond 64 bits, numbers beyond a double, NaN and Infinity, keys over 256 characters,
    more than 16 levels, and bytes that are not UTF-8. The document has a placeholder for each. Raises `Malformed` for invalid JSON.
    """
    try:
        document = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # a ValidationError is a DecodeError
        return _inspect(body, error)
    if _loses_keys(body, document) or hides_something(body):
        return _inspect(body, None)
    return document, ()


def problem_of(faults: Iterable[Fault]) -> Invalid:
    """Return the problem for a body that is rejected because of its faults."""
    return Invalid(*(FieldError(dotted(fault.path), fault.message) for fault in faults), status=STATUS)


def plain(body: bytes) -> Any:
    """Parse a body or a part of one with at most `FAST_DEPTH` levels. Raises ValueError if it needs `read`."""
    document = _decode(body)
    if _loses_keys(body, document) or hides_something(body):
        raise ValueError("not plain")
    return document


def dotted(path: Sequence[str | int]) -> str:
    """Format a path for an error: `events[3].target.id`.

    A client's own key appears if it is short and plain, and neither a secret nor an identifier; else as `*`.
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part if _is_shown(part) else '*'}" for part in path)
    return text.removeprefix(".")


def _is_shown(key: str) -> bool:
    return _SHOWN(key) is not None and without_identifiers(scrub_text(key)) == key


def _decoder() -> msgspec.json.Decoder[Any]:
    integer: Any = Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
    key: Any = Annotated[str, msgspec.Meta(max_length=MAX_KEY)]
    scalar: Any = str | integer | float | bool | None
    value = scalar
    for _ in range(FAST_DEPTH):
        value = scalar | GenericAlias(dict, (key, value)) | GenericAlias(list, (value,))
    return msgspec.json.Decoder(value)


_decode = _decoder().decode
_encode = msgspec.json.Encoder().encode


def _loses_keys(body: bytes, document: Any) -> bool:
    """Return True if the body has duplicate keys."""
    return body.count(b":") != _encode(document).count(b":")


def hides_something(body: bytes) -> bool:
    """Return True if the text may contain an escaped NUL or an escaped colon."""
    # Most bodies contain no backslash, which is cheap to check.
    return _BACKSLASH in body and b"\\u00" in body and (b"\\u0000" in body or b"\\u003a" in body or b"\\u003A" in body)


def _malformed(body: bytes, error: Exception | None) -> Malformed:
    if not body:
        return Malformed("The body is empty; JSON is expected.")
    if body.startswith(_COMPRESSED):
        return Malformed("The body is compressed, but the Content-Encoding header is missing.")
    if body.startswith(_UTF16_MARKS):
        return Malformed("The body is in UTF-16; JSON must be in UTF-8.")
    place = _BYTE.search(str(error))
    return Malformed("The body is not valid JSON" + (f": syntax error at byte {place[1]}." if place else "."))


def _inspect(body: bytes, error: Exception | None) -> tuple[Any, tuple[Fault, ...]]:
    """Parse a body precisely, and return the document and its faults. There may be none, for example if only a colon is escaped."""
    text = whole_characters(body)
    try:
        parsed = _parse(text)
    except RecursionError:
        try:
            parsed = _parse(_shallow(text))
        except ValueError:
            raise _malformed(body, None) from None
    except ValueError:  # JSONDecodeError is one
        raise _malformed(body, error) from None
    inspection = _Inspection(2 if type(parsed) is list else 3)
    return inspection.value(parsed, ()), tuple(inspection.faults.values())


# --- text ---

# Surrogates that were encoded one by one: invalid UTF-8 with a clear meaning.
_ENCODED_SURROGATES = re.compile(rb"(?:\xed[\xa0-\xbf][\x80-\xbf])+")
# Pairs first, then lone surrogates (the group), then any other escape.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_STRAY_BYTES = re.compile("[\udc80-\udcff]")  # as `surrogateescape` decodes invalid bytes


def whole_characters(body: bytes) -> str:
    """Decode a body without its byte order mark, and with U+FFFD for lone surrogates. Invalid bytes become surrogate escapes."""
    body = body.removeprefix(_UTF8_MARK)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = _ENCODED_SURROGATES.sub(_joined, body).decode("utf-8", "surrogateescape")
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text)
    return text


def _joined(surrogates: re.Match[bytes]) -> bytes:
    text = surrogates[0].decode("utf-8", "surrogatepass")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]+|[\]}]+', re.DOTALL)


def _shallow(text: str) -> str:
    """Return a text without the values that are nested more than two levels below the maximum."""
    pieces: list[str] = []
    depth, written, most = 0, 0, MAX_DEPTH + 2
    for marks in _MARKS.finditer(text):
        first, length = marks[0][0], len(marks[0])
        if first in "[{":
            if depth <= most < depth + length:
                pieces += (text[written : marks.start() + most - depth], "0")
            depth += length
        elif first in "]}":
            depth -= length
            if depth <= most < depth + length:
                written = marks.end() - (most - depth)
    return "".join((*pieces, text[written:])) if depth <= most else ""


# --- values ---


class _Repeating(list[tuple[str, Any]]):
    """The members of an object with duplicate keys, in order."""


def _parse(text: str) -> Any:
    """Parse a text, keeping duplicate keys. Raises ValueError for invalid JSON."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer with so many digits that Python refuses it or parses it in quadratic time
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)


def _object(members: list[tuple[str, Any]]) -> Any:
    found = dict(members)
    return found if len(found) == len(members) else _Repeating(members)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= 20 else _INT64  # one too large


def _constant(_: str) -> float:
    return math.nan  # not JSON, but what Python's encoder writes: a fault of the value, not of its neighbors


Place = tuple[str | int, ...]
_NOT_FINITE = "must be a finite number: NaN and Infinity are not JSON"


class _Inspection:
    """A copy of a document without faulty values. Records the first fault at each path of `parts` parts: each field of an event in a
    batch, or each member of a field of a single event.
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self.faults: dict[Place, Fault] = {}

    def value(self, value: Any, path: Place) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, path)
        if kind is int and not -_INT64 <= value < _INT64:
            return self._fault(path, "must be a whole number of at most 64 bits")
        if kind is float and not math.isfinite(value):
            return self._fault(path, "is too large for a number" if math.isinf(value) else _NOT_FINITE)
        if kind is list or kind is dict or kind is _Repeating:
            if len(path) >= MAX_DEPTH:
                return self._fault(path, f"must not be nested deeper than {MAX_DEPTH} levels")
            if kind is list:
                return [self.value(item, (*path, index)) for index, item in enumerate(value)]
            return self._members(value.items() if kind is dict else value, path)
        return value

    def _members(self, members: Iterable[tuple[str, Any]], path: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in members:
            place = (*path, key)
            if len(key) > MAX_KEY:
                self._fault(place, f"must have a name of at most {MAX_KEY} characters")
                continue
            if "\0" in key:
                self._fault(place, "must not contain NUL characters in its name")
            elif key in found:
                self._fault(place, "must not occur more than once")
            elif _STRAY_BYTES.search(key):
                self._fault(place, "must have a name in UTF-8")
            found[_STRAY_BYTES.sub("\ufffd", key.replace("\0", ""))] = self.value(value, place)
        return found

    def _text(self, text: str, path: Place) -> str:
        if "\0" in text:
            self._fault(path, "must not contain NUL characters")
            text = text.replace("\0", "")
        if not text.isascii() and _STRAY_BYTES.search(text):
            self._fault(path, "must be text in UTF-8")
            text = _STRAY_BYTES.sub("\ufffd", text)
        return text

    def _fault(self, path: Place, message: str) -> None:
        self.faults.setdefault(path[: self._parts], Fault(path, message))
