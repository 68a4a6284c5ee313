"""May this pass? Who is asking, for which project, and how often already."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from limits import RateLimitItem

from server.ingest.guesses import Guesses, can_only_send, has_key
from server.ingest.networks import limit_network
from server.problems import Forbidden, Limited, Unauthorized
from server.settings import Network, Settings
from server.shared import Limits, LimitState
from server.storage.projects import LiveKey, LiveProject, Projects

Headers = dict[bytes, bytes]

_MAX_CALLERS = 20_000


class LimitKey(NamedTuple):
    """A limit, unit it is on, and the key by which the limiter knows one caller."""

    item: RateLimitItem
    unit: str
    key: str


class Caller(NamedTuple):
    """Whose events these are, where they come from, and how many there may be. `address` is to be hashed, never to be kept."""

    project: LiveProject
    key: LiveKey | None
    address: str
    requests: LimitKey | None
    events: LimitKey | None


class Gate:
    """The checks before a body is looked at."""

    def __init__(self, settings: Settings, projects: Projects, limits: Limits) -> None:
        self._projects = projects
        self.limits = limits
        self.guesses = Guesses()
        self._rate_limit = settings.rate_limit
        self._event_limit = settings.event_limit
        self._header = settings.client_ip_header.encode() if settings.client_ip_header else None
        self._trusted = settings.trusted_proxies
        self._callers: dict[tuple[int, int, str], Caller] = {}

    def address(self, peer: str, headers: Headers) -> str:
        """The client's address: the peer's, or unit a trusted proxy says. Whoever is not trusted can say unit they like."""
        if not self._trusted or not _within(peer, self._trusted):
            return peer
        if self._header is not None:
            # Of several the last one: it was added nearest to us.
            return _canonical(headers.get(self._header, b"").decode("latin-1").rpartition(",")[2]) or peer
        # The right-most address that no proxy of ours added: everything left of it is the client's own claim.
        for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            address = _canonical(hop)
            if address is None:
                return peer
            if not _within(address, self._trusted):
                return address
            peer = address
        return peer

    def trusts(self, peer: str) -> bool:
        """Whether a proxy with this address is believed."""
        return bool(self._trusted) and _within(peer, self._trusted)

    async def find(self, peer: str, headers: Headers, slug: str | None) -> tuple[LiveProject, LiveKey | None]:
        """The project of a request by key, path, host, or the default one; and its key. A wrong key counts as a guess.

        Raises Unauthorized, Forbidden, UnknownProject, Limited, Busy.
        """
        if not has_key(headers):
            return await self._projects.find(headers, slug)
        return await self.guesses.guard(self.address(peer, headers), lambda: self._projects.find(headers, slug))

    async def key(self, peer: str, headers: Headers) -> LiveKey | None:
        """The key of a request, None where it brought none. A wrong one counts as a guess. Raises Unauthorized, Limited, Busy."""
        if not has_key(headers):
            return None
        return await self.guesses.guard(self.address(peer, headers), lambda: self._projects.key(headers))

    async def caller(self, peer: str, headers: Headers, slug: str | None) -> Caller:
        """The caller of an ingest route. Raises Unauthorized, Forbidden, UnknownProject, Limited, Busy."""
        await self._projects.keep_fresh()
        known = self._projects.known_key(headers)
        guarded = known is None or not can_only_send(known)
        project, key = await (self.find(peer, headers, slug) if guarded else self._projects.find(headers, slug))
        return self._admit(peer, headers, project, key)

    def cached_caller(self, peer: str, headers: Headers, slug: str | None) -> Caller | None:
        """Like `caller`, without waiting; None where the store or the guesses must be asked. Raises Unauthorized, Forbidden."""
        found = self._projects.find_known(headers, slug)
        if found is None or not (found[1] is None or can_only_send(found[1]) or self._may_try(peer, headers)):
            return None
        return self._admit(peer, headers, *found)

    def _may_try(self, peer: str, headers: Headers) -> bool:
        try:
            self.guesses.check(self.address(peer, headers))
        except Limited:
            return False
        return True

    def _admit(self, peer: str, headers: Headers, project: LiveProject, key: LiveKey | None) -> Caller:
        if key is not None and not key.scopes & {"ingest", "admin"}:
            raise Forbidden("This key does not have the scope ingest.")
        if key is None and project.requires_key:
            if has_key(headers):
                self.guesses.count_wrong(self.address(peer, headers))
            raise Unauthorized("This project takes events with a key only: Authorization: Bearer … or X-Footfall-Key.")
        return self.caller_at(self.address(peer, headers) if self._trusted else peer, project, key)

    def caller_at(self, address: str, project: LiveProject, key: LiveKey | None = None) -> Caller:
        """Whoever asks from an address, and the limits that hold there: the key's, the project's, or the server's."""
        whose = (project.id, key.id if key else 0, address)
        known = self._callers.get(whose)
        if known is None or known.project is not project or known.key is not key:
            if len(self._callers) >= _MAX_CALLERS:
                self._callers.clear()
            rate = (key and key.rate_limit) or project.rate_limit or self._rate_limit
            events = (key and key.event_limit) or project.event_limit or self._event_limit
            self._callers[whose] = known = Caller(
                project, key, address, _limit_key(rate, "requests", *whose), _limit_key(events, "events", *whose)
            )
        return known

    async def count(self, limit: LimitKey | None, cost: int = 1) -> LimitState | None:
        """A request of a caller, or the events of one, all or none. None where there is no limit; raises Limited."""
        return None if limit is None else _check(limit, await self.limits.hit(limit.item, limit.key, cost))

    def count_at_once(self, limit: LimitKey | None, cost: int = 1) -> LimitState | None:
        """The same without waiting."""
        return None if limit is None else _check(limit, self.limits.hit_at_once(limit.item, limit.key, cost))


class OverLimit(Limited):
    """Limited, with unit the RateLimit headers say."""

    def __init__(self, detail: str, limit_state: LimitState) -> None:
        super().__init__(detail, retry_after=limit_state.reset)
        self.limit_state = limit_state


def _limit_key(item: RateLimitItem | None, unit: str, project: int, key: int, address: str) -> LimitKey | None:
    return None if item is None else LimitKey(item, unit, item.key_for(unit, str(project), str(key), limit_network(address)))


def _check(limit: LimitKey, limit_state: LimitState) -> LimitState:
    if not limit_state.allowed:
        raise OverLimit(f"At most {limit.item.amount} {limit.unit} from one address in {_window(limit.item)}.", limit_state)
    return limit_state


def _window(item: RateLimitItem) -> str:
    """`a minute`, `10 seconds`."""
    unit = item.GRANULARITY.name
    return f"{item.multiples} {unit}s" if item.multiples > 1 else f"{'an' if unit == 'hour' else 'a'} {unit}"


def opted_out(headers: Headers) -> bool:
    """Whether the client asks not to be tracked (DNT, Global Privacy Control)."""
    dnt, control = headers.get(b"dnt"), headers.get(b"sec-gpc")
    return (dnt is not None or control is not None) and (_is_one(dnt) or _is_one(control))


def _is_one(value: bytes | None) -> bool:
    return value is not None and b"1" in value.split(b", ")


@lru_cache(maxsize=4096)
def _within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


def _canonical(text: str) -> str | None:
    """The address in one hop of a forwarding header, which may carry a port or brackets; None where there is none."""
    text = text.strip()
    if text.count(":") == 1:
        text = text.partition(":")[0]
    elif text.startswith("["):
        text = text[1:].partition("]")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
