"""`/graphql`, over POST and over a WebSocket: there as soon as the server is, while what answers comes a little later.

The schema and what runs it are half of all that a start would import and make. Nobody who sends events needs them; so they are loaded in a
thread, when the server has begun to serve or when somebody first asks, whichever comes first. Who asks meanwhile waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from litestar import Request, Response, WebSocket, post, websocket
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler

if TYPE_CHECKING:
    from server.admin.endpoint import GraphQL

AnyRequest = Request[object, object, State]

MOST_BODY = 100 * 1024  # bytes


class Loading:
    """Loads what answers, once. Belongs into the application's state as `graphql`."""

    def __init__(self) -> None:
        self._loading: asyncio.Future[GraphQL] | None = None

    async def loaded(self) -> GraphQL:
        """What runs operations. Raises what loading it raises, and then tries anew the next time."""
        if self._loading is None or (self._loading.done() and (self._loading.cancelled() or self._loading.exception() is not None)):
            self._loading = asyncio.ensure_future(asyncio.to_thread(_load))
        return await asyncio.shield(self._loading)


def _load() -> GraphQL:
    from server.admin import socket  # noqa: F401, PLC0415 - with all the rest, see above
    from server.admin.endpoint import GraphQL  # noqa: PLC0415

    return GraphQL()


@post("/graphql", status_code=200, request_max_body_size=MOST_BODY, include_in_schema=False)
async def graphql_post(request: AnyRequest, state: State) -> Response[bytes]:
    """Run an operation."""
    graphql: GraphQL = await state.graphql.loaded()
    return await graphql.posted(request, state)


@websocket("/graphql")
async def graphql_socket(socket: WebSocket[object, object, State], state: State) -> None:
    """Subscriptions."""
    graphql: GraphQL = await state.graphql.loaded()
    from server.admin.socket import serve  # noqa: PLC0415 - which is loaded

    await serve(socket, state, graphql)


HANDLERS: tuple[ControllerRouterHandler, ...] = (graphql_post, graphql_socket)
