"""CORS of reading routes: pages of other sites may read the routes that need no session and their errors, without credentials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, route
from litestar.handlers import HTTPRouteHandler

from server.headers import READING_CORS, READING_PREFLIGHT, Line

CROSS_ORIGIN = {"any_origin": True}  # marks a route, see `headers`


def _as_text(lines: Iterable[Line]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in lines}


ANY_ORIGIN = _as_text(READING_CORS)
_PREFLIGHT = {**_as_text(READING_PREFLIGHT), "allow": "GET, HEAD, OPTIONS"}


def headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the CORS headers for an error of the request's route, so that scripts of other sites can read its status."""
    handler: Any = request.scope.get("route_handler")
    return dict(ANY_ORIGIN) if handler is not None and handler.opt.get("any_origin") else {}


def preflight(handlers: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """Build a handler of CORS preflights for the routes marked `CROSS_ORIGIN`."""
    paths = sorted({path for handler in handlers if handler.opt.get("any_origin") for path in handler.paths})

    @route(paths, http_method=["OPTIONS"], status_code=204, include_in_schema=False)
    async def answer() -> Response[None]:
        return Response(None, status_code=204, headers=_PREFLIGHT)

    return answer
