"""Wrong keys, counted by address wherever they are tried: ingest, exports and other readers, metrics, GraphQL, sockets, the login.

An address with too many tries no more for a while, not even with a right key: else it could go on guessing. Only keys that may do no more than
send events go on, because a client with an old key must not cost its neighbours their events.
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

WRONG_KEYS = 60  # a minute, of one address

T = TypeVar("T")


class Guesses:
    """The wrong keys of each address, in this process."""

    def __init__(self) -> None:
        self._limits = Limits()

    def check(self, address: str) -> None:
        """Raises Limited where an address has brought too many wrong keys."""
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
        """What `find` finds for a request with a key. Raises what it raises, and Limited."""
        self.check(address)
        try:
            return await find()
        except Unauthorized:
            self.count_wrong(address)
            raise


def has_key(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request brings anything that may be a key; an empty `Bearer` is none."""
    bearer = headers.get(AUTHORIZATION, b"").strip()
    return bool(headers.get(FOOTFALL_KEY, b"").strip()) or bearer.lower() not in (b"", b"bearer")


def can_only_send(key: LiveKey) -> bool:
    """Whether a key may do no more than send events."""
    return key.scopes <= {"ingest"}
