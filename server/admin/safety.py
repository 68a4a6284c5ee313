"""What every operation passes through: its bounds, who may see the schema, and what errors say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from graphql import GraphQLError, NoSchemaIntrospectionCustomRule
from strawberry.extensions import MaxTokensLimiter, SchemaExtension

from server import logs
from server.admin.bounds import MOST_TOKENS, refusal
from server.problems import Problem

log = logs.get(__name__)

CODES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 400: "BAD_INPUT", 422: "BAD_INPUT", 429: "LIMITED", 503: "BUSY"}
MOST_ERRORS = 20  # of one answer
LONGEST_MESSAGE = 300  # characters


class KnownToUsers(SchemaExtension):
    """The schema is described to whoever is logged in; others get its public parts by asking for them."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        viewer = getattr(context.context, "viewer", None)
        if viewer is None and NoSchemaIntrospectionCustomRule not in context.validation_rules:
            context.validation_rules = (*context.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


class Bounded(SchemaExtension):
    """What is out of bounds is not looked at any further, by GraphQL's own rules neither."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.pre_execution_errors is None and context.graphql_document is not None:
            refused = refusal(context.graphql_document)
            if refused is not None:
                context.pre_execution_errors = [refused]
        yield


class Admitted(SchemaExtension):
    """Lets the next operation be looked at once this one is valid."""

    def on_validate(self) -> Iterator[None]:
        yield
        context = self.execution_context
        admission = getattr(context.context, "admission", None)
        if admission is not None and not context.pre_execution_errors:
            admission.passed()


class Told(SchemaExtension):
    """Errors as clients may see them: ours with a code and the field, those of GraphQL without the value, all else without what went wrong."""

    def on_operation(self) -> Iterator[None]:
        yield
        result: Any = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [told(error) for error in result.errors[:MOST_ERRORS]]


def told(error: GraphQLError) -> GraphQLError:
    """One error as clients may see it."""
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
    if error.path is None and isinstance(cause, ValueError):  # a number of a hundred thousand digits, which Python will not read
        return GraphQLError("A value is none that its field takes.", error.nodes, extensions={"code": "BAD_INPUT"})
    if any(kind.__name__ == "CharacterNotInRepertoireError" for kind in type(cause).__mro__):  # PostgreSQL knows no text with a zero
        return GraphQLError("A text has a character that none may have.", error.nodes, path=error.path, extensions={"code": "BAD_INPUT"})
    log.error("graphql_failed", exc_info=cause)
    return GraphQLError("This could not be answered; the log says more.", error.nodes, path=error.path, extensions={"code": "FAILED"})


_VALUES = (
    (re.compile(r"(Value) .* (does not exist in)", re.DOTALL), r"\1 \2"),
    (re.compile(r", found: .*", re.DOTALL), "."),
    (re.compile(r"(cannot represent (?:an? )?[^:]*): .*", re.DOTALL), r"\1."),
    (re.compile(r"((?:found|Unexpected) (?:Name|Int|Float|String|BlockString)) .*", re.DOTALL), r"\1."),
)


def without_value(message: str) -> str:
    """A message of GraphQL's own, which may repeat what was sent, without that. Names of fields, arguments and types stay."""
    for pattern, kept in _VALUES:
        message = pattern.sub(kept, message)
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…"


def extensions() -> list[Any]:
    """What every operation passes through."""
    return [
        lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
        Admitted,
        Bounded,
        KnownToUsers,
        Told,
    ]
