"""What a site shows beside its targets, and what is trending among them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from server.analytics import targets
from server.analytics.targets import Counters, Trend
from server.problems import NotFound
from server.public.cors import OPEN
from server.public.download_counts import KNOWN
from server.public.public_access import AnyRequest, readable
from server.public.query_parameters import TEXT, WORDS, choice, known_only, parameter, whole, word, words
from server.public.response_cache import Content, cached, json

MOST_IDS = 100
MOST_TRENDING = 100
WINDOWS = {"7d": 7, "30d": 30}
_LONGEST_KEYS = 16_000  # bytes of a Surrogate-Key header; Fastly takes 16,384


class TrendingAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The targets by score, highest first. `refreshedAt` is when they were last worked out, null before the first time."""

    type: str | None
    window: Literal["7d", "30d"]
    refreshed_at: str | None
    targets: list[Trend]


_ONE = ResponseSpec(Counters, generate_examples=False, description="The counters.")
_MANY = ResponseSpec(
    dict[str, Counters], generate_examples=False, description="The counters, by id. A target that nobody has met yet has none of anything."
)
_TRENDING = ResponseSpec(TrendingAnswer, generate_examples=False, description="The targets by score.")
_TYPE = parameter("The type of the targets", required=True, minLength=1, maxLength=200, pattern=TEXT, example="snippet")
_ANY_TYPE = parameter("Targets of this type only", maxLength=200, pattern=TEXT, example="snippet")
_IDS = parameter("Up to 100 ids, with commas between them", required=True, pattern=WORDS, example="a,b,c")
_WINDOW = parameter("Over how many days", enum=list(WINDOWS), default="7d")
_LIMIT = parameter("How many", type="integer", minimum=1, maximum=MOST_TRENDING, default=20)


@get(
    "/api/public/counters/{type:str}/{id:str}",
    summary="Counters of one target",
    tags=["Reading"],
    responses={200: _ONE, 304: KNOWN},
    opt=OPEN,
    before_request=known_only,
)
async def counters_of_one(request: AnyRequest, state: State, type: FromPath[str], id: FromPath[str]) -> Response[bytes]:  # noqa: A002
    """Over all time. A target that nobody has met yet is not found."""
    project = await readable(request, "counters")
    listed_only = project.target_rules.listed_only

    async def make() -> Content:
        found = await targets.counters(state.store, project.id, type, [id], listed_only=listed_only)
        if id not in found:
            raise NotFound("There is no such target here.")
        return Content(json(found[id]).body, surrogate_key=_surrogate_keys([(type, id)]))

    return cached(request, await state.answers.page(("counter", project.id, listed_only, type, id), make), project, "counters")


@get(
    "/api/public/counters",
    summary="Counters of many targets",
    tags=["Reading"],
    responses={200: _MANY, 304: KNOWN},
    opt={**OPEN, "repeated": ("ids",)},
    before_request=known_only,
)
async def counters_of_many(
    request: AnyRequest,
    state: State,
    type: Annotated[str, _TYPE] = "",  # noqa: A002
    ids: Annotated[str, _IDS] = "",
) -> Response[bytes]:
    """Over all time, in one object by id."""
    project = await readable(request, "counters")
    listed_only = project.target_rules.listed_only
    wanted_type, wanted = word("type", type), words("ids", ",".join(request.query_params.getall("ids", [ids])), most=MOST_IDS)

    async def make() -> Content:
        found = await targets.counters(state.store, project.id, wanted_type, wanted, listed_only=listed_only)
        body = json({id_: found.get(id_, Counters()) for id_ in wanted}).body
        return Content(body, surrogate_key=_surrogate_keys([(wanted_type, id_) for id_ in wanted]))

    key = ("counters", project.id, listed_only, wanted_type, tuple(wanted))
    return cached(request, await state.answers.page(key, make), project, "counters")


@get(
    "/api/public/trending",
    summary="What is trending",
    tags=["Reading"],
    responses={200: _TRENDING, 304: KNOWN},
    opt=OPEN,
    before_request=known_only,
)
async def trending(
    request: AnyRequest,
    state: State,
    type: Annotated[str, _ANY_TYPE] = "",  # noqa: A002
    window: Annotated[str, _WINDOW] = "",
    limit: Annotated[str, _LIMIT] = "",
) -> Response[bytes]:
    """By a score that decays with age, worked out by a job now and then. `Surrogate-Key` names each target, as `snippet:hello`."""
    project = await readable(request, "trending")
    listed_only = project.target_rules.listed_only
    wanted = word("type", type, required=False) or None
    span = choice("window", window, "7d", WINDOWS)
    most = whole("limit", limit, 20, 1, MOST_TRENDING)

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

    return cached(request, await state.answers.page(("trending", project.id, listed_only, wanted, span, most), make), project, "trending")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _surrogate_keys(found: list[tuple[str, str]]) -> str:
    """`snippet:hello snippet:world`; what would part a key in two is percent-encoded. As many as a header may hold."""
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
