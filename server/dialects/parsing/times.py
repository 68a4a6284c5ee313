"""Conversion of times to epoch milliseconds, and of durations to microseconds, as integers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from server.event import DAY, FieldError
from server.problems import Invalid

MAX_DURATION = 30 * DAY  # in milliseconds; a longer duration comes from a clock change

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_BETWEEN = ("T", "t", " ", "")  # between a date and its time
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII).fullmatch
_SECONDS = {f":{number:02}": number * 1_000 for number in range(60)}
_millisecond = {"Z": 0, **{f".{number:03}Z": number for number in range(1_000)}}.get
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


def timestamp(value: Any, path: str = "timestamp", *, status: int = 422) -> int | None:
    """Convert ISO 8601 (UTC if it has no offset) or epoch milliseconds to epoch milliseconds. None stays None.

    Digits beyond the millisecond are truncated, so that an event is never later than its timestamp. Raises `Invalid`.
    """
    if value is None:
        return None
    at = moment(value)
    if at is None:
        raise Invalid(FieldError(path, "must be a time in ISO 8601, or in epoch milliseconds"), status=status)
    return at


def moment(value: Any) -> int | None:
    """Convert a time like `timestamp`, and return None if it is invalid."""
    if type(value) is str:
        # The format of JavaScript's `toISOString` and of most clients. Seconds and minutes are cached, because most events are of now.
        millisecond = _millisecond(value[19:])
        if millisecond is not None and (second := _second(value[:19])) is not None:
            return second + millisecond
        return _from_text(value)
    return _from_number(value)


@lru_cache(maxsize=4_096)
def _second(text: str) -> int | None:
    minute, second = _minute(text[:16]), _SECONDS.get(text[16:])
    return None if minute is None or second is None else minute + second


@lru_cache(maxsize=4_096)
def _minute(text: str) -> int | None:
    return _from_text(text) if _MINUTE(text) else None


def iso(at: int) -> str:
    """Format epoch milliseconds as ISO 8601 with milliseconds and `Z`, like JavaScript's `toISOString`."""
    return (_EPOCH + at * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(value: Any, path: str = "duration_ms", *, status: int = 422) -> int | None:
    """Convert milliseconds to microseconds. None stays None. Raises `Invalid` below zero and above 30 days."""
    if value is None:
        return None
    length = whole_duration(value)
    if length is None:
        raise Invalid(FieldError(path, f"must be a number of milliseconds from 0 to {MAX_DURATION}"), status=status)
    return length


def whole_duration(value: Any) -> int | None:
    """Convert milliseconds to microseconds, and return None if they are invalid: for clients that can no longer be fixed."""
    if type(value) not in (int, float) or not 0 <= value <= MAX_DURATION:
        return None
    microseconds: int = round(value * 1000)
    return microseconds


def _from_text(value: str) -> int | None:
    # Of the formats of ISO 8601, only those with dashes in the date: a row of digits may be a count of seconds.
    if value[4:5] != "-" or value[10:11] not in _BETWEEN:
        return None
    try:
        moment = datetime.fromisoformat(value if value[-1:] != "z" else value.upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def _from_number(value: Any) -> int | None:
    if type(value) not in (int, float) or not _FIRST <= value <= _LAST:
        return None
    return int(value // 1)
