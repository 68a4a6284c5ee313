"""`/metrics`: counts for Prometheus, for the machine itself and for keys, each with what it may see."""

from __future__ import annotations

import ipaddress

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec

from server.metrics import Metrics
from server.problems import Forbidden, Unauthorized

AnyRequest = Request[object, object, State]

# Headers of proxies, by their beginnings. A request that has one was forwarded, and is not from the machine itself.
_FORWARDING = (
    "x-forwarded", "forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip", "x-original-", "x-scheme",
    "x-envoy-", "x-amzn-", "x-azure-", "fly-", "cf-", "cdn-", "fastly-", "x-varnish",
)  # fmt: skip
_METRICS = {
    200: ResponseSpec(str, generate_examples=False, description="The metrics.", media_type=MediaType.TEXT),
    401: ResponseSpec(None, generate_examples=False, description="A key with the scope `read` is needed."),
}


@get("/metrics", summary="Counts for Prometheus", tags=["Operation"], responses=_METRICS)
async def metrics(request: AnyRequest, state: State) -> Response[bytes]:
    """Prometheus' text format: for this machine itself, and for a key with the scope `read` or `admin`. A project's key sees its own events only.

    There is no other path to it, so that a proxy can block this one.
    """
    registry: Metrics = state.metrics
    body = registry.exposition() if _is_local(request, state) else await _for_key(request, state, registry)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"})


async def _for_key(request: AnyRequest, state: State, registry: Metrics) -> bytes:
    peer = request.client.host if request.client else ""
    key = await state.gate.key(peer, dict(request.scope["headers"]))
    if key is None:
        raise Unauthorized("Metrics are for this machine itself, or need a key with the scope read.")
    if not key.scopes & {"read", "admin"}:
        raise Forbidden("This key does not have the scope read.")
    return registry.exposition() if key.project is None else registry.exposition_of(key.project.slug)


def _is_local(request: AnyRequest, state: State) -> bool:
    """Whether a request without a key is from the machine itself. A proxy on it is loopback, too: what it forwards is not from here, and names
    another host, says so in a header, or speaks HTTP/1.0 as nginx does unless it is set to more."""
    names = [name.lower() for name in request.headers]
    configured = state.settings.client_ip_header
    return (
        _is_loopback(request.client.host if request.client else "")
        and _is_own_host(request.headers.get("host", ""))
        and request.scope.get("http_version") != "1.0"
        and "authorization" not in names
        and "x-footfall-key" not in names
        and not any(name.startswith(_FORWARDING) or name == configured for name in names)
    )


def _is_own_host(host: str) -> bool:
    """Whether a Host header names this machine as one names it from within."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or (name != "" and _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == ""  # a Unix socket


HANDLERS = (metrics,)
