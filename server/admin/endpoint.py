"""The endpoint for queries and mutations, over POST. GET and batches are not supported. `socket` serves subscriptions."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError, GraphQLFormattedError
from litestar import Request, Response
from strawberry.types.graphql import OperationType

from server.admin.admission import ADMINS, Admission, Admissions
from server.admin.auth import Viewer, address_of, rate_limited_viewer
from server.admin.bounds import MAX_TEXT
from server.admin.disconnects import CLIENT_GONE, while_connected
from server.admin.filter_warnings import filter_warnings
from server.admin.loaders import Loaders
from server.admin.persisted_operations import KnownOperations
from server.admin.request_context import Context
from server.admin.safety import CODES, client_error
from server.admin.schema import build
from server.history import History
from server.ingest.asgi import ClientGone
from server.pages import SECURITY_HEADERS
from server.problems import Busy, Malformed, Problem
from server.services import Services

AnyRequest = Request[object, object, Services]

SECONDS = 20.0  # maximum duration of one operation
AT_ONCE = 16  # operations of one key or login: those of a page of the dashboard, and those of the page before it, which may still run
ADDRESS_AT_ONCE = 8  # operations of one address without a login
ANONYMOUS_AT_ONCE = 24  # operations of all callers without a login
_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
_HTTP = {OperationType.QUERY, OperationType.MUTATION}


class Body(msgspec.Struct, rename="camel"):
    """The body of a request. A persisted operation may be named by `operationName`, or by its hash in
    `extensions.persistedQuery.sha256Hash`.
    """

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class ResponseDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The response to an operation. `data` is None if there is no result; errors have the form of GraphQL's specification."""

    data: dict[str, Any] | None
    errors: list[GraphQLFormattedError] = []
    extensions: dict[str, Any] | None = None


async def _advice(history: History) -> str:
    """Advice for a client after a timeout, as a sentence."""
    if (done := await history.progress()) is None:
        return "Request less data."
    return f"The history of events is being built ({done:.0%} done): try again in a few minutes, or request less data."


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode


class UnknownOperation(Exception):
    """There is no persisted operation with this hash or name."""


class GraphQL:
    """Runs operations. `routes` creates the only instance."""

    def __init__(self) -> None:
        self.known = KnownOperations()
        self.schema: strawberry.Schema = build(self.known)
        self._running: Counter[str] = Counter()
        self.admissions = Admissions()
        self.sockets: Counter[str] = Counter()  # by address and network
        self.open_sockets: set[object] = set()
        self.unauthenticated_sockets: dict[object, asyncio.Future[None]] = {}  # oldest first

    async def handle_post(self, request: AnyRequest, state: Services) -> Response[bytes]:
        """Respond to a POST. Requires the content type JSON, which pages of other sites cannot send without a CORS preflight."""
        try:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise Malformed("The content type must be application/json.")
            body = await _body(request)
            who = await rate_limited_viewer(state, request.scope)
            must_finish = self._may_change(body)
            running = self.run(state, who, body, label=who.label if who else f"from {address_of(state, request.scope)}")
            document = await (running if must_finish else while_connected(request.receive, running))
        except ClientGone:
            return Response(b"", status_code=CLIENT_GONE)
        except Problem as problem:
            document = error_document(CODES.get(problem.code, "FAILED"), problem.detail)
            headers = {**_HEADERS, **problem.headers}
            return Response(_encode(document), status_code=problem.code, media_type="application/json", headers=headers)
        return Response(_encode(document), media_type="application/json", headers=_HEADERS)

    async def run(self, state: Services, who: Viewer | None, body: Body, *, label: str = "") -> ResponseDocument:
        """Run an operation and return the response document.

        `label` identifies the caller, who may run a few operations at once. Raises Malformed, Busy, Limited.
        """
        try:
            query = self.text(body)
        except UnknownOperation:
            return error_document("PERSISTED_QUERY_NOT_FOUND", "Unknown operation hash or name. Send the text of the operation.")
        shared_label = "" if who is None else label
        if self._running[label] >= (ADDRESS_AT_ONCE if who is None else AT_ONCE) or self._running[shared_label] >= ANONYMOUS_AT_ONCE:
            raise Busy("Too many operations are running.", retry_after=1)
        counted = {label, shared_label}
        self._running.update(counted)
        try:
            known = self.known.has(query)
            budget = ADMINS if who is not None and "admin" in who.scopes else label
            admission = None if known else await self.admissions.admit(budget, query, is_anonymous=who is None)
            try:
                return await self._execute(state, who, query, body, admission)
            finally:
                if admission is not None:
                    admission.refuse()
        finally:
            self._running.subtract(counted)
            for each in counted:
                if not self._running[each]:
                    del self._running[each]

    def _may_change(self, body: Body) -> bool:
        """Return True if an operation may be a mutation, which must not be cancelled. Raises Malformed."""
        try:
            return "mutation" in self.text(body)
        except UnknownOperation:
            return False

    async def _execute(self, state: Services, who: Viewer | None, query: str, body: Body, admission: Admission | None) -> ResponseDocument:
        """Execute an operation, and return its result or its error."""
        try:
            async with asyncio.timeout(SECONDS):
                context = Context(state=state, viewer=who, loaders=Loaders(state.store), admission=admission)
                result = await self.schema.execute(
                    query,
                    variable_values=body.variables,
                    operation_name=body.operation_name,
                    context_value=context,
                    allowed_operation_types=_HTTP,
                )
                warnings = await filter_warnings(state.store, context.filters, context.history) if context.filters else []
                return ResponseDocument(
                    data=result.data,
                    errors=[error.formatted for error in result.errors or ()],
                    extensions={"warnings": [each.as_json() for each in warnings]} if warnings else None,
                )
        except TimeoutError:
            return error_document("TIMEOUT", f"This operation took more than {SECONDS:g} seconds. {await _advice(state.history)}")
        except GraphQLError as error:
            return ResponseDocument(data=None, errors=[client_error(error).formatted])
        except Exception as error:  # the document has no operation with this name or kind
            if type(error).__module__.startswith("strawberry."):
                return error_document(
                    "BAD_INPUT", "The document has no operation with this name and kind. Subscriptions require a WebSocket."
                )
            raise

    def text(self, body: Body) -> str:
        """Return the text of the requested operation. Raises Malformed, UnknownOperation."""
        if body.query:
            if len(body.query) > MAX_TEXT:
                raise Malformed(f"An operation must be at most {MAX_TEXT // 1024} KiB.")
            return body.query
        named = (body.extensions or {}).get("persistedQuery")
        hash_ = named.get("sha256Hash") if isinstance(named, dict) else None
        name = hash_ if isinstance(hash_, str) else body.operation_name
        if not name:
            raise Malformed("The body must have a field `query`, or the name or hash of a persisted operation.")
        text = self.known.text(name)
        if text is None:
            raise UnknownOperation
        return text


def error_document(code: str, message: str) -> ResponseDocument:
    """Return a response document with one error and no data."""
    return ResponseDocument(data=None, errors=[{"message": message, "extensions": {"code": code}}])


async def _body(request: AnyRequest) -> Body:
    try:
        return _decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        raise Malformed('The body must be JSON: {"query": "…", "variables": {…}}.') from None
