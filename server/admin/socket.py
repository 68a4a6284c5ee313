"""Subscriptions over a WebSocket, with the protocol graphql-transport-ws."""

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
from strawberry.exceptions import ConnectionRejectionError
from strawberry.litestar.controller import LitestarWebSocketAdapter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from server.admin.admission import ADMINS, Admission
from server.admin.auth import ANONYMOUS_RATE, count, headers_of, same_site
from server.admin.endpoint import Body, GraphQL, UnknownOperation, error_document
from server.admin.loaders import Loaders
from server.admin.request_context import Context
from server.admin.safety import client_error
from server.ingest.networks import networks_of
from server.problems import Busy, Limited, Malformed, Problem
from server.services import Services

MAX_SOCKETS = 200  # sockets of this process
OF_ONE_ADDRESS = 50  # sockets; IPv6 networks may have more, see `networks_of`
MAX_UNAUTHENTICATED = 100  # sockets
SUBSCRIPTIONS = 10  # on one socket
AUTHENTICATION_TIMEOUT = 10

AnySocket = WebSocket[object, object, Services]

_encode = msgspec.json.Encoder().encode


class _Protocol:
    """The callbacks of Strawberry's protocol handler."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Authenticate the first message or the cookie. Raises ConnectionRejectionError without valid credentials."""
        try:
            await context.renew()
            if context.viewer is None:
                raise Malformed("No credentials.")
        except Problem:
            assert context.websocket is not None
            try:
                await count(context.state, ANONYMOUS_RATE, "graphql", context.websocket.scope)
            except Problem as limited:
                raise ConnectionRejectionError from limited
            raise ConnectionRejectionError from None
        self._graphql.unauthenticated_sockets.pop(context.websocket, None)
        return UNSET  # type: ignore[no-any-return]  # Strawberry declares it as Any

    def encode_json(self, data: object) -> str:
        return _encode(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise json.JSONDecodeError("no JSON", "", 0) from error


class _OnlySubscriptions:
    """The schema, restricted to subscriptions. Queries and mutations have their limits at the HTTP endpoint."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql
        self._schema: Any = graphql.schema

    async def stream(self, query: str, *, context_value: Context, **named: Any) -> AsyncGenerator[Any, None]:
        """Stream the results of an operation, after its admission."""
        return self._results(query, context_value, named)

    async def _results(self, query: str, context: Context, named: dict[str, Any]) -> AsyncGenerator[Any, None]:
        admission: Admission | None = None
        try:
            if not self._graphql.known.has(query):
                admission = await self._graphql.admissions.admit(_label(context), query, is_anonymous=context.viewer is None)
            context.admission = admission
            source = await self._schema.stream(query, context_value=context, **named, allowed_operation_types=(OperationType.SUBSCRIPTION,))
            async with aclosing(source):
                async for result in source:
                    if admission is not None:
                        admission.refuse()
                    yield result
        except (Busy, Limited) as problem:
            yield PreExecutionError(data=None, errors=[client_error(GraphQLError("", original_error=problem))])
        finally:
            if admission is not None:
                admission.refuse()


def _label(context: Context) -> str:
    if context.viewer is not None and "admin" in context.viewer.scopes:
        return ADMINS
    return context.viewer.label if context.viewer else ""  # sockets without a caller are rejected before any operation


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """Accepts persisted operations by name or hash, and rejects messages that are not operations."""

    graphql: GraphQL

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        document: Any = message
        try:
            body = msgspec.convert(document["payload"], Body)
            known = {"query": self.graphql.text(body), "variables": body.variables, "operationName": body.operation_name}
            message_: Any = {"id": msgspec.convert(document["id"], str), "type": "subscribe", "payload": known}
            self.graphql.admissions.check(_label(self.context))
        except (msgspec.ValidationError, KeyError):
            await self.handle_invalid_message("Failed to parse message")
        except Limited as problem:
            await self.websocket.close(code=4429, reason=problem.detail)
        except Malformed as problem:
            await self._refuse(document["id"], "BAD_INPUT", problem.detail)
        except UnknownOperation:
            await self._refuse(
                document["id"], "PERSISTED_QUERY_NOT_FOUND", "Unknown operation hash or name. Send the text of the operation."
            )
        else:
            await super().handle_subscribe(message_)

    async def _refuse(self, number: Any, code: str, message: str) -> None:
        answer: Any = {"id": number, "type": "error", "payload": error_document(code, message).errors}
        await self.send_message(answer)


async def serve(socket: WebSocket[object, object, Services], state: Services, graphql: GraphQL) -> None:
    """Serve subscriptions on a socket. Browsers may open one only from a page of this server."""
    if not same_site(headers_of(socket.scope)):
        await socket.close(code=1008)  # before accepting: the handshake fails with 403
        return
    client = socket.scope.get("client")
    networks = networks_of(state.gate.address(client[0] if client else "", headers_of(socket.scope)))
    if len(graphql.open_sockets) >= MAX_SOCKETS or any(graphql.sockets[each] >= OF_ONE_ADDRESS * times for each, times in networks):
        await socket.close(code=1013)
        return
    counted = [each for each, _ in networks]
    graphql.sockets.update(counted)
    graphql.open_sockets.add(socket)
    try:
        await _serve(socket, state, graphql)
    finally:
        graphql.open_sockets.discard(socket)
        graphql.unauthenticated_sockets.pop(socket, None)
        graphql.sockets.subtract(counted)
        for each in counted:
            if not graphql.sockets[each]:
                del graphql.sockets[each]


async def _serve(socket: WebSocket[object, object, Services], state: Services, graphql: GraphQL) -> None:
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
        connection_init_wait_timeout=timedelta(seconds=AUTHENTICATION_TIMEOUT),
        max_subscriptions_per_connection=SUBSCRIPTIONS,
    )
    handler.graphql = graphql
    await _handle(socket, handler, graphql)


async def _handle(socket: AnySocket, handler: _Handler, graphql: GraphQL) -> None:
    """Handle a socket. If too many are unauthenticated, it replaces the oldest of them."""
    if len(graphql.unauthenticated_sockets) >= MAX_UNAUTHENTICATED:
        graphql.unauthenticated_sockets.pop(next(iter(graphql.unauthenticated_sockets))).cancel()
    handling = graphql.unauthenticated_sockets[socket] = asyncio.ensure_future(handler.handle())
    try:
        await handling
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Replaced by a newer socket: the connection ends with this task.
