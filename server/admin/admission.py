"""Limits on the work of refused operations, across HTTP and WebSocket.

An operation that is not in `graphql/operations/` is parsed and validated first, which blocks the event loop for milliseconds. So
operations are validated one at a time, each client has a short queue, and a client with too many refused operations is rejected for a
while without parsing. The unit is work (one unit per 1,000 characters), not time.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from limits import RateLimitItem, parse

from server.problems import Busy, Limited
from server.shared import Limits

REFUSED = parse("60/minute")  # units of one caller, or of one address without a login
ANONYMOUS_TOTAL = parse("240/minute")  # units of all callers without a login
MAX_WAITING = 8  # queued operations of one caller or address
CHARACTERS_A_UNIT = 1_000

_ANONYMOUS = "anonymous"
ADMINS = "admins"
"""The label of callers with the `admin` scope. Their refused operations are not counted, as admins could do more harm otherwise."""


class Admission:
    """An operation under validation. The first call of `accept` or `refuse` takes effect and admits the next operation."""

    def __init__(self, admissions: Admissions, counted: dict[str, RateLimitItem], units: int) -> None:
        self._admissions = admissions
        self._counted = counted
        self._units = units
        self._open = True

    def accept(self) -> None:
        """Mark the operation as valid. It costs nothing."""
        self._close(spent=False)

    def refuse(self) -> None:
        """Mark the operation as refused, unless it was accepted before."""
        self._close(spent=True)

    def _close(self, *, spent: bool) -> None:
        if self._open:
            self._open = False
            self._admissions.close(self._counted, self._units, spent=spent)


class Admissions:
    """Admits operations to validation, one at a time."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._reserved: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._turn = asyncio.Semaphore(1)

    def check(self, label: str, units: int = 1) -> None:
        """Raise Limited if the caller has used up its units."""
        for each, item in _counted(label, is_anonymous=False).items():
            self._check(each, item, units)

    def _check(self, label: str, item: RateLimitItem, units: int) -> None:
        state = self._limits.hit_at_once(item, item.key_for(label), 0)
        if state.remaining - self._reserved[label] < min(units, item.amount):
            raise Limited("Too many of your operations were refused. Try again later.", retry_after=state.reset)

    async def admit(self, label: str, query: str, *, is_anonymous: bool) -> Admission:
        """Wait until the operation may be validated. `label` identifies the caller or its address. Raises Limited, Busy."""
        if label != ADMINS and self._waiting[label] >= MAX_WAITING:
            raise Busy("Too many of your operations are waiting.", retry_after=1)
        self._waiting[label] += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting[label] -= 1
            if not self._waiting[label]:
                del self._waiting[label]
        counted, units = _counted(label, is_anonymous=is_anonymous), 1 + len(query) // CHARACTERS_A_UNIT
        try:
            for each, item in counted.items():
                self._check(each, item, units)
        except Limited:
            self._turn.release()
            raise
        self._reserved.update(dict.fromkeys(counted, units))
        return Admission(self, counted, units)

    def close(self, counted: dict[str, RateLimitItem], units: int, *, spent: bool) -> None:
        """Finish an admission, and admit the next operation."""
        for each, item in counted.items():
            self._reserved[each] -= units
            if not self._reserved[each]:
                del self._reserved[each]
            if spent:
                self._limits.hit_at_once(item, item.key_for(each), min(units, item.amount))
        self._turn.release()


def _counted(label: str, *, is_anonymous: bool) -> dict[str, RateLimitItem]:
    if label == ADMINS:
        return {}
    return {label: REFUSED, **({_ANONYMOUS: ANONYMOUS_TOTAL} if is_anonymous else {})}
