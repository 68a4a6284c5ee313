"""Bounds of an operation, and what its errors say. Refusing costs milliseconds, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    VariableNode,
)
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, SchemaExtension

from server import logs
from server.problems import Problem

log = logs.get(__name__)

MOST_TOKENS = 2_000
DEEPEST = 10
MOST_ALIASES = 40
MOST_COST = 10_000
CODES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 400: "BAD_INPUT", 422: "BAD_INPUT", 429: "LIMITED", 503: "BUSY"}

# Fields that ask the store cost as much as so many others; of a list, each row costs what is asked of it.
_QUESTION = 10
_QUESTIONS = frozenset({
    "overview", "series", "breakdown", "activeUsers", "newAndReturning", "retention", "versions", "durations", "errors", "funnel", "experiment",
    "targets", "trending", "vocabulary", "failures", "ledger", "rejected", "limitedAddresses", "totalCount", "events", "installs", "auditLog",
})  # fmt: skip
_ROWS_OF_A_PAGE, _ROWS_OF_A_LIST = 50, 10  # where nobody says how many
_PAGED = frozenset({"events", "installs"})


class Bounds(ValidationRule):
    """Depth, aliases and cost of each operation, with its fragments in their places."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._aliases = 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        self._aliases = 0
        try:
            cost = self._cost(node.selection_set, 1, ())
        except _TooMuch as error:
            self.report_error(GraphQLError(str(error), node, extensions={"code": "TOO_COMPLEX"}))
            return
        if cost > MOST_COST:
            self.report_error(
                GraphQLError(f"This operation costs {cost}; at most {MOST_COST} are taken.", node, extensions={"code": "TOO_COMPLEX"})
            )

    def _cost(self, selection: SelectionSetNode | None, depth: int, inside: tuple[str, ...]) -> int:
        if selection is None:
            return 0
        if depth > DEEPEST:
            raise _TooMuch(f"This operation is nested more than {DEEPEST} levels deep.")
        cost = 0
        for node in selection.selections:
            if isinstance(node, FieldNode):
                cost += self._field(node, depth, inside)
            elif isinstance(node, InlineFragmentNode):
                cost += self._cost(node.selection_set, depth, inside)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragment(node.name.value)
                if fragment is not None and node.name.value not in inside:  # circles are another rule's to report
                    cost += self._cost(fragment.selection_set, depth, (*inside, node.name.value))
            if cost > MOST_COST:
                return cost  # enough is known, and what follows may be endless
        return cost

    def _field(self, node: FieldNode, depth: int, inside: tuple[str, ...]) -> int:
        if node.name.value.startswith("__"):
            return 1
        if node.alias is not None:
            self._aliases += 1
            if self._aliases > MOST_ALIASES:
                raise _TooMuch(f"This operation has more than {MOST_ALIASES} aliases.")
        name = node.name.value
        each = self._cost(node.selection_set, depth + 1, inside)
        return (_QUESTION if name in _QUESTIONS else 1) + each * (_rows(node) if name in _PAGED else 1)

    def _fragment(self, name: str) -> FragmentDefinitionNode | None:
        return self.context.get_fragment(name)


class _TooMuch(Exception):
    """Why an operation is refused."""


def _rows(node: FieldNode) -> int:
    for given in node.arguments or ():
        if given.name.value == "first":
            if isinstance(given.value, IntValueNode):
                return max(1, min(int(given.value.value), 200)) if len(given.value.value) < 9 else 200
            if isinstance(given.value, VariableNode):
                return 100
    selected = node.selection_set.selections if node.selection_set else ()
    page = any(isinstance(each, FieldNode) and each.name.value in ("nodes", "edges") for each in selected)
    return _ROWS_OF_A_PAGE if page else _ROWS_OF_A_LIST


class KnownToUsers(SchemaExtension):
    """The schema is described to whoever is logged in; others get its public parts by asking for them."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        viewer = getattr(context.context, "viewer", None)
        if viewer is None and NoSchemaIntrospectionCustomRule not in context.validation_rules:
            context.validation_rules = (*context.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


class Told(SchemaExtension):
    """Errors as clients may see them: ours with a code and the field, those of GraphQL as they are, all else without what went wrong."""

    def on_operation(self) -> Iterator[None]:
        yield
        result: Any = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [told(error) for error in result.errors]


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
        return error
    log.error("graphql_failed", exc_info=cause)
    return GraphQLError("This could not be answered; the log says more.", error.nodes, path=error.path, extensions={"code": "FAILED"})


def extensions() -> list[Any]:
    """What every operation passes through."""
    return [
        lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
        lambda: AddValidationRules([Bounds]),
        KnownToUsers,
        Told,
    ]
