"""Checks of the address and port, trusted proxies and limits."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterator

import httpx
import msgspec

from server import __version__
from server.doctor.finding import Finding
from server.listening import bind
from server.settings import Settings
from server.storage.engine import instance_id, read_secret

ANSWER_WITHIN = 2.0  # seconds

_NO_PROXY = (
    "put a proxy that speaks HTTPS before it, and name the proxy's network, as in FOOTFALL_TRUSTED_PROXIES=private: "
    "else all clients behind it look like one address and share one rate limit"
)
_ALL = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class _StoreHealth(msgspec.Struct, frozen=True):
    writable: bool


class _Health(msgspec.Struct, frozen=True):
    """The part of a response of the health route that identifies any version of Footfall, and states whether it accepts events."""

    version: str
    store: _StoreHealth
    status: str
    queued: int
    instance: str | None = None


def port(settings: Settings) -> Iterator[Finding]:
    """Check that the port is free, or that Footfall already runs there."""
    where = f"{settings.host}:{settings.port}"
    if settings.port > 65535:
        yield Finding("problem", f"FOOTFALL_PORT is {settings.port}, but ports end at 65535", "set FOOTFALL_PORT")
        return
    try:
        taken = _taken(settings)
    except OSError as error:
        yield _unbindable(where, error)
        return
    if taken:
        yield _served(settings, where)
    else:
        yield Finding("ok", f"{where} is free: no server runs there now")


def _taken(settings: Settings) -> bool:
    """Check whether the port is in use. Raises OSError if it cannot be bound at all."""
    try:
        probes = bind(settings.hosts, settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return True
    for probe in probes:
        probe.close()
    return False


def _unbindable(where: str, error: OSError) -> Finding:
    if error.errno == errno.EACCES:
        fix = "listen above 1023, behind a proxy, or give the service CAP_NET_BIND_SERVICE"
        return Finding("problem", f"the server cannot listen on {where}: ports below 1024 require root", fix)
    fix = "set FOOTFALL_HOST to an address of this machine, such as 127.0.0.1, or to :: for all addresses"
    return Finding("problem", f"the server cannot listen on {where}: {error.strerror or error}", fix)


def _served(settings: Settings, where: str) -> Finding:
    health = _health(settings)
    if health is None:
        fix = f"set FOOTFALL_PORT to another one; `ss -ltnp 'sport = :{settings.port}'` shows the process"
        return Finding("problem", f"{where} is in use by another program", fix)
    version = health.version
    ours = _instance(settings)
    if ours is not None and health.instance not in (None, ours):
        fix = (
            f"set FOOTFALL_PORT to another one, or FOOTFALL_DATA_DIR to its folder; {settings.data_dir.resolve()} is what was examined here"
        )
        return Finding("problem", f"the Footfall on {where} serves a different store than these settings", fix)
    if not health.store.writable:
        fix = "see its log, and the findings above"
        return Finding("problem", f"Footfall {version} runs on {where}, but its store accepts no writes", fix)
    if version != __version__:
        return Finding("warning", f"Footfall {version} runs on {where}, but this is {__version__}", "restart the server")
    return Finding("ok", f"Footfall {version} runs on {where} and accepts events")


def _instance(settings: Settings) -> str | None:
    """The instance id of a server with these settings, or None if this user cannot read its secret."""
    try:
        return instance_id(settings, read_secret(settings))
    except PermissionError:
        return None


def _health(settings: Settings) -> _Health | None:
    """The response of the health route, or None if the program on this port does not respond as Footfall."""
    try:
        response = httpx.get(f"{settings.local_url}/health", timeout=ANSWER_WITHIN, trust_env=False)
        return msgspec.json.decode(response.content, type=_Health)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeDecodeError):
        return None


def address(settings: Settings) -> Iterator[Finding]:
    """Check which machines can reach the server, which proxies it trusts, and which limits apply."""
    if _is_local(settings):
        hint = "" if settings.trusted_proxies else "behind a proxy on this machine, set FOOTFALL_TRUSTED_PROXIES=loopback"
        yield Finding("ok", f"{settings.host} can be reached from this machine only", hint)
    elif not settings.trusted_proxies:
        shown = "all addresses of this machine" if set(settings.hosts) & set(_ALL) else settings.host
        yield Finding("warning", f"it listens on {shown} and does not use TLS, and FOOTFALL_TRUSTED_PROXIES names no proxy", _NO_PROXY)
    yield from _proxies(settings)
    yield from _limits(settings)


def _proxies(settings: Settings) -> Iterator[Finding]:
    header = settings.client_ip_header or "X-Forwarded-For"
    if settings.client_ip_header and not settings.trusted_proxies:
        what = f"FOOTFALL_CLIENT_IP_HEADER ({header}) is never trusted, because FOOTFALL_TRUSTED_PROXIES names no proxy"
        yield Finding("problem", what, "name the proxy's networks in FOOTFALL_TRUSTED_PROXIES")
    elif any(network.prefixlen == 0 for network in settings.trusted_proxies):
        what = f"{header} is trusted from any address: a client that reaches the port can claim any address and evade its rate limit"
        fix = "name the proxy's networks in FOOTFALL_TRUSTED_PROXIES; use `any` only if nothing but the proxy can reach the port"
        yield Finding("warning", what, fix)
    elif settings.trusted_proxies:
        yield Finding("ok", f"{header} is trusted from {', '.join(map(str, settings.trusted_proxies))}")


def _limits(settings: Settings) -> Iterator[Finding]:
    off = [
        name
        for name, limit in (("FOOTFALL_RATE_LIMIT", settings.rate_limit), ("FOOTFALL_EVENT_LIMIT", settings.event_limit))
        if limit is None
    ]
    if off and not _is_local(settings):
        yield Finding("warning", f"{' and '.join(off)} set no limit: one client can fill the disk", "leave it out for the default")


def _is_local(settings: Settings) -> bool:
    return all(map(_is_loopback, settings.hosts))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
