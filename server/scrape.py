"""The `/metrics` route for Prometheus. A request from this machine gets all metrics; a key gets those in its scope."""

from __future__ import annotations

import ipaddress

from litestar import MediaType, Request, Response, get
from litestar.openapi import ResponseSpec

from server.metrics import Metrics
from server.problems import Forbidden, Unauthorized
from server.services import Services

AnyRequest = Request[object, object, Services]

# Prefixes of headers that proxies add. A request with one of them was forwarded.
_FORWARDING = (
    "x-forwarded", "forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip", "x-original-", "x-scheme",
    "x-envoy-", "x-amzn-", "x-azure-", "fly-", "cf-", "cdn-", "fastly-", "x-varnish",
)  # fmt: skip
_METRICS = {
    200: ResponseSpec(str, generate_examples=False, description="The metrics.", media_type=MediaType.TEXT),
    401: ResponseSpec(None, generate_examples=False, description="Requires a key with the `read` scope."),
}


@get("/metrics", summary="Metrics for Prometheus", tags=["Operation"], responses=_METRICS)
async def metrics(request: AnyRequest, state: Services) -> Response[bytes]:
    """Return metrics in Prometheus' text format: to requests from this machine, and to keys with the `read` or `admin` scope.

    A project's key gets its own events only. The route has no other path, so that a proxy can block it.
    """
    registry = state.metrics
    body = registry.exposition() if _is_local(request, state) else await _for_key(request, state, registry)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"})


async def _for_key(request: AnyRequest, state: Services, registry: Metrics) -> bytes:
    peer = request.client.host if request.client else ""
    key = await state.gate.key(peer, dict(request.scope["headers"]))
    if key is None:
        raise Unauthorized("Authentication required: send a key with the `read` scope, or connect from this machine.")
    if not key.scopes & {"read", "admin"}:
        raise Forbidden("This key does not have the `read` scope.")
    return registry.exposition() if key.project is None else registry.exposition_of(key.project.slug)


def _is_local(request: AnyRequest, state: Services) -> bool:
    """Return True if a request without a key comes from this machine.

    A local proxy has a loopback address, too. Requests that it forwards name another host, have a forwarding header, or use HTTP/1.0, which is the
    default of nginx.
    """
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
    """Return True if a Host header names this machine as `localhost` or by a loopback address."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or (name != "" and _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == ""  # a Unix socket


HANDLERS = (metrics,)
