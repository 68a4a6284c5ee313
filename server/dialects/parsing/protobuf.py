"""Decoding of protobuf messages by tables of their fields, into protobuf's JSON form.

Unknown fields are skipped, as the format requires. The number of values and the depth are bounded, because a field of two bytes becomes an object.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from server.problems import Malformed

MAX_VALUES = 200_000
MAX_DEPTH = 24

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_WIDTHS = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """A field: its name in JSON, its kind (`text`, `int`, `bool`, `fixed64`, `double`, `any`, or the table of a message), and whether it repeats."""

    name: str
    kind: Any
    repeated: bool = False


Table = dict[int, Field]
_WIRES = {"text": LENGTH, "any": LENGTH, "int": VARINT, "bool": VARINT, "fixed64": FIXED64, "double": FIXED64}


def decode(body: bytes, table: Table) -> dict[str, Any]:
    """Decode a message. Raises `Malformed`."""
    try:
        return _Decoding(body).message(table, 0, len(body), 0)
    except (IndexError, struct.error):
        raise Malformed("The body is not valid protobuf; it may be truncated.") from None


class _Decoding:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = MAX_VALUES

    def message(self, table: Table, at: int, end: int, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise Malformed("The body is nested too deeply.")
        found: dict[str, Any] = {}
        while at < end:
            tag, at = self._varint(at)
            wire, field = tag & 7, table.get(tag >> 3)
            raw, start, at = self._span(wire, at, end)
            if field is None or wire != _WIRES.get(field.kind if isinstance(field.kind, str) else "any"):
                continue
            self._left -= 1
            if self._left < 0:
                raise Malformed(f"The body holds more than {MAX_VALUES:,} values.")
            value = self._value(field.kind, raw, start, at, depth)
            if field.repeated:
                found.setdefault(field.name, []).append(value)
            else:
                found[field.name] = value
        return found

    def _span(self, wire: int, at: int, end: int) -> tuple[int, int, int]:
        """Return the value of a varint (0 for other types), and the start and the end of the field's bytes."""
        raw = 0
        if wire == VARINT:
            raw, stop = self._varint(at)
        elif wire == LENGTH:
            length, at = self._varint(at)
            stop = at + length
        elif wire in _WIDTHS:
            stop = at + _WIDTHS[wire]
        else:
            raise IndexError
        if stop > end:
            raise IndexError
        return raw, at, stop

    def _value(self, kind: Any, raw: int, start: int, stop: int, depth: int) -> Any:
        if isinstance(kind, dict):
            return self.message(kind, start, stop, depth + 1)
        if kind == "int":
            return raw - (1 << 64) if raw >> 63 else raw
        if kind == "bool":
            return raw != 0
        if kind == "text":
            return self._body[start:stop].decode("utf-8", "replace")
        if kind == "any":
            return None
        return struct.unpack_from("<Q" if kind == "fixed64" else "<d", self._body, start)[0]

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self._body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
            if shift > 63:
                raise IndexError


def length_field(number: int, content: bytes) -> bytes:
    """Encode a field of text or of a message."""
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Encode a non-negative integer."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
