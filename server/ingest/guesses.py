"""A limit on wrong keys by address, shared by all routes that accept a key: ingest, exports, metrics, GraphQL, WebSockets and the login.

An address over the limit is blocked for a while, even with a valid key, so that it cannot continue to guess. Keys that can only send events
are exempt: a client with an outdated key must not block other clients behind the same address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerMinute

from server.headers import AUTHORIZATION, FOOTFALL_KEY
from server.ingest.networks import networks_of
from server.problems import Limited, Unauthorized
from server.shared import Limits, LimitState
from server.storage.projects import LiveKey

WRONG_KEYS = 60  # per minute and address

T = TypeVar("T")


class Guesses:
    """Counts of wrong keys by address, across all replicas that share their limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def check(self, address: str) -> None:
        """Raise Limited if an address has sent too many wrong keys."""
        for limit_state in await self._hit(address, 0):
            if not limit_state.remaining:
                raise Limited("Too many wrong keys from this address.", retry_after=limit_state.reset)

    def may_try(self, address: str) -> bool:
        """Return True if an address is known to have sent few wrong keys. Does not block, so the counts of other replicas are unknown."""
        if not self._limits.at_once:
            return False
        return all(self._limits.hit_at_once(item, key, 0).remaining for item, key in _counters(address))

    async def count_wrong(self, address: str) -> None:
        """Count a wrong key."""
        await self._hit(address, 1)

    async def _hit(self, address: str, cost: int) -> list[LimitState]:
        # Together, so that a shared limiter needs one request for all.
        return await asyncio.gather(*(self._limits.hit(item, key, cost) for item, key in _counters(address)))

    async def guard(self, address: str, find: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `find` for a request with a key, and count a wrong key. Raises Limited, and the errors of `find`."""
        await self.check(address)
        try:
            return await find()
        except Unauthorized:
            await self.count_wrong(address)
            raise


@lru_cache(maxsize=4096)
def _counters(address: str) -> tuple[tuple[RateLimitItem, str], ...]:
    """Return the counters of an address: one for each of its networks, with its limit and its key in the limiter."""
    items = ((network, RateLimitItemPerMinute(WRONG_KEYS * times)) for network, times in networks_of(address))
    return tuple((item, item.key_for("guesses", network)) for network, item in items)


def has_key(headers: Mapping[bytes, bytes]) -> bool:
    """Return True if a request carries a key. An empty `Bearer` is not a key."""
    bearer = headers.get(AUTHORIZATION, b"").strip()
    return bool(headers.get(FOOTFALL_KEY, b"").strip()) or bearer.lower() not in (b"", b"bearer")


def can_only_send(key: LiveKey) -> bool:
    """Return True if a key can only send events."""
    return key.scopes <= {"ingest"}
