"""Checks of the addresses to which admins let the server post: public internet addresses only (SSRF protection).

An admin who creates a rule must not reach services through this server that only this server can reach: other services on its machine or
network, or a cloud's metadata service. The host name is therefore resolved once, every address is checked, and the connection goes to a
checked address. A name that resolves differently the second time (DNS rebinding) has no effect.

The reserved networks come from IANA's registries (iana-ipv4-special-registry, iana-ipv6-special-registry). They are listed here because
Python's `is_global` changes between releases.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable

import httpx

from server.jobs.exchange import StatusTransport

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]

URL_LENGTH = 2_000
LOOKUPS = 32  # at a time
_lookups = threading.Semaphore(LOOKUPS)


class Refused(Exception):
    """The address is not allowed. The message gives the reason and contains no secret part of the URL."""


class Unresolved(Refused):
    """The host cannot be resolved now. This may be transient: DNS also fails during network outages."""


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in text.split())


# Never allowed: unassigned, multicast and documentation networks, and the metadata services of clouds.
_NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
# Private networks, allowed by a setting.
_PRIVATE = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15")
_PRIVATE_6 = _networks("::1/128 fc00::/7")
# In IPv6, only global unicast is allowed, without protocol assignments, documentation, and tunnels that lead to any IPv4 address.
_PUBLIC_6 = _networks("2000::/3")
_NEVER_6 = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_EMBEDDED = (1 << 32) - 1
# Metadata and platform services outside 169.254.0.0/16, on addresses otherwise public or private: Azure, Alibaba, AWS, Google, Oracle.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"))
)
_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"})


def allowed(address: Address, *, private: bool = False) -> bool:
    """Check whether alerts may be sent to an address. `private` allows private networks."""
    if address in _METADATA:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        if any(address in network for network in _NEVER):
            return False
        return private or not any(address in network for network in _PRIVATE)
    if address.scope_id is not None:
        return False
    if address in _NAT64:  # IPv4 addresses as seen from networks that only have IPv6
        return allowed(ipaddress.IPv4Address(int(address) & _EMBEDDED), private=private)
    if any(address in network for network in _PRIVATE_6):
        return private
    return any(address in network for network in _PUBLIC_6) and not any(address in network for network in _NEVER_6)


def check_url(text: str) -> httpx.URL:
    """Parse and check the URL of a webhook. Raises Refused with the reason."""
    if len(text) > URL_LENGTH or not text.isprintable():
        raise Refused("the URL must be a single line of at most 2,000 characters")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise Refused("the URL must have the form https://host/path") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise Refused("the URL must begin with https:// or http:// and a host")
    if url.host.lower().rstrip(".") in _METADATA_HOSTS:
        raise Refused("the host is the metadata service of a cloud")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise Refused("the port of a webhook must be 1 to 65535")
    if url.userinfo:
        raise Refused("the URL must not contain a user or password")
    if url.fragment:
        raise Refused("the URL must not contain a fragment (#): it is never sent")
    return url


async def lookup(host: str, port: int) -> list[str]:
    """Resolve a host with the system's resolver, which may block for half a minute.

    It runs in a thread of its own, because neither the event loop's threads nor the end of the process may wait for it.
    """
    if not _lookups.acquire(blocking=False):
        raise Unresolved("the host cannot be resolved: too many names wait for DNS")
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str] | None) -> None:
        if found.cancelled():
            return
        if addresses is None:
            found.set_exception(Unresolved("the host cannot be resolved"))
        else:
            found.set_result(addresses)

    def resolve() -> None:
        addresses = None
        with contextlib.suppress(OSError, ValueError):
            addresses = list(dict.fromkeys(str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        _lookups.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, addresses)

    threading.Thread(target=resolve, name="footfall-lookup", daemon=True).start()
    return await found


def check_addresses(texts: Iterable[str], *, private: bool) -> list[str]:
    """Check every address of a host and return them. Raises Refused."""
    texts = list(texts)
    for text in texts:
        if not allowed(ipaddress.ip_address(text), private=private):
            raise Refused("the host resolves to an address that is not public")
    if not texts:
        raise Refused("the host has no address")
    return texts


class CheckedTransport(httpx.AsyncBaseTransport):
    """A transport that connects to the checked address. The Host header and the TLS server name stay those of the URL."""

    def __init__(self, *, private: bool = False, resolver: Resolver = lookup, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._private = private
        self._resolver = resolver
        self._inner = inner or StatusTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = check_addresses(await self._resolver(host, port), private=self._private)
        request.extensions = {**request.extensions, "sni_hostname": host}
        url = request.url
        for place, address in enumerate(addresses):
            request.url = url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
        raise Refused("the host has no address")

    async def aclose(self) -> None:
        await self._inner.aclose()
