"""The key-value dump of the downloads collector: `dl:{pack}:{date}` and `dl:{pack}:total`, each with a count.

The import creates no events: it adds the counts to the rollups directly.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from server.event import DAY, FieldError
from server.problems import Invalid
from server.storage.history.imports import TOTAL, PackCount

_KEY = re.compile(r"dl:([a-z0-9][a-z0-9_-]{0,63}):(total|\d{4}-\d{2}-\d{2})").fullmatch
_MOST = 1 << 53  # the largest exact integer in JSON numbers
_EPOCH = date(1970, 1, 1)


def count(document: Any, now: int) -> PackCount:
    """Parse a count. `document` is `{"name", "value"}`, or has `key` instead of `name`. `now` is epoch milliseconds. Raises Invalid."""
    if not isinstance(document, dict):
        raise Invalid(FieldError("", "expected an object"))
    name, value = document.get("name", document.get("key")), document.get("value")
    match = _KEY(name) if isinstance(name, str) else None
    if match is None:
        raise Invalid(FieldError("name", "must be dl:{pack}:{date} or dl:{pack}:total"))
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if type(value) is not int or not 0 <= value <= _MOST:
        raise Invalid(FieldError("value", "must be a count"))
    return PackCount(match[1], TOTAL if match[2] == "total" else _day(match[2], now), value)


def _day(text: str, now: int) -> int:
    try:
        day = (datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date() - _EPOCH).days
    except ValueError:
        raise Invalid(FieldError("name", "must end in a date")) from None
    if not 0 < day <= now // DAY + 1:
        raise Invalid(FieldError("name", "must not end in a future date"))
    return day
