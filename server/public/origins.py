"""What pages of other sites may read: the routes that are public by nature, their errors too, and never with credentials."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, route
from litestar.datastructures import State

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}
OPEN = {"any_origin": True}  # marks a route, see `headers`
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, If-None-Match",
    "Access-Control-Max-Age": "86400",
}
_PATHS = [
    "/counts",
    "/counts/{pack:str}",
    "/api/public/counters",
    "/api/public/counters/{type:str}/{id:str}",
    "/api/public/trending",
    "/badge/{file:str}",
]


def headers(request: Request[Any, Any, State]) -> dict[str, str]:
    """What an error of a route must say, so that a script of another site can tell a pack that nobody took yet from a server that is away."""
    handler: Any = request.scope.get("route_handler")
    return dict(ANY_ORIGIN) if handler is not None and handler.opt.get("any_origin") else {}


@route(_PATHS, http_method=["OPTIONS"], status_code=204, include_in_schema=False)
async def preflight() -> Response[None]:
    """Asked by browsers before a script that sends headers of its own, such as `Content-Type`, which many do without need."""
    return Response(None, status_code=204, headers={**_PREFLIGHT, "Allow": "GET, HEAD, OPTIONS"})


HANDLERS: tuple[Any, ...] = (preflight,)
