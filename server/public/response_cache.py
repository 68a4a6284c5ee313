"""Cache of public responses, with the headers for HTTP caches: ETag, age and surrogate keys."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple

import msgspec
from litestar import Response

from server.caching import SingleFlightCache
from server.problems import Busy
from server.public.cors import ANY_ORIGIN
from server.public.public_access import AnyRequest
from server.questions.answer_cache import LARGE, SHARE, SLOW
from server.services import services_of
from server.storage.engine import Store
from server.storage.projects import LiveProject, slug_of

JSON = "application/json"
_FRESH_FOR = 1.0  # seconds that a response is reused, as other processes may have written meanwhile
_MAX_AGE = 60  # seconds that HTTP caches keep public responses, and that we keep slow ones
_A_DAY = 86_400  # seconds
_WAIT_LIMIT = 30.0  # seconds that a request waits; a database may hang without an error
_AT_ONCE = 2  # concurrent computations: the rest keeps database readers free for other requests
_MOST_KEPT = 256
_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """The body of a response, independent of the request."""

    body: bytes
    media_type: str = JSON
    surrogate_key: str = ""


class Page(NamedTuple):
    """A computed response that may be reused until `until`, while the store's version is `version`; None for any version."""

    content: Content
    etag: str
    version: int | None
    until: float


def json(value: Any) -> Content:
    """Encode a value as JSON."""
    return Content(_encode(value))


class CachedResponse(NamedTuple):
    """A complete response with its headers.

    `project` is the project as it was then. A reloaded project is another object, because its settings may have changed.
    """

    page: Page
    project: LiveProject
    headers: tuple[tuple[bytes, bytes], ...]


class ResponseCache:
    """Responses by key, recomputed after a write or a second.

    Concurrent requests for the same key share one computation (single-flight), unless a write came after its reading began. Slow
    responses of a large store are reused for twenty times as long as they took, but at most for a minute.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages: SingleFlightCache[Hashable, Page] = SingleFlightCache(
            _MOST_KEPT, self._is_fresh, version=lambda: store.version, at_once=_AT_ONCE, is_cancelled=True
        )
        self._ready: SingleFlightCache[tuple[str, str | None], CachedResponse] = SingleFlightCache(
            _MOST_KEPT, lambda ready: self._is_fresh(ready.page)
        )

    async def page(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Page:
        """Return the response with this key, computed by `make` unless a fresh one is cached.

        Raises the errors of `make`, and Busy if it takes too long.
        """
        page = self._pages.get(key)
        if page is not None:
            return page
        try:
            return await asyncio.wait_for(self._pages.find(key, lambda: self._compute(make)), _WAIT_LIMIT)
        except TimeoutError:
            raise Busy("The database does not respond.", retry_after=5) from None

    async def _compute(self, make: Callable[[], Awaitable[Content]]) -> Page:
        version: int | None = self._store.version
        began = time.monotonic()
        content = await make()
        took = time.monotonic() - began
        serves = _FRESH_FOR
        if took > SLOW and self._store.size() > LARGE:
            version, serves = None, min(_MAX_AGE, took / SHARE)
        serves = min(serves, _A_DAY - time.time() % _A_DAY)  # responses contain counts of today: they expire at midnight UTC
        return Page(content, f'"{hashlib.sha256(content.body).hexdigest()[:32]}"', version, began + took + serves)

    def _is_fresh(self, page: Page) -> bool:
        return page.version in (None, self._store.version) and time.monotonic() <= page.until

    def remember(self, path: str, slug: str | None, ready: CachedResponse) -> None:
        """Store the complete public response to a request without a query and a key."""
        self._ready.keep((path, slug), ready)

    def ready(self, path: str, slug: str | None) -> CachedResponse | None:
        """Return the complete response to such a request, while it is fresh. The caller checks that the project is the same."""
        return self._ready.get((path, slug))


def cached(
    request: AnyRequest,
    page: Page,
    project: LiveProject,
    part: str | None,
    *,
    more: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """Respond with a page, or with 304 if the client has it.

    HTTP caches share public responses: those whose `part` is public, or None for routes that are always public. `more` are additional
    headers.
    """
    public = part is None or part in project.public
    headers = {"ETag": page.etag, "Cache-Control": f"public, max-age={_MAX_AGE}" if public else "private, no-cache"}
    headers["Vary"] = "Authorization, X-Footfall-Key"  # a key may select another project
    headers |= ANY_ORIGIN
    if page.content.surrogate_key:
        headers["Surrogate-Key"] = page.content.surrogate_key
    headers |= more or {}
    if public:
        _remember(request, page, project, headers)
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if page.etag in known or "*" in known:
        return Response(b"", status_code=304, headers=headers)
    return Response(page.content.body, headers=headers, media_type=page.content.media_type)


def _remember(request: AnyRequest, page: Page, project: LiveProject, headers: dict[str, str]) -> None:
    """Cache the complete public response for requests of the same URL."""
    scope = request.scope
    if scope["query_string"]:
        return
    whole = {**headers, "Content-Type": page.content.media_type, "X-Content-Type-Options": "nosniff"}
    encoded = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in whole.items())
    services_of(request.app).response_cache.remember(scope["path"], slug_of(scope), CachedResponse(page, project, encoded))
