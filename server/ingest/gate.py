"""May this pass? Who is asking, for which project, and how often already."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Literal, NamedTuple

from limits import RateLimitItem

from server.problems import Forbidden, Limited, Unauthorized
from server.settings import Network, Settings
from server.shared import Limits, Standing
from server.storage.projects import LiveKey, LiveProject, Projects

Headers = dict[bytes, bytes]

Limit = Literal["rate_limit", "event_limit"]  # as the settings, projects and keys call them
_WHAT: dict[Limit, str] = {"rate_limit": "requests", "event_limit": "events"}

_MOST_LIMIT_KEYS = 20_000


class Caller(NamedTuple):
    """Whose events these are, and where they come from. `address` is to be hashed, never to be kept."""

    project: LiveProject
    key: LiveKey | None
    address: str


class _Counted(NamedTuple):
    """A limit, and under which key the limiter counts one caller."""

    item: RateLimitItem
    key: str


class Gate:
    """The checks before a body is looked at."""

    def __init__(self, settings: Settings, projects: Projects, limits: Limits) -> None:
        self._projects = projects
        self.limits = limits
        self._limits: dict[Limit, RateLimitItem | None] = {"rate_limit": settings.rate_limit, "event_limit": settings.event_limit}
        self._header = settings.client_ip_header.encode() if settings.client_ip_header else None
        self._trusted = settings.trusted_proxies
        self._keys: dict[tuple[Limit, int, int, str], _Counted] = {}

    def address(self, peer: str, headers: Headers) -> str:
        """The client's address: the peer's, or what a trusted proxy says. Whoever is not trusted can say what they like."""
        if not self._trusted or not _within(peer, self._trusted):
            return peer
        if self._header is not None:
            return _canonical(headers.get(self._header, b"").decode("latin-1")) or peer
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

    async def caller(self, peer: str, headers: Headers, slug: str | None) -> Caller:
        """The project by key, path, host, or the default one. Raises Unauthorized, Forbidden, UnknownProject."""
        project, key = await self._projects.find(headers, slug)
        return self._admit(peer, headers, project, key)

    def known_caller(self, peer: str, headers: Headers, slug: str | None) -> Caller | None:
        """The same without waiting; None where the store must be asked. Raises Unauthorized, Forbidden."""
        found = self._projects.find_known(headers, slug)
        return None if found is None else self._admit(peer, headers, *found)

    def _admit(self, peer: str, headers: Headers, project: LiveProject, key: LiveKey | None) -> Caller:
        if key is not None and not key.scopes & {"ingest", "admin"}:
            raise Forbidden("This key does not have the scope ingest.")
        if key is None and project.requires_key:
            raise Unauthorized("This project takes events with a key only: Authorization: Bearer … or X-Footfall-Key.")
        return Caller(project, key, self.address(peer, headers))

    async def count(self, limit: Limit, caller: Caller, cost: int = 1) -> Standing | None:
        """Requests of this caller, or the events of one request, all or none. None where there is no limit; raises Limited."""
        counted = self._counted(limit, caller)
        return None if counted is None else _allowed(limit, counted.item, await self.limits.hit(*counted, cost))

    def count_at_once(self, limit: Limit, caller: Caller, cost: int = 1) -> Standing | None:
        """The same without waiting."""
        counted = self._counted(limit, caller)
        return None if counted is None else _allowed(limit, counted.item, self.limits.hit_at_once(*counted, cost))

    def _counted(self, limit: Limit, caller: Caller) -> _Counted | None:
        project, key, address = caller
        item: RateLimitItem | None = (key and getattr(key, limit)) or getattr(project, limit) or self._limits[limit]
        if item is None:
            return None
        whose = (limit, project.id, key.id if key else 0, address)
        known = self._keys.get(whose)
        if known is None or known.item is not item:
            if len(self._keys) >= _MOST_LIMIT_KEYS:
                self._keys.clear()
            name = item.key_for(_WHAT[limit], str(whose[1]), str(whose[2]), limited_as(address))
            self._keys[whose] = known = _Counted(item, name)
        return known


class OverLimit(Limited):
    """Limited, with what the RateLimit headers say."""

    def __init__(self, detail: str, standing: Standing) -> None:
        super().__init__(detail, retry_after=standing.reset)
        self.standing = standing


def _allowed(limit: Limit, item: RateLimitItem, standing: Standing) -> Standing:
    if not standing.allowed:
        raise OverLimit(f"At most {item} {_WHAT[limit]} for one address.", standing)
    return standing


def opted_out(headers: Headers) -> bool:
    """Whether the client asks not to be tracked (DNT, Global Privacy Control)."""
    return headers.get(b"dnt") == b"1" or headers.get(b"sec-gpc") == b"1"


@lru_cache(maxsize=4096)
def limited_as(address: str) -> str:
    """What the limits count an address as: an IPv6 client owns its whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


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
