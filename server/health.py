"""For those who run the server: is it well, may traffic come, and what does it count."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from server import __version__, logs
from server.metrics import Metrics
from server.problems import Unauthorized
from server.storage.engine import Store

if TYPE_CHECKING:
    from server.shared.redis import Shared
from server.storage.projects import Projects

AnyRequest = Request[object, object, State]

log = logs.get(__name__)

_CHECK_EVERY = 1.0  # seconds; many probes cost one look at the store
_FORWARDED = ("x-forwarded-for", "forwarded", "via", "fly-client-ip", "cf-connecting-ip", "x-real-ip")


class Health:
    """Whether the store takes writes, looked up at most once a second."""

    def __init__(self, store: Store, shared: Shared | None = None) -> None:
        self._store = store
        self._shared = shared
        self._checked_at = float("-inf")
        self._writable = False

    @property
    def redis(self) -> Literal["ok", "lost"] | None:
        """Whether Redis answers; None where none is wanted."""
        return None if self._shared is None else "ok" if self._shared.there else "lost"

    async def writable(self) -> bool:
        if time.monotonic() - self._checked_at > _CHECK_EVERY:
            self._checked_at = time.monotonic()
            try:
                await self._store.check_writable()
                self._writable = True
            except Exception as error:
                log.error("store_not_writable", exc_info=error)
                self._writable = False
        return self._writable


class StoreReport(msgspec.Struct):
    engine: str
    writable: bool
    bytes: int


class Report(msgspec.Struct):
    """`queued` are events that wait for their commit. `redis` is lost where limits are those of each replica: then the status is degraded."""

    status: Literal["ok", "degraded", "unavailable"]
    version: str
    store: StoreReport
    queued: int
    redis: Literal["ok", "lost"] | None = None


def _example(*, well: bool) -> list[Example]:
    return [Example(value=Report("ok" if well else "unavailable", __version__, StoreReport("sqlite", well, 4096), 0))]


_HEALTH = {
    200: ResponseSpec(Report, generate_examples=False, description="The store takes writes.", examples=_example(well=True)),
    503: ResponseSpec(Report, generate_examples=False, description="The store does not take writes.", examples=_example(well=False)),
}
_READY = {
    200: ResponseSpec(dict[str, str], generate_examples=False, description="It may.", examples=[Example(value={"status": "ready"})]),
    503: ResponseSpec(dict[str, str], generate_examples=False, description="It may not.", examples=[Example(value={"status": "stopping"})]),
}
_METRICS = {
    200: ResponseSpec(str, generate_examples=False, description="The metrics.", media_type=MediaType.TEXT),
    401: ResponseSpec(None, generate_examples=False, description="A key with the scope `read` is needed."),
}


@get(["/health", "/v1/health", "/api/v1/health"], summary="Whether the server takes events", tags=["Operation"], responses=_HEALTH)
async def health(state: State) -> Response[Report]:
    """With the version, and how the store is doing."""
    writable = await state.health.writable() and not state.writer.refusing
    store = StoreReport(state.store.engine_type, writable, state.store.size())
    redis: Literal["ok", "lost"] | None = state.health.redis
    well: Literal["ok", "degraded"] = "degraded" if redis == "lost" else "ok"
    body = Report(well if writable else "unavailable", __version__, store, state.writer.depth, redis)
    return Response(body, status_code=200 if writable else 503, headers={"Cache-Control": "no-store"})


@get("/ready", summary="Whether traffic may come", tags=["Operation"], responses=_READY)
async def ready(state: State) -> Response[dict[str, str]]:
    """200 once the server has started and until it stops, as long as its store can be reached. A store that only takes no writes, such as a
    full disk, still answers questions."""
    reachable = await state.health.writable() or state.store.available
    status = "stopping" if state.writer.closed else "ready" if reachable else "store unavailable"
    return Response({"status": status}, status_code=200 if status == "ready" else 503, headers={"Cache-Control": "no-store"})


@get("/metrics", summary="Counts for Prometheus", tags=["Operation"], responses=_METRICS)
async def metrics(request: AnyRequest, state: State) -> Response[bytes]:
    """Prometheus' text format: for this machine itself, and for whoever brings a key with the scope `read` or `admin`."""
    await _check_may_watch(request, state.projects)
    registry: Metrics = state.metrics
    return Response(registry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"})


async def _check_may_watch(request: AnyRequest, projects: Projects) -> None:
    client = request.client.host if request.client else ""
    # A proxy on this machine is loopback, too: what it forwards is not from here.
    if _is_loopback(client) and not any(name in request.headers for name in _FORWARDED):
        return
    key = await projects.key(dict(request.scope["headers"]))
    if key is None or not key.scopes & {"read", "admin"}:
        raise Unauthorized("Metrics are for this machine itself, or want a key with the scope read.")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == ""  # a Unix socket


HANDLERS = (health, ready, metrics)
