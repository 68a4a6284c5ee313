"""Grouping of addresses for rate limits. An IPv6 client controls a /64, and often a /56 or a /48."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

# IPv6 prefix lengths, each with its limit as a multiple of the limit of one address.
_PREFIXES = ((64, 1), (56, 4), (48, 16))


@lru_cache(maxsize=4096)
def limit_network(address: str) -> str:
    """Return the key for rate limits: an IPv4 address, or the /64 of an IPv6 address."""
    return networks_of(address)[0][0]


@lru_cache(maxsize=4096)
def networks_of(address: str) -> tuple[tuple[str, int], ...]:
    """Return the IPv4 address, or the networks of an IPv6 address, each with its multiple of the limit."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ((address, 1),)
    if isinstance(parsed, ipaddress.IPv4Address):
        return ((address, 1),)
    if parsed.ipv4_mapped is not None:
        return ((str(parsed.ipv4_mapped), 1),)
    return tuple((str(ipaddress.ip_network((int(parsed) >> 128 - bits << 128 - bits, bits))), times) for bits, times in _PREFIXES)
