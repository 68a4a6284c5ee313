"""Costs of GraphQL fields, by which operations are limited."""

from __future__ import annotations

from graphql import parse
from strawberry.utils.str_converters import to_camel_case

from server.admin import bounds, schema

# Fields that read a few rows by a key.
CHEAP = {
    "Event": {"install"},
    "Project": {"fields", "historyProgress", "savedQuestions", "savedQuestion", "shares", "forwarding", "firstEvent", "event", "install", "keys", "alerts"},
    "Query": {"project", "sessions", "adminKeys", "server"},
}  # fmt: skip


def test_every_field_that_queries_the_store_has_a_cost() -> None:
    """Without one, an operation may ask for a chart forty times."""
    found: dict[str, set[str]] = {}
    for name, kind in schema.build().schema_converter.type_map.items():
        for field in getattr(kind.definition, "fields", ()):
            resolver = getattr(field, "base_resolver", None)
            if name != "Mutation" and resolver is not None and resolver.is_async:
                found.setdefault(name, set()).add(field.graphql_name or to_camel_case(field.python_name))
    assert {"overview", "ask"} <= found["Project"]
    without_cost = {name: fields - bounds.QUESTIONS for name, fields in found.items()}
    assert {name: fields for name, fields in without_cost.items() if fields} == CHEAP


def test_answers_of_saved_questions_cost_as_much_as_questions() -> None:
    """A project has up to a hundred, and each answer reads events."""
    answers = " ".join(f"a{number}: answer {{warnings}}" for number in range(40))
    found = bounds.refusal(parse(f'{{project(slug: "tool") {{savedQuestions {{name {answers}}}}}}}'))
    assert found is not None
    assert "costs" in found.message
    assert bounds.refusal(parse('{project(slug: "tool") {savedQuestions {name answer {warnings}}}}')) is None
