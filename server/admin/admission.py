"""Bounds of what refused operations may cost, whatever their length and transport.

An operation that is not among the documented ones is parsed and validated before anything else is known of it, which takes milliseconds in which
nothing else runs. So one is looked at after the other, each client has few that wait, and a client whose operations are refused all the time is
looked at no more for a while. What is counted is work (a unit for each begun thousand characters), not time.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from limits import RateLimitItem, parse

from server.problems import Busy, Limited
from server.shared import Limits

REFUSED = parse("60/minute")  # units of one viewer, or of one address without a login
OF_STRANGERS = parse("240/minute")  # units of all without a login together
MOST_WAITING = 8  # operations of one viewer or address
CHARACTERS_A_UNIT = 1_000

_STRANGERS = "strangers"
ADMINS = "admins"
"""The label of viewers with the scope `admin`: they can do worse than ask in vain, so what they are refused is not counted."""


class Admission:
    """One operation that is looked at. Exactly one of `passed` and `refused` takes effect; then the next one has its turn."""

    def __init__(self, admissions: Admissions, counted: dict[str, RateLimitItem], units: int) -> None:
        self._admissions = admissions
        self._counted = counted
        self._units = units
        self._open = True

    def passed(self) -> None:
        """The operation is valid: it costs nothing here."""
        self._close(spent=False)

    def refused(self) -> None:
        """The operation was refused, unless it had passed before."""
        self._close(spent=True)

    def _close(self, *, spent: bool) -> None:
        if self._open:
            self._open = False
            self._admissions.close(self._counted, self._units, spent=spent)


class Admissions:
    """Lets operations be looked at, one after the other."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._reserved: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._turn = asyncio.Semaphore(1)

    def check(self, label: str, units: int = 1) -> None:
        """Raises Limited where so much was refused that nothing is looked at for a while."""
        for each, item in _counted(label, stranger=False).items():
            self._check(each, item, units)

    def _check(self, label: str, item: RateLimitItem, units: int) -> None:
        standing = self._limits.hit_at_once(item, item.key_for(label), 0)
        if standing.remaining - self._reserved[label] < min(units, item.amount):
            raise Limited("Too many of your operations were refused.", retry_after=standing.reset)

    async def admit(self, label: str, query: str, *, stranger: bool) -> Admission:
        """Wait for the turn of an operation. `label` is of the viewer or address. Raises Limited, Busy."""
        if label != ADMINS and self._waiting[label] >= MOST_WAITING:
            raise Busy("Too many of your operations wait.", retry_after=1)
        self._waiting[label] += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting[label] -= 1
            if not self._waiting[label]:
                del self._waiting[label]
        counted, units = _counted(label, stranger=stranger), 1 + len(query) // CHARACTERS_A_UNIT
        try:
            for each, item in counted.items():
                self._check(each, item, units)
        except Limited:
            self._turn.release()
            raise
        self._reserved.update(dict.fromkeys(counted, units))
        return Admission(self, counted, units)

    def close(self, counted: dict[str, RateLimitItem], units: int, *, spent: bool) -> None:
        """End an admission."""
        for each, item in counted.items():
            self._reserved[each] -= units
            if not self._reserved[each]:
                del self._reserved[each]
            if spent:
                self._limits.hit_at_once(item, item.key_for(each), min(units, item.amount))
        self._turn.release()


def _counted(label: str, *, stranger: bool) -> dict[str, RateLimitItem]:
    if label == ADMINS:
        return {}
    return {label: REFUSED, **({_STRANGERS: OF_STRANGERS} if stranger else {})}
