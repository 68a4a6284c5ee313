"""Which reading routes pages of other sites may read: those that need no session, their errors too, and never with credentials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from server.headers import READING_CORS, READING_PREFLIGHT, Line

OPEN = {"any_origin": True}  # marks a route, see `headers`


def _as_text(lines: Iterable[Line]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in lines}


ANY_ORIGIN = _as_text(READING_CORS)
_PREFLIGHT = {**_as_text(READING_PREFLIGHT), "allow": "GET, HEAD, OPTIONS"}


def headers(request: Request[Any, Any, State]) -> dict[str, str]:
    """The headers of a route's errors: a script of another site can so tell a pack without downloads from a server that is away."""
    handler: Any = request.scope.get("route_handler")
    return dict(ANY_ORIGIN) if handler is not None and handler.opt.get("any_origin") else {}


def preflight(handlers: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """A handler of OPTIONS for all of these that are `OPEN`: browsers ask it before a script may send headers of its own."""
    paths = sorted({path for handler in handlers if handler.opt.get("any_origin") for path in handler.paths})

    @route(paths, http_method=["OPTIONS"], status_code=204, include_in_schema=False)
    async def answer() -> Response[None]:
        return Response(None, status_code=204, headers=_PREFLIGHT)

    return answer
