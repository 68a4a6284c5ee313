"""Health and readiness routes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from server import __version__, logs
from server.caching import SingleFlight
from server.clock import epoch_ms
from server.history import History
from server.services import Services
from server.storage.engine import Store

if TYPE_CHECKING:
    from server.shared.redis import Shared

log = logs.get(__name__)

_CHECK_EVERY = 1.0  # seconds; many probes share one check of the store
_ANSWER_WITHIN = 0.7  # seconds; probes often time out after one second


class Health:
    """Health of the store, checked at most once per second. `reason` explains why it is not writable.

    A store that does not respond in time counts as not writable; the check continues for the next probe.
    """

    def __init__(self, store: Store, shared: Shared | None = None, *, instance: str = "") -> None:
        self.instance = instance
        self.reason: str | None = None
        self._checks: SingleFlight[None, None] = SingleFlight()
        self._store = store
        self._shared = shared
        self._checked_at = float("-inf")
        self._writable = False

    @property
    def redis(self) -> Literal["ok", "lost"] | None:
        """State of Redis, or None if it is not configured."""
        return None if self._shared is None else "ok" if self._shared.is_up else "lost"

    async def writable(self) -> bool:
        check = self._checks.running(None)
        if check is None and time.monotonic() - self._checked_at > _CHECK_EVERY:
            check = self._checks.start(None, self._check)
        if check is not None:
            done, _ = await asyncio.wait({check}, timeout=_ANSWER_WITHIN)
            if not done:
                self._writable, self.reason = False, "the store did not respond in time"
        return self._writable

    async def _check(self) -> None:
        try:
            await self._store.check_writable()
            self._writable, self.reason = True, None
        except Exception as error:
            log.error("store_not_writable", exc_info=error)
            self._writable, self.reason = False, "the store is not writable"
        finally:
            self._checked_at = time.monotonic()


class StoreReport(msgspec.Struct):
    engine: str
    writable: bool
    bytes: int


class HistoryState(msgspec.Struct):
    """The columnar copy of raw events on this server.

    `max_bytes` is its maximum size; `complete` is false once that has evicted the oldest events. `lag` is the number of seconds since it was last
    current, or null before that.
    """

    enabled: bool
    files: int
    events: int
    bytes: int
    max_bytes: int
    complete: bool
    lag: int | None


class Report(msgspec.Struct):
    """The server's health. `queued` is the number of events that wait for their commit; `instance` is the same for all servers of a store.

    `reason` is set with 503. If `redis` is lost, each replica applies its own limits, and the status is degraded.
    """

    status: Literal["ok", "degraded", "unavailable"]
    version: str
    store: StoreReport
    queued: int
    redis: Literal["ok", "lost"] | None = None
    instance: str = ""
    reason: str | None = None
    history: HistoryState | None = None


def _example(*, well: bool) -> list[Example]:
    state: Literal["ok", "unavailable"] = "ok" if well else "unavailable"
    reason = None if well else "the store is not writable"
    return [
        Example(
            value=Report(
                state,
                __version__,
                StoreReport("sqlite", well, 4096),
                0,
                None,
                "0f9a8b7c6d5e4f30",
                reason,
                HistoryState(True, 14, 812_400, 9_300_000, 1 << 30, True, 75),
            )
        )
    ]


_HEALTH = {
    200: ResponseSpec(Report, generate_examples=False, description="The store is writable.", examples=_example(well=True)),
    503: ResponseSpec(Report, generate_examples=False, description="The store is not writable.", examples=_example(well=False)),
}
_READY = {
    200: ResponseSpec(
        dict[str, str], generate_examples=False, description="The server is ready.", examples=[Example(value={"status": "ready"})]
    ),
    503: ResponseSpec(
        dict[str, str], generate_examples=False, description="The server is not ready.", examples=[Example(value={"status": "stopping"})]
    ),
}


@get(["/health", "/v1/health", "/api/v1/health"], summary="Check the server's health", tags=["Operation"], responses=_HEALTH)
async def health(state: Services) -> Response[Report]:
    """Report whether the server accepts events, its version and the state of its store."""
    looked = state.health
    writable = await looked.writable() and not state.writer.is_refusing
    reason = None if writable else looked.reason or "the store is not writable"
    store = StoreReport(state.store.engine_type, writable, state.store.size())
    redis = state.health.redis
    well: Literal["ok", "degraded"] = "degraded" if redis == "lost" else "ok"
    status = well if writable else "unavailable"
    history = await asyncio.to_thread(_history_state, state.history)
    body = Report(status, __version__, store, state.writer.depth, redis, looked.instance, reason, history)
    return Response(body, status_code=200 if writable else 503, headers={"Cache-Control": "no-store"})


def _history_state(history: History) -> HistoryState:
    found = history.report()
    lag = None if found.built_at is None else max(0, epoch_ms() - found.built_at) // 1_000
    return HistoryState(history.is_enabled, found.segments, found.rows, found.bytes, found.max_bytes, found.since is None, lag)


@get("/ready", summary="Check if the server is ready for traffic", tags=["Operation"], responses=_READY)
async def ready(state: Services) -> Response[dict[str, str]]:
    """Return 200 from the end of startup until shutdown, as long as the store is reachable.

    A store that is only not writable, such as on a full disk, still serves reads.
    """
    is_reachable = await state.health.writable() or state.store.available
    status = "stopping" if state.writer.is_closed else "ready" if is_reachable else "store unavailable"
    return Response({"status": status}, status_code=200 if status == "ready" else 503, headers={"Cache-Control": "no-store"})


HANDLERS = (health, ready)
