"""Addresses as limits count them: an IPv6 client owns its /64, and its provider may have given it a /56 or a /48."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

# Prefixes of IPv6 that are counted, each with how many times as much as one address it may have.
_PREFIXES = ((64, 1), (56, 4), (48, 16))


@lru_cache(maxsize=4096)
def limit_network(address: str) -> str:
    """The address or network that limits count an address as: an IPv6 client owns its whole /64."""
    return networks_of(address)[0][0]


@lru_cache(maxsize=4096)
def networks_of(address: str) -> tuple[tuple[str, int], ...]:
    """The address, or the IPv6 networks around it, each with how many times as much as one address it may have."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ((address, 1),)
    if isinstance(parsed, ipaddress.IPv4Address):
        return ((address, 1),)
    if parsed.ipv4_mapped is not None:
        return ((str(parsed.ipv4_mapped), 1),)
    return tuple((str(ipaddress.ip_network((int(parsed) >> 128 - bits << 128 - bits, bits))), times) for bits, times in _PREFIXES)
