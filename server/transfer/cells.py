"""Typed values from formats in which every cell is text, such as CSV."""

from __future__ import annotations

import math
import re
from typing import Any

from server.event import FieldError
from server.problems import Invalid
from server.storage.history.streaming import AHEAD

_TRUTHS = {word: truth for truth, words in ((True, "true t yes y on 1"), (False, "false f no n off 0")) for word in words.split()}
# At least 12 digits: shorter numbers may be dates or seconds. Spreadsheets and data frames may add `.0`.
_MILLISECONDS = re.compile(r"\s*(\d{12,14})(?:\.\d*)?\s*", re.ASCII).fullmatch


def truth(value: Any, path: str) -> Any:
    """Parse a boolean from `true`, `yes`, `1` and similar words. Returns values that are not text or integers unchanged. Raises Invalid."""
    if type(value) not in (str, int):
        return value
    found = _TRUTHS.get(str(value).strip().lower())
    if found is None:
        raise Invalid(FieldError(path, "must be true or false"))
    return found


def milliseconds(value: Any) -> Any:
    """Parse a text of epoch milliseconds. Returns any other value unchanged."""
    match = _MILLISECONDS(value) if isinstance(value, str) else None
    return int(match[1]) if match else value


def number(value: Any, path: str) -> Any:
    """Parse a number in text. Returns values of other types unchanged. Raises Invalid."""
    if not isinstance(value, str):
        return value
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Invalid(FieldError(path, "must be a number"))
    return found


def number_or_text(value: Any) -> Any:
    """Parse a number in text. Returns other texts and values of other types unchanged."""
    try:
        return number(value, "")
    except Invalid:
        return value


def check_past(at: int, now: int, path: str) -> int:
    """Check a time in epoch milliseconds. Raises Invalid if it is further in the future than clocks may differ."""
    if at > now + AHEAD:
        raise Invalid(FieldError(path, "must not be in the future"))
    return at
