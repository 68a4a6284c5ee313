"""Subscriptions, over a WebSocket: the protocol graphql-transport-ws."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import msgspec
from graphql import GraphQLError
from litestar import WebSocket
from litestar.datastructures import State
from strawberry.exceptions import ConnectionRejectionError
from strawberry.litestar.controller import LitestarWebSocketAdapter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from server.admin.admission import ADMINS, Admission
from server.admin.auth import STRANGERS, count, headers_of, same_site
from server.admin.endpoint import Body, GraphQL, NotKnown, refused
from server.admin.loaders import Loaders
from server.admin.request_context import Context
from server.admin.safety import told
from server.ingest.networks import networks_of
from server.problems import Busy, Limited, Malformed, Problem

MOST_SOCKETS = 200  # of this process
OF_ONE_ADDRESS = 50  # of them; networks of IPv6 have more, see `networks_of`
MOST_SILENT = 100  # of them, that have not said who they are
SUBSCRIPTIONS = 10  # on one socket
SECONDS_TO_SAY_WHO = 10

AnySocket = WebSocket[object, object, State]

_encode = msgspec.json.Encoder().encode


class _Protocol:
    """What Strawberry's handler of the protocol asks of the one who serves it."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Find out who asks, from the first message or from the cookie. Raises ConnectionRejectionError for nobody."""
        try:
            await context.renew()
            if context.viewer is None:
                raise Malformed("Nobody is known.")
        except Problem:
            assert context.websocket is not None
            try:
                await count(context.state, STRANGERS, "graphql", context.websocket.scope)
            except Problem as limited:
                raise ConnectionRejectionError from limited
            raise ConnectionRejectionError from None
        self._graphql.silent.pop(context.websocket, None)
        return UNSET

    def encode_json(self, data: object) -> str:
        return _encode(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise json.JSONDecodeError("no JSON", "", 0) from error


class _OnlySubscriptions:
    """The schema, of which only subscriptions are run here: what else there is has its bounds at the other door."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql
        self._schema: Any = graphql.schema

    async def stream(self, query: str, *, context_value: Context, **named: Any) -> AsyncGenerator[Any, None]:
        """The results of an operation. Looked at in its turn, and not at all where too many were refused."""
        return self._results(query, context_value, named)

    async def _results(self, query: str, context: Context, named: dict[str, Any]) -> AsyncGenerator[Any, None]:
        admission: Admission | None = None
        try:
            if not self._graphql.known.has(query):
                admission = await self._graphql.admissions.admit(_label(context), query, stranger=context.viewer is None)
            context.admission = admission
            source = await self._schema.stream(query, context_value=context, **named, allowed_operation_types=(OperationType.SUBSCRIPTION,))
            async with aclosing(source):
                async for result in source:
                    if admission is not None:
                        admission.refused()
                    yield result
        except (Busy, Limited) as problem:
            yield PreExecutionError(data=None, errors=[told(GraphQLError("", original_error=problem))])
        finally:
            if admission is not None:
                admission.refused()


def _label(context: Context) -> str:
    if context.viewer is not None and "admin" in context.viewer.scopes:
        return ADMINS
    return context.viewer.label if context.viewer else ""  # nobody: refused before it comes to an operation


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """Takes known operations by name or hash, and nothing that is no operation."""

    graphql: GraphQL

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        given: Any = message
        try:
            body = msgspec.convert(given["payload"], Body)
            known = {"query": self.graphql.text(body), "variables": body.variables, "operationName": body.operation_name}
            wanted: Any = {"id": msgspec.convert(given["id"], str), "type": "subscribe", "payload": known}
            self.graphql.admissions.check(_label(self.context))
        except (msgspec.ValidationError, KeyError):
            await self.handle_invalid_message("Failed to parse message")
        except Limited as problem:
            await self.websocket.close(code=4429, reason=problem.detail)
        except Malformed as problem:
            await self._refuse(given["id"], "BAD_INPUT", problem.detail)
        except NotKnown:
            await self._refuse(given["id"], "PERSISTED_QUERY_NOT_FOUND", "There is no known operation of this hash or name: send its text.")
        else:
            await super().handle_subscribe(wanted)

    async def _refuse(self, number: Any, code: str, message: str) -> None:
        answer: Any = {"id": number, "type": "error", "payload": refused(code, message)["errors"]}
        await self.send_message(answer)


async def serve(socket: WebSocket[object, object, State], state: State, graphql: GraphQL) -> None:
    """Subscriptions. A browser may open one from a page of this server only."""
    if not same_site(headers_of(socket.scope)):
        await socket.close(code=1008)  # before it was accepted: the handshake is answered with 403
        return
    client = socket.scope.get("client")
    networks = networks_of(state.gate.address(client[0] if client else "", headers_of(socket.scope)))
    if len(graphql.open_sockets) >= MOST_SOCKETS or any(graphql.sockets[each] >= OF_ONE_ADDRESS * times for each, times in networks):
        await socket.close(code=1013)
        return
    counted = [each for each, _ in networks]
    graphql.sockets.update(counted)
    graphql.open_sockets.add(socket)
    try:
        await _serve(socket, state, graphql)
    finally:
        graphql.open_sockets.discard(socket)
        graphql.silent.pop(socket, None)
        graphql.sockets.subtract(counted)
        for each in counted:
            if not graphql.sockets[each]:
                del graphql.sockets[each]


async def _serve(socket: WebSocket[object, object, State], state: State, graphql: GraphQL) -> None:
    known = GRAPHQL_TRANSPORT_WS_PROTOCOL in socket.scope["subprotocols"]
    await socket.accept(subprotocols=GRAPHQL_TRANSPORT_WS_PROTOCOL if known else None)
    if not known:
        await socket.close(code=4406, reason="Subprotocol not acceptable")
        return
    view: Any = _Protocol(graphql)
    schema: Any = _OnlySubscriptions(graphql)
    handler = _Handler(
        view=view,
        websocket=LitestarWebSocketAdapter(view, socket, socket),
        context=Context(state=state, viewer=None, loaders=Loaders(state.store), websocket=socket),
        root_value=None,
        schema=schema,
        connection_init_wait_timeout=timedelta(seconds=SECONDS_TO_SAY_WHO),
        max_subscriptions_per_connection=SUBSCRIPTIONS,
    )
    handler.graphql = graphql
    await _unless_silent(socket, handler, graphql)


async def _unless_silent(socket: AnySocket, handler: _Handler, graphql: GraphQL) -> None:
    """Handle a socket. While many have not said who they are, each new one takes the place of the oldest of them."""
    if len(graphql.silent) >= MOST_SILENT:
        graphql.silent.pop(next(iter(graphql.silent))).cancel()
    handling = graphql.silent[socket] = asyncio.ensure_future(handler.handle())
    try:
        await handling
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Replaced by a newer socket: the connection ends with this task.
