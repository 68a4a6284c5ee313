"""Listening sockets: one per address, and IPv4 only on machines without IPv6."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Bind a socket per address. Skips IPv6 addresses that this machine does not have, unless there are no others. Raises OSError."""
    bound: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for host in hosts:
            try:
                bound.append(_bind(host, port))
            except OSError as error:
                if ":" not in host or error.errno not in _NO_IPV6:
                    raise
                missing = error
        if missing is not None and not bound:
            raise missing
    except BaseException:
        for each in bound:
            each.close()
        raise
    return bound


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise `::` would also accept IPv4 clients, with IPv6 addresses.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
    except BaseException:
        listening.close()
        raise
    return listening
