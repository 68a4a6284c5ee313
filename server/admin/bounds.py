"""Bounds of an operation: counted in one walk over what was parsed, before anything dearer looks at it. Refusing costs milliseconds.

GraphQL's own rules compare fields of the same name with each other, each with each, and walk through fragments wherever they are spread: what
is refused here never gets to them.
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

MOST_TEXT = 32 * 1024  # characters of a document
MOST_TOKENS = 1_200  # the largest of the documented operations has 450
MOST_OPERATIONS = 10  # in one document, of which one is run
MOST_VISITS = 1_200  # fields and fragments, each counted wherever it is spread
DEEPEST = 10
DEEPEST_FRAGMENTS = 20
MOST_ALIASES = 40
MOST_REPEATED = 200  # pairs of fields with the same name in the same place
MOST_COST = 10_000

# Fields that ask the store cost as much as so many others; of a list, each row costs what is asked of it.
_QUESTION = 10
_QUESTIONS = frozenset({
    "overview", "series", "breakdown", "activeUsers", "newAndReturning", "retention", "versions", "durations", "medians", "errors", "funnel",
    "experiment", "targets", "targetTotals", "trending", "vocabulary", "warnings",
    "failures", "ledger", "rejected", "limitedAddresses", "totalCount", "events", "installs",
    "auditLog", "projects", "jobs", "runs", "packs", "counters",
    "flakedrop", "toolUse",
})  # fmt: skip
_ROWS_OF_A_PAGE, _ROWS_OF_A_LIST = 50, 10  # where nobody says how many
_PAGED = frozenset({"events", "installs", "projects", "runs"})
_SCHEMA = {"__schema": 2_500, "__type": 500}


class TooMuch(Exception):
    """Why a document is refused."""


class _Fields(dict[str, "_Fields"]):
    """The fields of one place by the name that each has in the answer, merged as in the answer."""

    times = 0


def refusal(document: DocumentNode) -> GraphQLError | None:
    """Why a document is refused; None where it is within all bounds."""
    try:
        _Walk(document).all()
    except TooMuch as error:
        return GraphQLError(str(error), extensions={"code": "TOO_COMPLEX"})
    return None


class _Place(NamedTuple):
    """Where the walk is: how deep, inside which fragments, beside which fields, and whether this asks for the schema."""

    depth: int
    inside: tuple[str, ...]
    fields: _Fields
    schema: bool


class _Walk:
    """One walk over each operation, with its fragments in their places, and over each fragment by itself."""

    def __init__(self, document: DocumentNode) -> None:
        self._operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._visits = self._aliases = self._repeated = 0

    def all(self) -> None:
        """Raises TooMuch."""
        if len(self._operations) > MOST_OPERATIONS:
            raise TooMuch(f"This document has more than {MOST_OPERATIONS} operations.")
        for operation in self._operations:
            self._aliases = 0
            cost = self._cost(operation.selection_set, _Place(1, (), _Fields(), schema=False))
            if cost > MOST_COST:
                raise TooMuch(f"This operation costs {cost}; at most {MOST_COST} are taken.")
        for name, fragment in self._fragments.items():
            about_schema = fragment.type_condition.name.value.startswith("__")
            self._aliases = 0
            self._cost(fragment.selection_set, _Place(1, (name,), _Fields(), about_schema))

    def _cost(self, selection: SelectionSetNode | None, place: _Place) -> int:
        if selection is None:
            return 0
        if place.depth > DEEPEST and not place.schema:  # another rule bounds that one
            raise TooMuch(f"This operation is nested more than {DEEPEST} levels deep.")
        cost = 0
        for node in selection.selections:
            self._visits += 1
            if self._visits > MOST_VISITS:
                raise TooMuch(f"This document has more than {MOST_VISITS} fields, those of fragments counted wherever they are spread.")
            if isinstance(node, FieldNode):
                cost += self._field(node, place)
            elif isinstance(node, InlineFragmentNode):
                cost += self._cost(node.selection_set, place)
            elif isinstance(node, FragmentSpreadNode):
                cost += self._spread(node.name.value, place)
        return cost

    def _spread(self, name: str, place: _Place) -> int:
        fragment = self._fragments.get(name)
        if fragment is None or name in place.inside:  # other rules say so
            return 0
        if len(place.inside) >= DEEPEST_FRAGMENTS:
            raise TooMuch(f"Fragments of this document are nested more than {DEEPEST_FRAGMENTS} levels deep.")
        return self._cost(fragment.selection_set, place._replace(inside=(*place.inside, name)))

    def _field(self, node: FieldNode, place: _Place) -> int:
        name = node.name.value
        schema = place.schema or name in _SCHEMA
        if node.alias is not None:
            self._aliases += 1
            if self._aliases > MOST_ALIASES or schema:  # under aliases all of the schema could be asked for many times
                raise TooMuch(
                    "The schema is asked for without aliases." if schema else f"This operation has more than {MOST_ALIASES} aliases."
                )
        below = place.fields.setdefault(node.alias.value if node.alias else name, _Fields())
        self._repeated += below.times
        below.times += 1
        if self._repeated > MOST_REPEATED:
            raise TooMuch("This document names the same fields in the same places too often.")
        each = self._cost(node.selection_set, _Place(place.depth + 1, place.inside, below, schema))
        if schema:
            return _SCHEMA.get(name, 0)
        return (_QUESTION if name in _QUESTIONS else 1) + each * (_rows(node) if name in _PAGED else 1)


def _rows(node: FieldNode) -> int:
    for given in node.arguments or ():
        if given.name.value in ("first", "last"):
            if isinstance(given.value, IntValueNode):
                return max(1, min(int(given.value.value), 200)) if len(given.value.value) < 9 else 200
            if isinstance(given.value, VariableNode):
                return 100
    selected = node.selection_set.selections if node.selection_set else ()
    page = any(isinstance(each, FieldNode) and each.name.value in ("nodes", "edges") for each in selected)
    return _ROWS_OF_A_PAGE if page else _ROWS_OF_A_LIST
