"""Extensions of every operation: limits, access to the schema, and safe error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from graphql import GraphQLError, NoSchemaIntrospectionCustomRule
from strawberry.extensions import MaxTokensLimiter, SchemaExtension

from server import logs
from server.admin.bounds import MAX_TOKENS, refusal
from server.problems import Problem

log = logs.get(__name__)

CODES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 400: "BAD_INPUT", 422: "BAD_INPUT", 429: "LIMITED", 503: "BUSY"}
MAX_ERRORS = 20  # in one response
LONGEST_MESSAGE = 300  # characters


class RestrictIntrospection(SchemaExtension):
    """Restricts introspection to authenticated callers."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        viewer = getattr(context.context, "viewer", None)
        if viewer is None and NoSchemaIntrospectionCustomRule not in context.validation_rules:
            context.validation_rules = (*context.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


class LimitOperations(SchemaExtension):
    """Rejects operations that exceed a limit, before GraphQL's own validation."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.pre_execution_errors is None and context.graphql_document is not None:
            refused = refusal(context.graphql_document)
            if refused is not None:
                context.pre_execution_errors = [refused]
        yield


class ReleaseAdmission(SchemaExtension):
    """Admits the next operation once this one is valid."""

    def on_validate(self) -> Iterator[None]:
        yield
        context = self.execution_context
        admission = getattr(context.context, "admission", None)
        if admission is not None and not context.pre_execution_errors:
            admission.accept()


class MaskErrors(SchemaExtension):
    """Masks errors: ours keep their code and field, GraphQL's lose the client's value, and all others become a generic message."""

    def on_operation(self) -> Iterator[None]:
        yield
        result: Any = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [client_error(error) for error in result.errors[:MAX_ERRORS]]


# PostgreSQL stores no text with NUL; the second error is that of JSON.
_NUL = frozenset({"CharacterNotInRepertoireError", "UntranslatableCharacterError"})


def client_error(error: GraphQLError) -> GraphQLError:
    """Return an error without internal details and without the client's values."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, Problem):
        extensions: dict[str, Any] = {"code": CODES.get(cause.code, "FAILED")}
        if cause.errors:
            extensions["errors"] = [{"path": each.path, "message": each.message} for each in cause.errors]
        if cause.retry_after is not None:
            extensions["retryAfter"] = cause.retry_after
        message = "; ".join(f"{each.path} {each.message}" for each in cause.errors) or cause.detail
        return GraphQLError(message, error.nodes, path=error.path, extensions=extensions)
    if cause is None or isinstance(cause, GraphQLError):
        return GraphQLError(
            without_value(error.message),
            error.nodes,
            error.source,
            error.positions,
            error.path,
            extensions={"code": "BAD_INPUT", **(error.extensions or {})},
        )
    if error.path is None and isinstance(cause, ValueError):  # Python refuses to parse numbers of 100,000 digits
        return GraphQLError("A value is invalid for its field.", error.nodes, extensions={"code": "BAD_INPUT"})
    if any(kind.__name__ in _NUL for kind in type(cause).__mro__):
        return GraphQLError(
            "A text contains a character that is not allowed.", error.nodes, path=error.path, extensions={"code": "BAD_INPUT"}
        )
    log.error("graphql_failed", exc_info=cause)
    return GraphQLError("Internal error. The server's log has details.", error.nodes, path=error.path, extensions={"code": "FAILED"})


_VALUES = (
    (re.compile(r"(Value) .* (does not exist in)", re.DOTALL), r"\1 \2"),
    (re.compile(r", found: .*", re.DOTALL), "."),
    (re.compile(r"(cannot represent (?:an? )?[^:]*): .*", re.DOTALL), r"\1."),
    (re.compile(r"((?:found|Unexpected) (?:Name|Int|Float|String|BlockString)) .*", re.DOTALL), r"\1."),
)


def without_value(message: str) -> str:
    """Remove the client's values from one of GraphQL's messages. Names of fields, arguments and types stay."""
    for pattern, replacement in _VALUES:
        message = pattern.sub(replacement, message)
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…"


def extensions() -> list[Any]:
    """Return the extensions of the schema, in order."""
    return [
        lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
        ReleaseAdmission,
        LimitOperations,
        RestrictIntrospection,
        MaskErrors,
    ]
