"""Limits on the size and cost of an operation, checked in one walk over the parsed document.

GraphQL's own validation compares fields of the same name pairwise and expands fragments wherever they are spread. This check runs first, so
validation never sees a document that would take it long.
"""

from __future__ import annotations

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

MAX_TEXT = 32 * 1024  # characters of a document
MAX_TOKENS = 1_200  # the largest operation in graphql/operations/ has 450
MAX_OPERATIONS = 10  # in one document; one of them runs
MAX_VISITS = 1_200  # fields and fragments, counted wherever they are spread
DEEPEST = 10
DEEPEST_FRAGMENTS = 20
MAX_ALIASES = 40
MAX_REPEATED = 200  # pairs of fields with the same name at the same position
MAX_COST = 10_000

# Cost of a field that queries the store, in plain fields. Fields of a list cost as much as they do in each of its rows.
_QUESTION = 10
QUESTIONS = frozenset({
    "overview", "series", "breakdown", "activeUsers", "newAndReturning", "retention", "versions", "durations", "medians", "errors", "funnel",
    "experiment", "targets", "targetTotals", "trending", "vocabulary", "warnings",
    "failures", "ledger", "rejected", "limitedAddresses", "totalCount", "events", "installs",
    "auditLog", "projects", "jobs", "runs", "packs", "counters",
    "flakedrop", "toolUse", "ask", "askFunnel", "askRetention", "askPaths", "fieldValues",
    "answer", "funnelAnswer", "retentionAnswer", "pathsAnswer", "unknownProjectLedger",
})  # fmt: skip
_ROWS_OF_A_PAGE, _ROWS_OF_A_LIST = 50, 10  # without `first` or `last`
_PAGED = frozenset({"events", "installs", "projects", "runs"})
_LONG_LISTS = {"savedQuestions": 50}  # lists without pages, with the number of rows that few projects exceed
_SCHEMA = {"__schema": 2_500, "__type": 500}


class LimitExceeded(Exception):
    """A limit that the document exceeds."""


class _Fields(dict[str, "_Fields"]):
    """The fields at one position by response name, merged as in the response."""

    times = 0


def refusal(document: DocumentNode) -> GraphQLError | None:
    """The error for a document that exceeds a limit; None for a valid one."""
    try:
        _Walk(document).all()
    except LimitExceeded as error:
        return GraphQLError(str(error), extensions={"code": "TOO_COMPLEX"})
    return None


class _Place(NamedTuple):
    """A position in the document: its depth, the fragments around it, the fields beside it, and whether it is below `__schema`."""

    depth: int
    inside: tuple[str, ...]
    fields: _Fields
    schema: bool


class _Walk:
    """A walk over all operations, with their fragments expanded, and over each fragment by itself."""

    def __init__(self, document: DocumentNode) -> None:
        self._operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._visits = self._aliases = self._repeated = 0

    def all(self) -> None:
        """Check all operations and fragments. Raises LimitExceeded."""
        if len(self._operations) > MAX_OPERATIONS:
            raise LimitExceeded(f"This document has more than {MAX_OPERATIONS} operations.")
        for operation in self._operations:
            self._aliases = 0
            cost = self._cost(operation.selection_set, _Place(1, (), _Fields(), schema=False))
            if cost > MAX_COST:
                raise LimitExceeded(f"This operation costs {cost}; the maximum is {MAX_COST}.")
        for name, fragment in self._fragments.items():
            about_schema = fragment.type_condition.name.value.startswith("__")
            self._aliases = 0
            self._cost(fragment.selection_set, _Place(1, (name,), _Fields(), about_schema))

    def _cost(self, selection: SelectionSetNode | None, place: _Place) -> int:
        if selection is None:
            return 0
        if place.depth > DEEPEST and not place.schema:  # another rule limits introspection
            raise LimitExceeded(f"This operation is nested more than {DEEPEST} levels deep.")
        cost = 0
        for node in selection.selections:
            self._visits += 1
            if self._visits > MAX_VISITS:
                raise LimitExceeded(f"This document has more than {MAX_VISITS} fields. Fields of fragments count wherever they are spread.")
            if isinstance(node, FieldNode):
                cost += self._field(node, place)
            elif isinstance(node, InlineFragmentNode):
                cost += self._cost(node.selection_set, place)
            elif isinstance(node, FragmentSpreadNode):
                cost += self._spread(node.name.value, place)
        return cost

    def _spread(self, name: str, place: _Place) -> int:
        fragment = self._fragments.get(name)
        if fragment is None or name in place.inside:  # other rules report these
            return 0
        if len(place.inside) >= DEEPEST_FRAGMENTS:
            raise LimitExceeded(f"Fragments of this document are nested more than {DEEPEST_FRAGMENTS} levels deep.")
        return self._cost(fragment.selection_set, place._replace(inside=(*place.inside, name)))

    def _field(self, node: FieldNode, place: _Place) -> int:
        name = node.name.value
        schema = place.schema or name in _SCHEMA
        if node.alias is not None:
            self._aliases += 1
            if self._aliases > MAX_ALIASES or schema:  # aliases could repeat the whole schema many times
                raise LimitExceeded(
                    "Introspection does not accept aliases." if schema else f"This operation has more than {MAX_ALIASES} aliases."
                )
        below = place.fields.setdefault(node.alias.value if node.alias else name, _Fields())
        self._repeated += below.times
        below.times += 1
        if self._repeated > MAX_REPEATED:
            raise LimitExceeded("This document repeats the same fields at the same places too often.")
        each = self._cost(node.selection_set, _Place(place.depth + 1, place.inside, below, schema))
        if schema:
            return _SCHEMA.get(name, 0)
        return (_QUESTION if name in QUESTIONS else 1) + each * (_rows(node) if name in _PAGED else _LONG_LISTS.get(name, 1))


def _rows(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, IntValueNode):
                return max(1, min(int(argument.value.value), 200)) if len(argument.value.value) < 9 else 200
            if isinstance(argument.value, VariableNode):
                return 100
    selected = node.selection_set.selections if node.selection_set else ()
    page = any(isinstance(each, FieldNode) and each.name.value in ("nodes", "edges") for each in selected)
    return _ROWS_OF_A_PAGE if page else _ROWS_OF_A_LIST
