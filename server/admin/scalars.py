"""Custom scalars."""

from __future__ import annotations

from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from server.dialects.parsing import timestamp
from server.dialects.parsing.times import iso
from server.problems import Invalid

DateTime = NewType("DateTime", int)
Duration = NewType("Duration", float)
Count = NewType("Count", int)
Hash = NewType("Hash", int)
JSON = NewType("JSON", object)


def _read_time(value: Any) -> int:
    if not isinstance(value, str) or len(value) > 40:
        raise GraphQLError("A time must be text, such as 2026-11-21 or 2026-11-21T12:00:00Z.")
    try:
        return max(0, timestamp(value) or 0)
    except Invalid:
        raise GraphQLError("A time must look like 2026-11-21 or 2026-11-21T12:00:00Z.") from None


def _show_hash(value: Any) -> str:
    return f"{value & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def _read_hash(value: Any) -> int:
    if not isinstance(value, str) or len(value) != 16 or not all(character in "0123456789abcdef" for character in value):
        raise GraphQLError("A hash must be 16 hexadecimal digits.")
    number = int(value, 16)
    return number - (1 << 64) if number >> 63 else number


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError("A count must be a whole number.")
    return value


SCALARS: dict[object, Any] = {
    DateTime: strawberry.scalar(
        name="DateTime", description="A time in ISO 8601, in UTC, with milliseconds: `2026-11-21T12:00:00.000Z`.",
        serialize=iso, parse_value=_read_time, specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    ),
    Duration: strawberry.scalar(
        name="Duration", description="A duration in milliseconds, with a precision of one microsecond.",
        serialize=lambda microseconds: round(microseconds / 1000, 3), parse_value=lambda milliseconds: milliseconds * 1000,
    ),
    Count: strawberry.scalar(
        name="Count", description="A whole number that may exceed the range of `Int`. Exact up to 2^53.", serialize=int, parse_value=_whole
    ),
    Hash: strawberry.scalar(
        name="Hash", description="Identifier of an install or a session: the first 64 bits of a keyed hash, as 16 hexadecimal digits.",
        serialize=_show_hash, parse_value=_read_hash,
    ),
    JSON: strawberry.scalar(name="JSON", description="Any JSON value.", serialize=lambda value: value, parse_value=lambda value: value),
}  # fmt: skip
