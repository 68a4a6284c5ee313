"""Who is asking: an admin by token, a script by key, a person by session; or nobody, who sees what is public."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, parse
from litestar.datastructures import State

from server.headers import AUTHORIZATION, FOOTFALL_KEY
from server.ingest.guesses import has_key
from server.ingest.networks import limit_network
from server.problems import Forbidden, Limited, Unauthorized
from server.storage.projects import ADMINS, Projects, sessions

COOKIE = "footfall_session"
STRANGERS = parse("240/minute")  # operations of one address without a login: a public dashboard's page asks a handful
EVERY = ADMINS  # in the place of a project: all of them


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking. `project` is `EVERY` for whoever may look at all of them; `label` is what the audit log calls them."""

    kind: str
    scopes: frozenset[str]
    project: int
    label: str
    session: int | None = None
    key: int | None = None

    def may(self, scope: str, project: int) -> bool:
        """Whether they may `read` or `admin` a project, or all of them (`EVERY`). Who may change may look."""
        return bool(self.scopes & {scope, "admin"}) and self.project in (EVERY, project)


async def viewer(state: State, headers: Mapping[bytes, bytes], token: str | None = None) -> Viewer | None:
    """Who sent these headers; None for nobody. `token` is one that came another way, as in a WebSocket's first message.

    A cookie counts only where the request comes from a page of ours: a browser sends it with requests of other sites, too.
    Raises Unauthorized for a key or a session that is not known.
    """
    if token is not None:
        headers = {AUTHORIZATION: b"Bearer " + token.encode("latin-1", "replace")}
    if AUTHORIZATION in headers or FOOTFALL_KEY in headers:
        return await _by_key(state.projects, headers)
    cookie = session_cookie(headers)
    if cookie is None or not same_site(headers):
        return None
    found = await sessions.find(state.store, cookie, time.time_ns() // 1_000_000)
    if found is None:
        return None
    return Viewer("session", frozenset(found.scopes), found.project, f"session {found.id}", session=found.id, key=found.key)


async def counted_viewer(state: State, scope: Any) -> Viewer | None:
    """Who asks by HTTP. Those who are not known may not ask often, and whoever brings wrong keys brings none for a while.

    Raises Unauthorized, Forbidden, Limited.
    """
    who = await guarded_viewer(state, scope)
    if who is None:
        await count(state, STRANGERS, "graphql", scope)
    return who


async def guarded_viewer(state: State, scope: Any, token: str | None = None) -> Viewer | None:
    """Like `viewer`, where a wrong key counts as a guess. Raises Unauthorized, Forbidden, Limited."""
    headers = headers_of(scope)
    if token is None and not has_key(headers):
        return await viewer(state, headers)
    peer = scope["client"][0] if scope.get("client") else ""
    found: Viewer | None = await state.gate.guesses.guard(state.gate.address(peer, headers), lambda: viewer(state, headers, token))
    return found


async def _by_key(projects: Projects, headers: Mapping[bytes, bytes]) -> Viewer:
    try:
        key = await projects.key(headers)
    except Unauthorized:
        raise Unauthorized("The key is unknown or was revoked.") from None
    if key is None:
        raise Unauthorized("The key is unknown or was revoked.")
    if not key.scopes & {"read", "admin"}:
        raise Forbidden("This key has neither the scope read nor admin.")
    return Viewer("key", key.scopes, key.project.id if key.project else EVERY, f"key {key.id}", key=key.id)


def session_cookie(headers: Mapping[bytes, bytes]) -> str | None:
    """The session's cookie, None where there is none."""
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def same_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    fetched = headers.get(b"sec-fetch-site")
    if fetched is not None:  # which no page can forge; beside it an origin may be hidden by the page's policy on referrers
        return fetched in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host", b"")


def address_of(state: State, scope: Any) -> str:
    """What the limits know the one as who asks: an address, or a network of them. For counting, never to be kept."""
    peer = scope["client"][0] if scope.get("client") else ""
    return limit_network(state.gate.address(peer, headers_of(scope)))


async def count(state: State, item: RateLimitItem, what: str, scope: Any) -> None:
    """Count a try of one address, over all replicas. Raises Limited."""
    standing = await state.gate.limits.hit(item, item.key_for(what, address_of(state, scope)))
    if not standing.allowed:
        raise Limited("Too many attempts from this address.", retry_after=standing.reset)


def headers_of(scope: Any) -> dict[bytes, bytes]:
    """The headers of an ASGI scope."""
    return dict(scope["headers"])
