"""A limit on wrong keys by address, shared by all routes that accept a key: ingest, exports, metrics, GraphQL, WebSockets and the login.

An address over the limit is blocked for a while, even with a valid key, so that it cannot continue to guess. Keys that can only send events
are exempt: a client with an outdated key must not block other clients behind the same address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from limits import RateLimitItemPerMinute

from server.headers import AUTHORIZATION, FOOTFALL_KEY
from server.ingest.networks import networks_of
from server.problems import Limited, Unauthorized
from server.shared import Limits
from server.storage.projects import LiveKey

WRONG_KEYS = 60  # per minute and address

T = TypeVar("T")


class Guesses:
    """Counts of wrong keys by address, in this process."""

    def __init__(self) -> None:
        self._limits = Limits()

    def check(self, address: str) -> None:
        """Raise Limited if an address has sent too many wrong keys."""
        for network, times in networks_of(address):
            item = RateLimitItemPerMinute(WRONG_KEYS * times)
            limit_state = self._limits.hit_at_once(item, item.key_for(network), 0)
            if not limit_state.remaining:
                raise Limited("Too many wrong keys from this address.", retry_after=limit_state.reset)

    def count_wrong(self, address: str) -> None:
        """Count a wrong key."""
        for network, times in networks_of(address):
            item = RateLimitItemPerMinute(WRONG_KEYS * times)
            self._limits.hit_at_once(item, item.key_for(network))

    async def guard(self, address: str, find: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `find` for a request with a key, and count a wrong key. Raises Limited, and the errors of `find`."""
        self.check(address)
        try:
            return await find()
        except Unauthorized:
            self.count_wrong(address)
            raise


def has_key(headers: Mapping[bytes, bytes]) -> bool:
    """Return True if a request carries a key. An empty `Bearer` is not a key."""
    bearer = headers.get(AUTHORIZATION, b"").strip()
    return bool(headers.get(FOOTFALL_KEY, b"").strip()) or bearer.lower() not in (b"", b"bearer")


def can_only_send(key: LiveKey) -> bool:
    """Return True if a key can only send events."""
    return key.scopes <= {"ingest"}
