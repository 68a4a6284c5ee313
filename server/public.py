"""What can be read without a login. What is public follows the project's settings; the rest wants a key with the scope `read`."""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath

from server.analytics.counts import PackCounts, pack_counts
from server.event import DAY
from server.problems import Forbidden, NotFound, Unauthorized
from server.storage.engine import Store
from server.storage.projects import SCOPE_SLUG, LiveProject, Projects

AnyRequest = Request[object, object, State]

_MAX_AGE = "public, max-age=60"
_FRESH_FOR = 1.0  # seconds that a computed answer may serve where other processes may have written meanwhile
_MOST_CACHED = 256


class _Page(NamedTuple):
    body: bytes
    etag: str
    version: int
    until: float


class Counts:
    """The download counts of each project as ready answers, made anew when something was stored or a second has passed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages: dict[tuple[int, int, str | None], _Page] = {}

    async def page(self, project: int, pack: str | None = None) -> _Page:
        """The answer for all packs, or for one. Raises NotFound for a pack without downloads."""
        today = time.time_ns() // 1_000_000 // DAY
        key = (project, today, pack)
        page = self._pages.get(key)
        if page is None or page.version != self._store.version or page.until < time.monotonic():
            version = self._store.version
            counts: object = await pack_counts(self._store, project, today, pack)
            if pack is not None:
                counts = _one(counts, pack)
            body = msgspec.json.encode(counts)
            page = _Page(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', version, time.monotonic() + _FRESH_FOR)
            if len(self._pages) >= _MOST_CACHED:
                self._pages.clear()
            self._pages[key] = page
        return page


def _one(counts: object, pack: str) -> PackCounts:
    if not isinstance(counts, dict) or pack not in counts:
        raise NotFound("This pack has no downloads here.")
    found: PackCounts = counts[pack]
    return found


async def readable(request: AnyRequest, projects: Projects, part: str) -> LiveProject:
    """The project that a request reads, where it may. `part` is one of `settings.PUBLIC_PARTS`. Raises Unauthorized, Forbidden."""
    if projects.stale:
        await projects.refresh()
    project, key = projects.find(dict(request.scope["headers"]), request.scope.get(SCOPE_SLUG))  # type: ignore[arg-type]
    if part not in project.public:
        if key is None:
            raise Unauthorized("This is not public here: it wants a key with the scope read.")
        if not key.scopes & {"read", "admin"}:
            raise Forbidden("This key does not have the scope read.")
    return project


def cached(request: AnyRequest, page: _Page) -> Response[bytes]:
    """A page with its ETag, or 304 where the client has it already."""
    headers = {"ETag": page.etag, "Cache-Control": _MAX_AGE, "Access-Control-Allow-Origin": "*"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if page.etag in known or "*" in known:
        return Response(b"", status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type="application/json")


_KNOWN = ResponseSpec(None, generate_examples=False, description="It is as you know it.")
_COUNTS = {"total": 12847, "last7d": 892, "today": 47}
_ALL_COUNTS = ResponseSpec(
    dict[str, PackCounts], generate_examples=False, description="The counts, by pack.", examples=[Example(value={"peon": _COUNTS})]
)
_PACK_COUNTS = ResponseSpec(PackCounts, generate_examples=False, description="The counts.", examples=[Example(value=_COUNTS)])


@get("/counts", summary="Downloads of every pack", tags=["Reading"], responses={200: _ALL_COUNTS, 304: _KNOWN})
async def counts(request: AnyRequest, state: State) -> Response[bytes]:
    """Most downloaded first. Days are in UTC; `last7d` is today and the six before."""
    project = await readable(request, state.projects, "counters")
    return cached(request, await state.counts.page(project.id))


@get("/counts/{pack:str}", summary="Downloads of one pack", tags=["Reading"], responses={200: _PACK_COUNTS, 304: _KNOWN})
async def counts_of_pack(request: AnyRequest, state: State, pack: FromPath[str]) -> Response[bytes]:
    """The same for one of them."""
    project = await readable(request, state.projects, "counters")
    return cached(request, await state.counts.page(project.id, pack))


HANDLERS = (counts, counts_of_pack)
