"""Admission of requests: client address, project, key and rate limits."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from limits import RateLimitItem

from server.caching import BoundedDict
from server.ingest.guesses import Guesses, can_only_send, has_key
from server.ingest.networks import limit_network
from server.problems import Forbidden, Limited, Unauthorized
from server.settings import Network, Settings
from server.shared import Limits, LimitState
from server.storage.projects import LiveKey, LiveProject, Projects

Headers = dict[bytes, bytes]

_MAX_CALLERS = 20_000


class LimitKey(NamedTuple):
    """A rate limit, its unit (`requests` or `events`), and the caller's key in the limiter."""

    item: RateLimitItem
    unit: str
    key: str


class Caller(NamedTuple):
    """The project, key, address and limits of an ingest request. `address` is hashed and never stored.

    `sender` is a number for the address or its network, salted by Python for this process: see `storage.commit.candidates`.
    """

    project: LiveProject
    key: LiveKey | None
    address: str
    requests: LimitKey | None
    events: LimitKey | None
    sender: int


class Gate:
    """Checks that run before a body is read."""

    def __init__(self, settings: Settings, projects: Projects, limits: Limits) -> None:
        self._projects = projects
        self.limits = limits
        self.guesses = Guesses(limits)
        self._rate_limit = settings.rate_limit
        self._event_limit = settings.event_limit
        self._header = settings.client_ip_header.encode() if settings.client_ip_header else None
        self._trusted = settings.trusted_proxies
        self._callers: BoundedDict[tuple[int, int, str], Caller] = BoundedDict(_MAX_CALLERS)

    def address(self, peer: str, headers: Headers) -> str:
        """Return the client's address: the one that a trusted proxy reports, else the peer's."""
        if not self._trusted or not _within(peer, self._trusted):
            return peer
        if self._header is not None:
            # Several values: the last one was added by the nearest proxy.
            return _canonical(headers.get(self._header, b"").decode("latin-1").rpartition(",")[2]) or peer
        # The right-most address that is not a trusted proxy. Clients can forge everything to the left of it.
        for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            address = _canonical(hop)
            if address is None:
                return peer
            if not _within(address, self._trusted):
                return address
            peer = address
        return peer

    def trusts(self, peer: str) -> bool:
        """Return True if this address belongs to a trusted proxy."""
        return bool(self._trusted) and _within(peer, self._trusted)

    async def find(
        self, peer: str, headers: Headers, slug: str | None, *, is_client_key: bool = False
    ) -> tuple[LiveProject, LiveKey | None]:
        """Find the project of a request (by key, path or host, else the default one) and its key. Counts a wrong key as a guess.

        Raises Unauthorized, Forbidden, UnknownProject, Limited, Busy.
        """
        if not has_key(headers):
            return await self._projects.find(headers, slug)
        return await self.guesses.guard(
            self.address(peer, headers), lambda: self._projects.find(headers, slug, is_client_key=is_client_key)
        )

    async def key(self, peer: str, headers: Headers) -> LiveKey | None:
        """Return the key of a request, or None. Counts a wrong key as a guess. Raises Unauthorized, Limited, Busy."""
        if not has_key(headers):
            return None
        return await self.guesses.guard(self.address(peer, headers), lambda: self._projects.key(headers))

    async def caller(self, peer: str, headers: Headers, slug: str | None, *, is_client_key: bool = False) -> Caller:
        """Identify the caller of an ingest route. `is_client_key`: see `Projects.find`. Raises Unauthorized, Forbidden, UnknownProject, Limited, Busy."""
        await self._projects.keep_fresh()
        known = self._projects.known_key(headers)
        guarded = known is None or not can_only_send(known)
        project, key = await (
            self.find(peer, headers, slug, is_client_key=is_client_key) if guarded else self._projects.find(headers, slug)
        )
        try:
            return self._admit(peer, headers, project, key)
        except Unauthorized:
            if has_key(headers):
                await self.guesses.count_wrong(self.address(peer, headers))
            raise

    async def caller_of_site(self, peer: str, headers: Headers, sites: str, slug: str | None) -> Caller:
        """Identify the caller of a route without keys by the sites that its body names, separated by commas. Raises UnknownSite, Busy."""
        await self._projects.keep_fresh()
        project = await self._projects.find_site(sites, slug)
        return self.caller_at(self.address(peer, headers) if self._trusted else peer, project)

    def cached_caller(self, peer: str, headers: Headers, slug: str | None) -> Caller | None:
        """Identify the caller without blocking. Returns None if the store or the count of wrong keys must be asked.

        Raises Unauthorized, Forbidden.
        """
        found = self._projects.find_known(headers, slug)
        if found is None:
            return None
        project, key = found
        if key is None:
            if project.requires_key and has_key(headers):
                return None
        elif not can_only_send(key) and not self.guesses.may_try(self.address(peer, headers)):
            return None
        return self._admit(peer, headers, project, key)

    def _admit(self, peer: str, headers: Headers, project: LiveProject, key: LiveKey | None) -> Caller:
        if key is not None and not key.scopes & {"ingest", "admin"}:
            raise Forbidden("This key does not have the `ingest` scope.")
        if key is None and project.requires_key:
            raise Unauthorized("This project requires a key: send it as `Authorization: Bearer …` or `X-Footfall-Key`.")
        return self.caller_at(self.address(peer, headers) if self._trusted else peer, project, key)

    def caller_at(self, address: str, project: LiveProject, key: LiveKey | None = None) -> Caller:
        """Return the caller at an address, with the limits of the key, the project or the server, in this order."""
        whose = (project.id, key.id if key else 0, address)
        known = self._callers.get(whose)
        if known is None or known.project is not project or known.key is not key:
            rate = (key and key.rate_limit) or project.rate_limit or self._rate_limit
            events = (key and key.event_limit) or project.event_limit or self._event_limit
            known = Caller(
                project,
                key,
                address,
                _limit_key(rate, "requests", *whose),
                _limit_key(events, "events", *whose),
                hash(limit_network(address)) or 1,
            )
            self._callers.keep(whose, known)
        return known

    async def count(self, limit: LimitKey | None, cost: int = 1) -> LimitState | None:
        """Count a request, or all of its events, against a limit. Returns None if there is no limit. Raises Limited."""
        return None if limit is None else _check(limit, await self.limits.hit(limit.item, limit.key, cost))

    def count_at_once(self, limit: LimitKey | None, cost: int = 1) -> LimitState | None:
        """Count like `count`, without blocking."""
        return None if limit is None else _check(limit, self.limits.hit_at_once(limit.item, limit.key, cost))


class OverLimit(Limited):
    """`Limited`, with the values of the RateLimit headers."""

    def __init__(self, detail: str, limit_state: LimitState) -> None:
        super().__init__(detail, retry_after=limit_state.reset)
        self.limit_state = limit_state


def _limit_key(item: RateLimitItem | None, unit: str, project: int, key: int, address: str) -> LimitKey | None:
    return None if item is None else LimitKey(item, unit, item.key_for(unit, str(project), str(key), limit_network(address)))


def _check(limit: LimitKey, limit_state: LimitState) -> LimitState:
    if not limit_state.allowed:
        raise OverLimit(f"Limit exceeded: {limit.item.amount} {limit.unit} from one address in {_window(limit.item)}.", limit_state)
    return limit_state


def _window(item: RateLimitItem) -> str:
    """Format the length of a limit's window: `a minute`, `10 seconds`."""
    unit = item.GRANULARITY.name
    return f"{item.multiples} {unit}s" if item.multiples > 1 else f"{'an' if unit == 'hour' else 'a'} {unit}"


def opted_out(headers: Headers) -> bool:
    """Return True if the client opts out of tracking (`DNT` or Global Privacy Control)."""
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
    """Parse the address in one hop of a forwarding header, which may have a port or brackets. Returns None if it is not an address."""
    text = text.strip()
    if text.count(":") == 1:
        text = text.partition(":")[0]
    elif text.startswith("["):
        text = text[1:].partition("]")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
