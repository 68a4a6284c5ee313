"""Ready answers, with what caches want to know of them: ETag, age, and by which names a CDN may throw them away."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec
from litestar import Response

from server.analytics.reuse import LARGE, SHARE, SLOW
from server.public.access import AnyRequest
from server.public.origins import ANY_ORIGIN
from server.storage.engine import Store
from server.storage.projects import LiveProject

JSON = "application/json"
_FRESH_FOR = 1.0  # seconds that an answer may serve where other processes may have written meanwhile
_MAX_AGE = 60  # seconds that others may keep a public answer, and we one that took long
_AT_ONCE = 2  # answers that are worked out: whoever asks for many different ones leaves a reader to the rest of the server
_MOST_KEPT = 256
_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """What an answer says, before anything is known of who asks."""

    body: bytes
    media_type: str = JSON
    surrogate_key: str = ""


class Page(NamedTuple):
    """An answer that was worked out, and until when it may be given again; `version` is None where it may be, whatever is stored meanwhile."""

    content: Content
    etag: str
    version: int | None
    until: float


def json(value: Any) -> Content:
    """An answer in JSON."""
    return Content(_encode(value))


class Answers:
    """Answers by what they are about, made anew when something was stored or a second has passed; each by one request at a time.

    Of a large store an answer may take long, and anybody may ask: it is given again for twenty times as long, but for a minute at most.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages: dict[Hashable, Page] = {}
        self._making: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._some = asyncio.Semaphore(_AT_ONCE)

    async def page(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Page:
        """The answer with that key, from `make` where there is none that is still true. Raises what `make` raises."""
        if (page := self._fresh(key)) is not None:
            return page
        # Whoever asks for the same meanwhile waits here and finds it done: a busy page costs one reading at a time.
        lock = self._making.get(key)
        if lock is None:
            lock = self._making[key] = asyncio.Lock()
        async with lock:
            if (page := self._fresh(key)) is not None:
                return page
            page = await self._made(make)
            if len(self._pages) >= _MOST_KEPT:
                self._pages.clear()
            self._pages[key] = page
            return page

    async def _made(self, make: Callable[[], Awaitable[Content]]) -> Page:
        async with self._some:
            version: int | None = self._store.version
            began = time.monotonic()
            content = await make()
            took = time.monotonic() - began
        serves = _FRESH_FOR
        if took > SLOW and self._store.size() > LARGE:
            version, serves = None, min(_MAX_AGE, took / SHARE)
        return Page(content, f'"{hashlib.sha256(content.body).hexdigest()[:32]}"', version, began + took + serves)

    def _fresh(self, key: Hashable) -> Page | None:
        page = self._pages.get(key)
        if page is None or page.version not in (None, self._store.version) or time.monotonic() > page.until:
            return None
        return page


def cached(request: AnyRequest, page: Page, project: LiveProject, part: str | None, *, any_origin: bool = True) -> Response[bytes]:
    """A page with its ETag, or 304 where the client has it already. Caches share what is public: `part` is, or None for what always is."""
    public = part is None or part in project.public
    headers = {"ETag": page.etag, "Cache-Control": f"public, max-age={_MAX_AGE}" if public else "private, no-cache"}
    headers["Vary"] = "Authorization, X-Footfall-Key"  # a key may name another project
    if any_origin:
        headers |= ANY_ORIGIN
    if page.content.surrogate_key:
        headers["Surrogate-Key"] = page.content.surrogate_key
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if page.etag in known or "*" in known:
        return Response(b"", status_code=304, headers=headers)
    return Response(page.content.body, headers=headers, media_type=page.content.media_type)
