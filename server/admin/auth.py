"""Authentication for the admin API: keys and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, parse

from server.clock import epoch_ms
from server.headers import AUTHORIZATION, FOOTFALL_KEY
from server.ingest.guesses import has_key
from server.ingest.networks import limit_network
from server.problems import Forbidden, Limited, Unauthorized
from server.services import Services
from server.storage.projects import ADMINS, Projects, sessions

COOKIE = "footfall_session"
ANONYMOUS_RATE = parse("240/minute")  # operations of one address without a login; a page of a public dashboard sends a handful
ALL_PROJECTS = ADMINS  # stands for all projects where a project's number is expected


@dataclass(frozen=True, slots=True)
class Viewer:
    """An authenticated caller. `project` is `ALL_PROJECTS` for keys of the whole server; `label` is the actor in the audit log."""

    kind: str
    scopes: frozenset[str]
    project: int
    label: str
    session: int | None = None
    key: int | None = None

    def may(self, scope: str, project: int) -> bool:
        """Return whether the caller may `read` or `admin` a project, or all of them (`ALL_PROJECTS`). `admin` includes `read`."""
        return bool(self.scopes & {scope, "admin"}) and self.project in (ALL_PROJECTS, project)


async def viewer(state: Services, headers: Mapping[bytes, bytes], token: str | None = None) -> Viewer | None:
    """Authenticate a request by its headers; return None without credentials.

    `token` is a key from elsewhere, such as a WebSocket's first message. Cookies count only on requests from this server's pages, because browsers
    send them with requests from other sites, too. Raises Unauthorized for an unknown key or session.
    """
    if token is not None:
        headers = {AUTHORIZATION: b"Bearer " + token.encode("latin-1", "replace")}
    if AUTHORIZATION in headers or FOOTFALL_KEY in headers:
        return await _by_key(state.projects, headers)
    cookie = session_cookie(headers)
    if cookie is None or not same_site(headers):
        return None
    found = await sessions.find(state.store, cookie, epoch_ms())
    if found is None:
        return None
    return Viewer("session", frozenset(found.scopes), found.project, f"session {found.id}", session=found.id, key=found.key)


async def rate_limited_viewer(state: Services, scope: Any) -> Viewer | None:
    """Authenticate an HTTP request. Limits callers without credentials, and addresses that send wrong keys.

    Raises Unauthorized, Forbidden, Limited.
    """
    who = await guess_limited_viewer(state, scope)
    if who is None:
        await count(state, ANONYMOUS_RATE, "graphql", scope)
    return who


async def guess_limited_viewer(state: Services, scope: Any, token: str | None = None) -> Viewer | None:
    """Authenticate a request, and count a wrong key as a guess of its address. Raises Unauthorized, Forbidden, Limited."""
    headers = headers_of(scope)
    if token is None and not has_key(headers):
        return await viewer(state, headers)
    peer = scope["client"][0] if scope.get("client") else ""
    return await state.gate.guesses.guard(state.gate.address(peer, headers), lambda: viewer(state, headers, token))


async def _by_key(projects: Projects, headers: Mapping[bytes, bytes]) -> Viewer:
    try:
        key = await projects.key(headers)
    except Unauthorized:
        raise Unauthorized("The key is unknown or was revoked.") from None
    if key is None:
        raise Unauthorized("The key is unknown or was revoked.")
    if not key.scopes & {"read", "admin"}:
        raise Forbidden("The key has neither the `read` nor the `admin` scope.")
    return Viewer("key", key.scopes, key.project.id if key.project else ALL_PROJECTS, f"key {key.id}", key=key.id)


def session_cookie(headers: Mapping[bytes, bytes]) -> str | None:
    """The value of the session cookie; None if there is none."""
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def same_site(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a request comes from a page of this server, or from no page at all."""
    fetched = headers.get(b"sec-fetch-site")
    if fetched is not None:  # pages cannot forge it; a referrer policy may hide the origin
        return fetched in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host", b"")


def address_of(state: Services, scope: Any) -> str:
    """The address of the caller as rate limits see it, or its network. For counting only; never store it."""
    peer = scope["client"][0] if scope.get("client") else ""
    return limit_network(state.gate.address(peer, headers_of(scope)))


async def count(state: Services, item: RateLimitItem, what: str, scope: Any) -> None:
    """Count one attempt of the caller's address, across all replicas. Raises Limited."""
    standing = await state.gate.limits.hit(item, item.key_for(what, address_of(state, scope)))
    if not standing.allowed:
        raise Limited("Too many attempts from this address.", retry_after=standing.reset)


def headers_of(scope: Any) -> dict[bytes, bytes]:
    """The headers of an ASGI scope."""
    return dict(scope["headers"])
