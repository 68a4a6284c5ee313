"""The ASGI application in front of Litestar: ingest routes go to `Ingest`, all other routes to Litestar.

Posts are by far the most frequent requests, and Litestar's routing would be a large part of their cost; the same holds for cached public
responses. The front also tolerates duplicate and trailing slashes without a redirect, resolves a project in the path, and handles HEAD for
every GET route.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from server.headers import AUTHORIZATION, FOOTFALL_KEY, IF_NONE_MATCH, combine_lines
from server.ingest.asgi import Reply, Scope
from server.ingest.pipeline import Ingest
from server.ingest.routing import Match, Routes
from server.public import ResponseCache
from server.storage.projects import SCOPE_SLUG, Projects
from server.tasks import run_while_connected

_PLAIN = re.compile(rb"/[\w/.~-]*").fullmatch  # no escapes, no query, and no absolute URL as proxies send it
_MAX_TARGET = 512  # bytes; longer targets are not cached, so that clients cannot fill the memory
# Routes of the whole server, which operators block at a proxy. They have no second path under a project; /metrics has one spelling only.
_SERVER_ROUTES = frozenset({"/metrics", "/graphql", "/login", "/logout"})
_NOT_SERVED = "/not-served"
_PROJECT = re.compile(r"/p/([^/]+)(/.*)?")
_SLASHES = re.compile(r"/{2,}")
_CONDITIONAL_HEADERS = (AUTHORIZATION, FOOTFALL_KEY, IF_NONE_MATCH)  # requests with these headers may get another response
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Front:
    """The ASGI application.

    `ingest`, `answers` and `projects` are set once the server has started, `first_token` if that start created the first admin's token, and
    `failure` if the server could not start. `later` loads the parts that startup defers; requests that need them wait.
    """

    def __init__(self, routes: Routes, inner: Any, *, base: str = "") -> None:
        self._base = base
        self._routes = routes
        self._inner = inner
        self._ingest_route = lru_cache(maxsize=4096)(self._find_ingest_route)
        self.ingest: Ingest | None = None
        self.response_cache: ResponseCache | None = None
        self.projects: Projects | None = None
        self.first_token: str | None = None
        self.failure: Exception | None = None
        self.later: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        path, slug = plain_path(scope["path"], self._base)
        scope["headers"] = combine_lines(scope["headers"])
        if scope["type"] == "http" and self.ingest is not None:
            match = self._routes.find(path)
            if match is not None:
                await self.ingest(scope, receive, send, match, slug)
                return
        if _is_detour(scope, path, slug, self._base):
            path = _NOT_SERVED
        inside = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), SCOPE_SLUG: slug}
        if scope["type"] == "http":
            head = scope["method"] == "HEAD"
            if head:
                inside["method"] = "GET"
            send = _add_security_headers(send, head=head)
            if scope["method"] == "POST" and self.ingest is not None:
                statuses: list[int] = []
                await self._inner(inside, receive, _record_status(send, statuses))
                if statuses and statuses[0] in (404, 405):
                    await self.ingest.unserved.note(scope, path, slug)
                return
            if inside["method"] == "GET":  # a request with another method may change something: it is completed
                await run_while_connected(self._inner, inside, receive, send)
                return
        await self._inner(inside, receive, send)

    def take_at_once(
        self, target: bytes, peer: str, headers: list[tuple[bytes, bytes]], body: bytes, answer: Callable[[Reply], None]
    ) -> bool:
        """Ingest a complete POST without ASGI; see `Ingest.take_at_once`. Returns False if it needs ASGI. `target` is the raw request target."""
        if self.ingest is None or len(target) > _MAX_TARGET:
            return False
        match, slug = self._ingest_route(target)
        if match is None:
            return False
        named = dict(headers)
        # Headers on several lines are rare; the ordinary path joins them.
        return len(named) == len(headers) and self.ingest.take_at_once(match, slug, peer, named, body, answer)

    def ready(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> Reply | None:
        """Return the cached response to the same GET request, if it applies to this one."""
        path, slug = _plain_target(target, self._base) if len(target) <= _MAX_TARGET else (None, None)
        if path is None or self.response_cache is None or self.projects is None:
            return None
        ready = self.response_cache.ready(path, slug)
        if ready is None:
            return None
        named = dict(headers)
        if len(named) != len(headers) or any(name in named for name in _CONDITIONAL_HEADERS):
            return None
        found = self.projects.find_known(named, slug)
        if found is None or found[0] is not ready.project:
            return None
        return Reply(200, ready.headers, ready.page.content.body)

    def _find_ingest_route(self, target: bytes) -> tuple[Match | None, str | None]:
        path, slug = _plain_target(target, self._base)
        return (None, None) if path is None else (self._routes.find(path), slug)


@lru_cache(maxsize=4096)
def _plain_target(target: bytes, base: str) -> tuple[str | None, str | None]:
    """Return the path and the project's slug of a plain request target, or None for both."""
    return plain_path(target.decode("ascii"), base) if _PLAIN(target) else (None, None)


def _is_detour(scope: Scope, path: str, slug: str | None, base: str) -> bool:
    """Return True if a path would bypass a proxy that blocks a server route."""
    if path not in _SERVER_ROUTES:
        return False
    written = scope["path"], scope.get("raw_path", scope["path"].encode())
    plain = (("/metrics", b"/metrics"), (f"{base}/metrics", f"{base}/metrics".encode()))
    return slug is not None or (path == "/metrics" and written not in plain)


def _add_security_headers(send: Any, *, head: bool) -> Any:
    """Wrap `send` to add `X-Content-Type-Options: nosniff`, and to drop the body of a HEAD response."""

    async def guarded(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if not any(name == _NOSNIFF[0] for name, _ in message["headers"]):
                message = {**message, "headers": [*message["headers"], _NOSNIFF]}
        elif head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return guarded


def _record_status(send: Any, statuses: list[int]) -> Any:
    """Wrap `send` to record the status of the response."""

    async def noted(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        await send(message)

    return noted


def plain_path(path: str, base: str = "") -> tuple[str, str | None]:
    """Return the normalized path and the slug of the project that it names. Strips the base path if the proxy did not."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if base and path.startswith(base) and path[len(base) : len(base) + 1] in ("", "/"):
        path = path[len(base) :] or "/"
    slug = None
    if path.startswith("/p/") and (match := _PROJECT.fullmatch(path)):
        slug, path = match[1], match[2] or "/"
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    return path or "/", slug
