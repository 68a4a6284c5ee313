"""Counters of targets, and trending targets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from server.analytics import targets
from server.analytics.targets import Counters, Trend
from server.problems import NotFound
from server.public.cors import CROSS_ORIGIN
from server.public.download_counts import NOT_MODIFIED
from server.public.public_access import AnyRequest, readable_project
from server.public.query_parameters import (
    TEXT,
    WORDS,
    parse_choice,
    parse_integer,
    parse_list,
    parse_text,
    query_parameter,
    reject_unknown_parameters,
)
from server.public.response_cache import Content, cached, json
from server.services import Services

MAX_IDS = 100
MAX_TRENDING = 100
WINDOWS = {"7d": 7, "30d": 30}
_LONGEST_KEYS = 16_000  # bytes of a Surrogate-Key header; Fastly takes 16,384


class TrendingAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Trending targets, highest score first. `refreshedAt` is the time of the last refresh, null before the first one."""

    type: str | None
    window: Literal["7d", "30d"]
    refreshed_at: str | None
    targets: list[Trend]


_ONE = ResponseSpec(Counters, generate_examples=False, description="The counters.")
_MANY = ResponseSpec(dict[str, Counters], generate_examples=False, description="The counters by target id. Unknown targets have zeros.")
_TRENDING = ResponseSpec(TrendingAnswer, generate_examples=False, description="Trending targets, highest score first.")
_TYPE = query_parameter("Type of the targets", required=True, minLength=1, maxLength=200, pattern=TEXT, example="snippet")
_ANY_TYPE = query_parameter("Only targets of this type", maxLength=200, pattern=TEXT, example="snippet")
_IDS = query_parameter("Up to 100 ids, separated by commas", required=True, pattern=WORDS, example="a,b,c")
_WINDOW = query_parameter("Length of the window", enum=list(WINDOWS), default="7d")
_LIMIT = query_parameter("Maximum number of targets", type="integer", minimum=1, maximum=MAX_TRENDING, default=20)


@get(
    "/api/public/counters/{type:str}/{id:str}",
    summary="Counters of one target",
    tags=["Reading"],
    responses={200: _ONE, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def counters_of_one(request: AnyRequest, state: Services, type: FromPath[str], id: FromPath[str]) -> Response[bytes]:  # noqa: A002
    """Counters over all time. Returns 404 for an unknown target."""
    project = await readable_project(request, "counters")
    listed_only = project.target_rules.listed_only

    async def make() -> Content:
        found = await targets.counters(state.store, project.id, type, [id], listed_only=listed_only)
        if id not in found:
            raise NotFound("No such target.")
        return Content(json(found[id]).body, surrogate_key=_surrogate_keys([(type, id)]))

    return cached(request, await state.response_cache.page(("counter", project.id, listed_only, type, id), make), project, "counters")


@get(
    "/api/public/counters",
    summary="Counters of many targets",
    tags=["Reading"],
    responses={200: _MANY, 304: NOT_MODIFIED},
    opt={**CROSS_ORIGIN, "repeated": ("ids",)},
    before_request=reject_unknown_parameters,
)
async def counters_of_many(
    request: AnyRequest,
    state: Services,
    type: Annotated[str, _TYPE] = "",  # noqa: A002
    ids: Annotated[str, _IDS] = "",
) -> Response[bytes]:
    """Counters over all time, as one object by target id."""
    project = await readable_project(request, "counters")
    listed_only = project.target_rules.listed_only
    type_, ids_ = parse_text("type", type), parse_list("ids", ",".join(request.query_params.getall("ids", [ids])), most=MAX_IDS)

    async def make() -> Content:
        found = await targets.counters(state.store, project.id, type_, ids_, listed_only=listed_only)
        body = json({id_: found.get(id_, Counters()) for id_ in ids_}).body
        return Content(body, surrogate_key=_surrogate_keys([(type_, id_) for id_ in ids_]))

    key = ("counters", project.id, listed_only, type_, tuple(ids_))
    return cached(request, await state.response_cache.page(key, make), project, "counters")


@get(
    "/api/public/trending",
    summary="Trending targets",
    tags=["Reading"],
    responses={200: _TRENDING, 304: NOT_MODIFIED},
    opt=CROSS_ORIGIN,
    before_request=reject_unknown_parameters,
)
async def trending(
    request: AnyRequest,
    state: Services,
    type: Annotated[str, _ANY_TYPE] = "",  # noqa: A002
    window: Annotated[str, _WINDOW] = "",
    limit: Annotated[str, _LIMIT] = "",
) -> Response[bytes]:
    """Targets by a score that decays with age. A job refreshes it. The header `Surrogate-Key` lists the targets, such as `snippet:hello`."""
    project = await readable_project(request, "trending")
    listed_only = project.target_rules.listed_only
    wanted = parse_text("type", type, required=False) or None
    span = parse_choice("window", window, "7d", WINDOWS)
    most = parse_integer("limit", limit, 20, 1, MAX_TRENDING)

    async def make() -> Content:
        found = await targets.trending(
            state.store,
            project.id,
            type_=wanted,
            window_days=WINDOWS[span],
            limit=most,
            listed_only=listed_only,
        )
        refreshed = None if found.refreshed_at is None else _iso(found.refreshed_at)
        answer = {"type": wanted, "window": span, "refreshedAt": refreshed, "targets": found.targets}
        return Content(json(answer).body, surrogate_key=_surrogate_keys([(each.target_type, each.target_id) for each in found.targets]))

    return cached(
        request, await state.response_cache.page(("trending", project.id, listed_only, wanted, span, most), make), project, "trending"
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _surrogate_keys(found: list[tuple[str, str]]) -> str:
    """Return a Surrogate-Key header, such as `snippet:hello snippet:world`, truncated to the maximum length. Other characters are
    percent-encoded.
    """
    keys: list[str] = []
    length = 0
    for type_, id_ in found:
        key = f"{quote(type_, safe='')}:{quote(id_, safe='')}"
        length += len(key) + 1
        if length > _LONGEST_KEYS:
            break
        keys.append(key)
    return " ".join(keys)


HANDLERS = (counters_of_one, counters_of_many, trending)
