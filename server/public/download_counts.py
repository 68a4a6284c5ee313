"""Download counts of packs."""

from __future__ import annotations

from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath

from server.analytics.pack_downloads import PackCounts, pack_counts
from server.clock import epoch_ms
from server.event import DAY
from server.problems import NotFound
from server.public.cors import CROSS_ORIGIN
from server.public.public_access import AnyRequest, readable_project
from server.public.response_cache import Content, Page, cached, json
from server.services import Services
from server.storage.projects import LiveProject

PART = "counters"

NOT_MODIFIED = ResponseSpec(None, generate_examples=False, description="Not modified.")
_COUNTS = {"total": 12847, "last7d": 892, "today": 47}
_ALL_COUNTS = ResponseSpec(
    dict[str, PackCounts], generate_examples=False, description="The counts by pack.", examples=[Example(value={"peon": _COUNTS})]
)
_PACK_COUNTS = ResponseSpec(PackCounts, generate_examples=False, description="The counts.", examples=[Example(value=_COUNTS)])


@get("/counts", summary="Downloads of every pack", tags=["Reading"], responses={200: _ALL_COUNTS, 304: NOT_MODIFIED}, opt=CROSS_ORIGIN)
async def counts(request: AnyRequest, state: Services) -> Response[bytes]:
    """Downloads of all packs, most downloaded first. Days are in UTC. `last7d` covers today and the six days before."""
    project = await readable_project(request, PART)
    return cached(request, await _page(state, project), project, PART)


@get(
    "/counts/{pack:str}",
    summary="Downloads of one pack",
    tags=["Reading"],
    responses={200: _PACK_COUNTS, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
)
async def counts_of_pack(request: AnyRequest, state: Services, pack: FromPath[str]) -> Response[bytes]:
    """Downloads of one pack. Days are in UTC. `last7d` covers today and the six days before."""
    project = await readable_project(request, PART)
    return cached(request, await _page(state, project, pack), project, PART)


async def _page(state: Services, project: LiveProject, pack: str | None = None) -> Page:
    today, listed_only = epoch_ms() // DAY, project.target_rules.listed_only

    async def make() -> Content:
        found = await pack_counts(state.store, project.id, today, pack, listed_only=listed_only)
        return json(found if pack is None else counts_of_one(found, pack))

    return await state.response_cache.page(("counts", project.id, listed_only, today, pack), make)


def counts_of_one(found: dict[str, PackCounts], pack: str) -> PackCounts:
    """Return the counts of one pack. Raises NotFound if it has no downloads."""
    if pack not in found:
        raise NotFound("This pack has no downloads.")
    return found[pack]


HANDLERS = (counts, counts_of_pack)
