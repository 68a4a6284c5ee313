"""The routes of `/graphql`, over POST and WebSocket. The schema loads in the background.

The schema accounts for half of the start-up time, and ingest does not need it. It loads in a thread, after the server has begun to serve
or at the first request, whichever comes first. Requests wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from litestar import Request, Response, WebSocket, post, websocket
from litestar.types import ControllerRouterHandler

from server.caching import SingleFlightCache
from server.services import Services

if TYPE_CHECKING:
    from server.admin.endpoint import GraphQL

AnyRequest = Request[object, object, Services]

MAX_BODY = 100 * 1024  # bytes


class GraphQLLoader:
    """Loads the GraphQL endpoint once. Stored in the application's state as `graphql`."""

    def __init__(self) -> None:
        self._loaded: SingleFlightCache[None, GraphQL] = SingleFlightCache(1, lambda _: True)

    async def load(self) -> GraphQL:
        """Return the endpoint. Raises the error of a failed load; the next call tries again."""
        return await self._loaded.find(None, lambda: asyncio.to_thread(_load))


def _load() -> GraphQL:
    from server.admin import socket  # noqa: F401, PLC0415 - loads with the schema, see above
    from server.admin.endpoint import GraphQL  # noqa: PLC0415

    return GraphQL()


@post("/graphql", status_code=200, request_max_body_size=MAX_BODY, include_in_schema=False)
async def graphql_post(request: AnyRequest, state: Services) -> Response[bytes]:
    """Run an operation."""
    graphql = await state.graphql.load()
    return await graphql.handle_post(request, state)


@websocket("/graphql")
async def graphql_socket(socket: WebSocket[object, object, Services], state: Services) -> None:
    """Serve subscriptions."""
    graphql = await state.graphql.load()
    from server.admin.socket import serve  # noqa: PLC0415 - already loaded

    await serve(socket, state, graphql)


HANDLERS: tuple[ControllerRouterHandler, ...] = (graphql_post, graphql_socket)
