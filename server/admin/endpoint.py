"""Queries and mutations, over POST. Nothing is asked over GET, and no batches are taken. `socket` has the subscriptions."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import strawberry
from graphql import GraphQLError
from litestar import Request, Response
from litestar.datastructures import State
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from server.admin import filter_warnings
from server.admin.admission import ADMINS, Admission, Admissions
from server.admin.auth import Viewer, address_of, counted_viewer
from server.admin.bounds import MOST_TEXT
from server.admin.loaders import Loaders
from server.admin.persisted_operations import Known
from server.admin.request_context import Context
from server.admin.safety import CODES, told
from server.admin.schema import build
from server.pages import SECURITY_HEADERS
from server.problems import Busy, Malformed, Problem

AnyRequest = Request[object, object, State]

SECONDS = 20.0  # that one operation may take
AT_ONCE = 8  # operations of one viewer, or of one address without a login
OF_STRANGERS = 24  # of all of these together
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


class NotKnown(Exception):
    """There is no known operation of this hash or name."""


class GraphQL:
    """Runs operations. `doors` makes the one that there is."""

    def __init__(self) -> None:
        self.known = Known()
        self.schema: strawberry.Schema = build(self.known)
        self._running: Counter[str] = Counter()
        self.admissions = Admissions()
        self.sockets: Counter[str] = Counter()  # by address, and by the networks around it
        self.open_sockets: set[object] = set()
        self.silent: dict[object, asyncio.Future[None]] = {}  # sockets that have not said who they are, oldest first

    async def posted(self, request: AnyRequest, state: State) -> Response[bytes]:
        """The answer to a POST. The content type must be JSON, which a page of another site cannot send without asking first."""
        try:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise Malformed("The content type must be application/json.")
            body = await _body(request)
            who = await counted_viewer(state, request.scope)
            document = await self.run(state, who, body, label=who.label if who else f"from {address_of(state, request.scope)}")
        except Problem as problem:
            document = refused(CODES.get(problem.code, "FAILED"), problem.detail)
            headers = dict(_HEADERS)
            if problem.retry_after is not None:
                headers["Retry-After"] = str(problem.retry_after)
            if problem.code == 401:
                headers["WWW-Authenticate"] = 'Bearer realm="footfall"'
            return Response(_encode(document), status_code=problem.code, media_type="application/json", headers=headers)
        return Response(_encode(document), media_type="application/json", headers=_HEADERS)

    async def run(self, state: State, who: Viewer | None, body: Body, *, label: str = "") -> dict[str, Any]:
        """The document of an answer. `label` is for whoever asks: they may have a few operations at once. Raises Malformed, Busy, Limited."""
        try:
            query = self.text(body)
        except NotKnown:
            return refused("PERSISTED_QUERY_NOT_FOUND", "There is no known operation of this hash or name: send its text.")
        strangers = "" if who is None else label
        if self._running[label] >= AT_ONCE or self._running[strangers] >= OF_STRANGERS:
            raise Busy("Too many operations run at once.", retry_after=1)
        counted = {label, strangers}
        self._running.update(counted)
        try:
            known = self.known.has(query)
            budget = ADMINS if who is not None and "admin" in who.scopes else label
            admission = None if known else await self.admissions.admit(budget, query, stranger=who is None)
            try:
                result = await self._result(state, who, query, body, admission)
            finally:
                if admission is not None:
                    admission.refused()
            return result if isinstance(result, dict) else _document(result)
        finally:
            self._running.subtract(counted)
            for each in counted:
                if not self._running[each]:
                    del self._running[each]

    async def _result(self, state: State, who: Viewer | None, query: str, body: Body, admission: Admission | None) -> Any:
        """What the schema says, or the document of an answer that says why it was not asked."""
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
                if context.asked and (found := await filter_warnings.of_filters(state.store, context.asked)):
                    result.extensions = {**(result.extensions or {}), "warnings": found}
                return result
        except TimeoutError:
            return refused("TIMEOUT", f"This operation took more than {SECONDS:g} seconds: ask for less.")
        except GraphQLError as error:
            return {"data": None, "errors": [told(error).formatted]}
        except Exception as error:  # the operation's name or kind is none that there is
            if type(error).__module__.startswith("strawberry."):
                return refused("BAD_INPUT", "There is no operation of that name and kind in this document; subscriptions want a WebSocket.")
            raise

    def text(self, body: Body) -> str:
        """The text of the operation that is asked for. Raises Malformed, NotKnown."""
        if body.query:
            if len(body.query) > MOST_TEXT:
                raise Malformed(f"An operation has at most {MOST_TEXT // 1024} KiB.")
            return body.query
        named = (body.extensions or {}).get("persistedQuery")
        hash_ = named.get("sha256Hash") if isinstance(named, dict) else None
        name = hash_ if isinstance(hash_, str) else body.operation_name
        if not name:
            raise Malformed("The body wants a field `query`, or the name or hash of a known operation.")
        text = self.known.text(name)
        if text is None:
            raise NotKnown
        return text


def _document(result: Any) -> dict[str, Any]:
    assert isinstance(result, ExecutionResult) or hasattr(result, "errors")
    document: dict[str, Any] = {"data": result.data}
    if result.errors:
        document["errors"] = [error.formatted for error in result.errors]
    if found := (result.extensions or {}).get("warnings"):
        document["extensions"] = {"warnings": found}
    return document


def refused(code: str, message: str) -> dict[str, Any]:
    """The document of an answer without data."""
    return {"data": None, "errors": [{"message": message, "extensions": {"code": code}}]}


async def _body(request: AnyRequest) -> Body:
    try:
        return _decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        raise Malformed('The body must be JSON: {"query": "…", "variables": {…}}.') from None
