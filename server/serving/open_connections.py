"""Limits on the open connections of one address, and of the IPv6 networks of one provider together."""

from __future__ import annotations

import ipaddress
from collections import Counter

from server.ingest.networks import networks_of
from server.settings import Network

MAX_PER_ADDRESS = 500  # far above a busy office behind one address; IPv6 networks have more, see `networks_of`


class OpenConnections:
    """Counts connections by peer. Loopback, sockets without an address and trusted proxies carry many clients and are not bounded."""

    def __init__(self, trusted: tuple[Network, ...] = (), *, limit: int = MAX_PER_ADDRESS) -> None:
        self._trusted = trusted
        self._limit = limit
        self._open: Counter[str] = Counter()

    def admit(self, peer: str) -> tuple[str, ...] | None:
        """Count a connection, and return the keys for `release`; None if its address or network has too many connections."""
        if self._is_exempt(peer):
            return ()
        networks = networks_of(peer)
        if any(self._open[network] >= self._limit * times for network, times in networks):
            return None
        counted = tuple(network for network, _ in networks)
        self._open.update(counted)
        return counted

    def release(self, counted: tuple[str, ...]) -> None:
        """Stop counting an admitted connection."""
        for network in counted:
            self._open[network] -= 1
            if self._open[network] <= 0:
                del self._open[network]

    def __len__(self) -> int:
        """The number of addresses and networks that are counted."""
        return len(self._open)

    def _is_exempt(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return True
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address.is_loopback or any(address in network for network in self._trusted)
