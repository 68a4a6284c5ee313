"""Downloads of packs, for a site that shows them."""

from __future__ import annotations

import time

from litestar import Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath

from server.analytics.pack_downloads import PackCounts, pack_counts
from server.event import DAY
from server.problems import NotFound
from server.public.cors import OPEN
from server.public.public_access import AnyRequest, readable
from server.public.response_cache import Content, Page, cached, json
from server.storage.projects import LiveProject

PART = "counters"

KNOWN = ResponseSpec(None, generate_examples=False, description="It is as you know it.")
_COUNTS = {"total": 12847, "last7d": 892, "today": 47}
_ALL_COUNTS = ResponseSpec(
    dict[str, PackCounts], generate_examples=False, description="The counts, by pack.", examples=[Example(value={"peon": _COUNTS})]
)
_PACK_COUNTS = ResponseSpec(PackCounts, generate_examples=False, description="The counts.", examples=[Example(value=_COUNTS)])


@get("/counts", summary="Downloads of every pack", tags=["Reading"], responses={200: _ALL_COUNTS, 304: KNOWN}, opt=OPEN)
async def counts(request: AnyRequest, state: State) -> Response[bytes]:
    """Most downloaded first. Days are in UTC; `last7d` is today and the six before."""
    project = await readable(request, PART)
    return cached(request, await _page(state, project), project, PART)


@get("/counts/{pack:str}", summary="Downloads of one pack", tags=["Reading"], responses={200: _PACK_COUNTS, 304: KNOWN}, opt=OPEN)
async def counts_of_pack(request: AnyRequest, state: State, pack: FromPath[str]) -> Response[bytes]:
    """The same for one of them."""
    project = await readable(request, PART)
    return cached(request, await _page(state, project, pack), project, PART)


async def _page(state: State, project: LiveProject, pack: str | None = None) -> Page:
    today, listed_only = time.time_ns() // 1_000_000 // DAY, project.target_rules.listed_only

    async def make() -> Content:
        found = await pack_counts(state.store, project.id, today, pack, listed_only=listed_only)
        return json(found if pack is None else one(found, pack))

    page: Page = await state.answers.page(("counts", project.id, listed_only, today, pack), make)
    return page


def one(found: dict[str, PackCounts], pack: str) -> PackCounts:
    """The counts of one pack. Raises NotFound where it has no downloads."""
    if pack not in found:
        raise NotFound("This pack has no downloads here.")
    return found[pack]


HANDLERS = (counts, counts_of_pack)
