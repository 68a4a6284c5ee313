"""Where an alert may be sent: to addresses of the public internet, and to nothing inside.

Somebody who may make a rule must not be able to make this server talk to what only it can reach: other services of its machine or network,
or the cloud's metadata service. A name is therefore looked up once, each of its addresses is checked, and the connection is made to the very
address that was checked: a name that answers differently the next time (DNS rebinding) gains nothing.

What is special is taken from IANA's registries (iana-ipv4-special-registry, iana-ipv6-special-registry) and written down, because Python's own
`is_global` changes from one release to the next.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpx

from server.jobs.exchange import StatusTransport

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]

URL_LENGTH = 2_000


class Refused(Exception):
    """Nothing is sent there. The message says why, without what a URL may hold that is secret."""


class Unresolved(Refused):
    """No address is known for the host now. That may pass: name servers are away, too, when a network is."""


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in text.split())


# Never, whatever is allowed: nobody is there, everybody is, or it is the metadata service of a cloud.
_NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
# A network of one's own: allowed where a setting says so.
_PRIVATE = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15")
_PRIVATE_6 = _networks("::1/128 fc00::/7")
# Of IPv6, only what is given out as public; and of that not protocols' own, documentation, and old tunnels that lead to any IPv4 address.
_PUBLIC_6 = _networks("2000::/3")
_NEVER_6 = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_EMBEDDED = (1 << 32) - 1
# Metadata and platform services of clouds outside 169.254.0.0/16: addresses that are otherwise public, or private. Azure, Alibaba, AWS, Google, Oracle.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"))
)
_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"})


def allowed(address: Address, *, private: bool = False) -> bool:
    """Whether an alert may be sent to an address. `private` allows networks of one's own."""
    if address in _METADATA:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        if any(address in network for network in _NEVER):
            return False
        return private or not any(address in network for network in _PRIVATE)
    if address.scope_id is not None:
        return False
    if address in _NAT64:  # how an IPv4 address is reached where there is only IPv6
        return allowed(ipaddress.IPv4Address(int(address) & _EMBEDDED), private=private)
    if any(address in network for network in _PRIVATE_6):
        return private
    return any(address in network for network in _PUBLIC_6) and not any(address in network for network in _NEVER_6)


def check_url(text: str) -> httpx.URL:
    """The URL of a webhook as it may be kept. Refused says what is wrong with it."""
    if len(text) > URL_LENGTH or not text.isprintable():
        raise Refused("a webhook's address is a line of at most 2,000 characters")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise Refused("a webhook's address is written as https://host/path") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise Refused("a webhook's address begins with https:// or http:// and a host")
    if url.host.lower().rstrip(".") in _METADATA_HOSTS:
        raise Refused("a webhook's host is not the metadata service of a cloud")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise Refused("a webhook's port is 1 to 65535")
    if url.userinfo:
        raise Refused("a webhook's address holds no user and password; the signature says who is calling")
    if url.fragment:
        raise Refused("a webhook's address has no part after #: it would never be sent")
    return url


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unresolved("the host of the webhook is not known") from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def check_addresses(texts: Iterable[str], *, private: bool) -> list[str]:
    """The addresses of a host, where an alert may be sent to every one of them. Raises Refused."""
    texts = list(texts)
    for text in texts:
        if not allowed(ipaddress.ip_address(text), private=private):
            raise Refused("the host of the webhook has an address that is not public")
    if not texts:
        raise Refused("the host of the webhook has no address")
    return texts


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was checked; the Host header and the name in TLS stay those of the URL."""

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
        raise Refused("the host of the webhook has no address")

    async def aclose(self) -> None:
        await self._inner.aclose()
