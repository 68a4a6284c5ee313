"""Cells of a file in which everything is text, such as a CSV, with the type that their column has."""

from __future__ import annotations

import math
import re
from typing import Any

from server.event import FieldError
from server.problems import Invalid
from server.storage.history.streaming import AHEAD

_TRUTHS = {word: truth for truth, words in ((True, "true t yes y on 1"), (False, "false f no n off 0")) for word in words.split()}
# 12 digits or more: fewer are as likely a date or seconds. Spreadsheets and data frames may add `.0`.
_MILLISECONDS = re.compile(r"\s*(\d{12,14})(?:\.\d*)?\s*", re.ASCII).fullmatch


def truth(value: Any, path: str) -> Any:
    """True or false from `true`, `yes`, `1` and their likes. Values of other types than text and whole numbers stay. Raises Invalid."""
    if type(value) not in (str, int):
        return value
    found = _TRUTHS.get(str(value).strip().lower())
    if found is None:
        raise Invalid(FieldError(path, "must be true or false"))
    return found


def milliseconds(value: Any) -> Any:
    """The number in a text of epoch milliseconds; any other value as it is."""
    match = _MILLISECONDS(value) if isinstance(value, str) else None
    return int(match[1]) if match else value


def number(value: Any, path: str) -> Any:
    """The number in a text; values of other types stay. Raises Invalid."""
    if not isinstance(value, str):
        return value
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Invalid(FieldError(path, "must be a number"))
    return found


def check_past(at: int, now: int, path: str) -> int:
    """A time in epoch milliseconds. Raises Invalid where it is further ahead than clocks may be apart."""
    if at > now + AHEAD:
        raise Invalid(FieldError(path, "must not be in the future"))
    return at
