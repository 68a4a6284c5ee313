"""`/graphql`: operations over POST, subscriptions over a WebSocket. Nothing is asked over GET, and no batches are taken."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError
from litestar import Request, Response, WebSocket, post, websocket
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler
from strawberry.exceptions import ConnectionRejectionError
from strawberry.litestar.controller import LitestarWebSocketAdapter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from server.admin import persisted
from server.admin.auth import Viewer, headers_of, same_site, viewer
from server.admin.context import Context
from server.admin.loaders import Loaders
from server.admin.safety import CODES, told
from server.admin.schema import build
from server.pages import SECURITY_HEADERS
from server.problems import Busy, Malformed, Problem

AnyRequest = Request[object, object, State]

MOST_BODY = 100 * 1024  # bytes
SECONDS = 20.0  # that one operation may take
MOST_SOCKETS = 200  # of this process
SUBSCRIPTIONS = 10  # on one socket
AT_ONCE = 8  # operations of one viewer; those of everybody who is not known count together
_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
_HTTP = {OperationType.QUERY, OperationType.MUTATION}


class Body(msgspec.Struct, rename="camel"):
    """What is posted. In the place of a known operation's text stands its name or, as `extensions.persistedQuery.sha256Hash`, its hash."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode


class GraphQL:
    """Runs operations. Belongs into the application's state as `graphql`."""

    def __init__(self) -> None:
        self.schema: strawberry.Schema = build()
        self._known = persisted.load()
        self._running: Counter[str] = Counter()
        self.sockets = 0

    async def run(self, state: State, who: Viewer | None, body: Body) -> tuple[int, dict[str, Any]]:
        """The status and the document of an answer. Raises Malformed, Busy."""
        query = self._text(body)
        if query is None:
            return 200, _refused("PERSISTED_QUERY_NOT_FOUND", "There is no known operation of this hash or name: send its text.")
        label = who.label if who else ""
        if self._running[label] >= AT_ONCE:
            raise Busy("Too many operations run at once.", retry_after=1)
        self._running[label] += 1
        try:
            async with asyncio.timeout(SECONDS):
                result = await self.schema.execute(
                    query,
                    variable_values=body.variables,
                    operation_name=body.operation_name,
                    context_value=Context(state=state, viewer=who, loaders=Loaders(state.store)),
                    allowed_operation_types=_HTTP,
                )
        except TimeoutError:
            return 200, _refused("TIMEOUT", f"This operation took more than {SECONDS:g} seconds: ask for less.")
        except GraphQLError as error:
            return 200, {"data": None, "errors": [told(error).formatted]}
        except Exception as error:  # the operation's name or kind is none that there is
            if type(error).__module__.startswith("strawberry."):
                return 200, _refused("BAD_INPUT", "There is no operation of that name and kind in this document.")
            raise
        finally:
            self._running[label] -= 1
            if not self._running[label]:
                del self._running[label]
        return 200, _document(result)

    def _text(self, body: Body) -> str | None:
        if body.query:
            return body.query
        known = (body.extensions or {}).get("persistedQuery")
        hash_ = known.get("sha256Hash") if isinstance(known, dict) else None
        name = hash_ if isinstance(hash_, str) else body.operation_name
        if not name:
            raise Malformed("The body wants a field `query`, or the name or hash of a known operation.")
        return self._known.get(name)


def _document(result: Any) -> dict[str, Any]:
    assert isinstance(result, ExecutionResult) or hasattr(result, "errors")
    document: dict[str, Any] = {"data": result.data}
    if result.errors:
        document["errors"] = [error.formatted for error in result.errors]
    return document


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": message, "extensions": {"code": code}}]}


@post("/graphql", status_code=200, request_max_body_size=MOST_BODY, include_in_schema=False)
async def graphql_post(request: AnyRequest, state: State) -> Response[bytes]:
    """Run an operation. The content type must be JSON, which a page of another site cannot send without asking first."""
    try:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Malformed("The content type must be application/json.")
        body = await _body(request)
        who = await viewer(state, headers_of(request.scope))
        status, document = await state.graphql.run(state, who, body)
    except Problem as problem:
        document = _refused(CODES.get(problem.code, "FAILED"), problem.detail)
        headers = dict(_HEADERS)
        if problem.retry_after is not None:
            headers["Retry-After"] = str(problem.retry_after)
        return Response(_encode(document), status_code=problem.code, media_type="application/json", headers=headers)
    return Response(_encode(document), status_code=status, media_type="application/json", headers=_HEADERS)


async def _body(request: AnyRequest) -> Body:
    try:
        return _decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        raise Malformed('The body must be JSON: {"query": "…", "variables": {…}}.') from None


class _Protocol:
    """What Strawberry's handler of the protocol asks of the one who serves it."""

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Find out who asks, from the first message or from the cookie. Raises ConnectionRejectionError for nobody."""
        try:
            await context.renew()
        except Problem:
            raise ConnectionRejectionError from None
        if context.viewer is None:
            raise ConnectionRejectionError
        return UNSET

    def encode_json(self, data: object) -> str:
        return _encode(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise json.JSONDecodeError("no JSON", "", 0) from error


@websocket("/graphql")
async def graphql_socket(socket: WebSocket[object, object, State], state: State) -> None:
    """Subscriptions. A browser may open one from a page of this server only."""
    graphql: GraphQL = state.graphql
    if not same_site(headers_of(socket.scope)):
        await socket.close(code=1008)  # before it was accepted: the handshake is answered with 403
        return
    if graphql.sockets >= MOST_SOCKETS:
        await socket.close(code=1013)
        return
    graphql.sockets += 1
    try:
        known = GRAPHQL_TRANSPORT_WS_PROTOCOL in socket.scope["subprotocols"]
        await socket.accept(subprotocols=GRAPHQL_TRANSPORT_WS_PROTOCOL if known else None)
        if not known:
            await socket.close(code=4406, reason="Subprotocol not acceptable")
            return
        view: Any = _Protocol()
        await BaseGraphQLTransportWSHandler[Context, None](
            view=view,
            websocket=LitestarWebSocketAdapter(view, socket, socket),
            context=Context(state=state, viewer=None, loaders=Loaders(state.store), websocket=socket),
            root_value=None,
            schema=graphql.schema,
            connection_init_wait_timeout=timedelta(seconds=10),
            max_subscriptions_per_connection=SUBSCRIPTIONS,
        ).handle()
    finally:
        graphql.sockets -= 1


HANDLERS: tuple[ControllerRouterHandler, ...] = (graphql_post, graphql_socket)
