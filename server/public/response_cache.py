"""Ready answers, with what caches want to know of them: ETag, age, and by which names a CDN may throw them away."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
from litestar import Response

from server.analytics.answer_cache import LARGE, SHARE, SLOW
from server.problems import Busy
from server.public.cors import ANY_ORIGIN
from server.public.public_access import AnyRequest
from server.storage.engine import Store
from server.storage.projects import SCOPE_SLUG, LiveProject

JSON = "application/json"
_FRESH_FOR = 1.0  # seconds that an answer may serve where other processes may have written meanwhile
_MAX_AGE = 60  # seconds that others may keep a public answer, and we one that took long
_A_DAY = 86_400  # seconds
_PATIENCE = 30.0  # seconds that somebody waits for an answer; a database may stand still without saying so
_AT_ONCE = 2  # answers that are worked out: whoever asks for many different ones leaves a reader to the rest of the server
_MOST_KEPT = 256
_encode = msgspec.json.Encoder().encode

K = TypeVar("K")
V = TypeVar("V")


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


class Ready(NamedTuple):
    """A whole answer, with the headers that it was given with.

    `project` is what it is about as it was then: projects that are read again are other objects, as what they show may have changed.
    """

    page: Page
    project: LiveProject
    headers: tuple[tuple[bytes, bytes], ...]


class _Making:
    """A page that is being worked out. `version` is the store's when its reading began, None before that."""

    version: int | None = None
    task: asyncio.Task[Page]


class Answers:
    """Answers by what they are about, made anew when something was stored or a second has passed.

    Whoever asks for the same meanwhile waits for the same, unless something was stored after its reading began. Of a large store an answer
    may take long, and anybody may ask: it is given again for twenty times as long, but for a minute at most.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages: dict[Hashable, Page] = {}
        self._making: dict[Hashable, _Making] = {}
        self._ready: dict[tuple[str, str | None], Ready] = {}
        self._some = asyncio.Semaphore(_AT_ONCE)

    async def page(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Page:
        """The answer with that key, from `make` where there is none that is still true. Raises what `make` raises, and Busy where that takes
        too long."""
        page = self._pages.get(key)
        if page is not None and self._is_true(page):
            return page
        making = self._making.get(key)
        if making is None or making.version not in (None, self._store.version):
            making = self._making[key] = _Making()
            making.task = asyncio.create_task(self._made(key, make, making))
            making.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # all who wait may have gone
        # All are woken at once; with a lock, each would have to wait until the one before had its turn. Who is cancelled takes it from nobody.
        try:
            return await asyncio.wait_for(asyncio.shield(making.task), _PATIENCE)
        except TimeoutError:
            raise Busy("The store does not answer at the moment.", retry_after=5) from None

    async def _made(self, key: Hashable, make: Callable[[], Awaitable[Content]], making: _Making) -> Page:
        try:
            async with self._some:
                page = self._pages.get(key)
                if page is None or not self._is_true(page):
                    page = await self._worked_out(make, making)
                    _keep(self._pages, key, page)
        finally:
            if self._making.get(key) is making:
                del self._making[key]
        return page

    async def _worked_out(self, make: Callable[[], Awaitable[Content]], making: _Making) -> Page:
        version: int | None
        version = making.version = self._store.version
        began = time.monotonic()
        content = await make()
        took = time.monotonic() - began
        serves = _FRESH_FOR
        if took > SLOW and self._store.size() > LARGE:
            version, serves = None, min(_MAX_AGE, took / SHARE)
        serves = min(serves, _A_DAY - time.time() % _A_DAY)  # tomorrow, today is another day
        return Page(content, f'"{hashlib.sha256(content.body).hexdigest()[:32]}"', version, began + took + serves)

    def _is_true(self, page: Page) -> bool:
        return page.version in (None, self._store.version) and time.monotonic() <= page.until

    def remember(self, path: str, slug: str | None, ready: Ready) -> None:
        """What was answered to a request for a path without a query, in full and without a key."""
        _keep(self._ready, (path, slug), ready)

    def ready(self, path: str, slug: str | None) -> Ready | None:
        """The whole answer to a request like that, while it is still true. It is for whoever asks about that project, and for nobody else."""
        ready = self._ready.get((path, slug))
        return ready if ready is not None and self._is_true(ready.page) else None


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def cached(
    request: AnyRequest,
    page: Page,
    project: LiveProject,
    part: str | None,
    *,
    more: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """A page with its ETag, or 304 where the client has it already. Caches share what is public: `part` is, or None for what always is.

    `more` headers, if the page has any of its own.
    """
    public = part is None or part in project.public
    headers = {"ETag": page.etag, "Cache-Control": f"public, max-age={_MAX_AGE}" if public else "private, no-cache"}
    headers["Vary"] = "Authorization, X-Footfall-Key"  # a key may name another project
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
    """Keep the whole answer, which anybody may read, for those who ask for the same."""
    scope = request.scope
    if scope["query_string"]:
        return
    whole = {**headers, "Content-Type": page.content.media_type, "X-Content-Type-Options": "nosniff"}
    told = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in whole.items())
    request.app.state.answers.remember(scope["path"], scope.get(SCOPE_SLUG), Ready(page, project, told))
