"""The OpenAPI document is complete and correct: allowed requests are accepted, forbidden ones refused, and responses match."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from litestar import Litestar
from schemathesis.checks import negative_data_rejection
from schemathesis.generation import GenerationMode

from server import app, problems
from server.ingest.routing import Route, Routes
from server.openapi import document
from server.openapi.family_docs import FAMILIES, SAMPLES, family
from server.settings import load

DOCUMENT = document(Routes().all, app._HANDLERS, load({}))
ROUTES = {route.path.template: route for route in Routes().all}
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
# Paths with requests that can be invalid. On the others, any text is a valid name.
REFUSING = [(route.path.template, "post") for route in ROUTES.values() if route.path.body or "{" in route.path.template]
# Paths of a single event whose client reads errors.
ABSORBING = {route.path.template for route in ROUTES.values() if route.path.absorbs}
SINGLE = [(name, template) for name, template in SAMPLES if not template.endswith("/batch") and template not in ABSORBING]


def body_of(path: str) -> str:
    """The schema of a route's body, which several routes may share; empty if it has none."""
    content = DOCUMENT["paths"][path]["post"].get("requestBody", {}).get("content", {})
    return msgspec.json.encode(content.get("application/json", {}).get("schema")).decode()


# Generated requests that violate the schema. `make test` sends them to one route for each body, unless a test below changes its fields one by one.
BODIES = {body_of(path): path for path, _ in reversed(REFUSING) if path not in {template for _, template in SINGLE}}
REFUSED = [
    pytest.param(path, method, GenerationMode.NEGATIVE, marks=[] if path in BODIES.values() else [pytest.mark.slow])
    for path, method in REFUSING
]
EXAMPLES = int(os.environ.get("FOOTFALL_TEST_EXAMPLES", "1"))  # requests for each operation; `make test-all` sends 30
FEW = profile(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@cache
def schema() -> Any:
    """The document as schemathesis reads it."""
    return schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT))


@pytest.fixture(scope="module")
def url(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without rate limits."""
    server = server_class(tmp_path_factory.mktemp("openapi"), {})
    try:
        server.start()
        yield server.url
    finally:
        server.close()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as opened:
        yield opened


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(value: dict[str, Any]) -> Any:
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT)).validate()
    assert all(resolved({"$ref": reference}) for reference in references(DOCUMENT))


def test_the_document_is_served_with_an_etag_and_cors(client: httpx.Client) -> None:
    first = client.get("/openapi.json")
    assert first.json()["paths"].keys() == DOCUMENT["paths"].keys()
    assert first.headers["access-control-allow-origin"] == "*"
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_document_is_the_same_in_each_process(client: httpx.Client) -> None:
    served = client.get("/openapi.json").json()
    assert list(served["paths"]) == list(DOCUMENT["paths"])
    assert served["components"] == msgspec.to_builtins(DOCUMENT["components"])


def test_no_page_of_litestar_is_served(client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/schema", "/schema/redoc", "/schema/openapi.json")] == [404] * 3


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_every_ingest_route_is_in_the_document_with_all_its_dialects(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path.template][route.path.method.lower()]
    assert sorted(operation["tags"]) == sorted(family(dialect).title for dialect in route.dialects)
    assert operation["summary"]
    paths = [path for dialect in route.dialects for path in dialect.PATHS if path.template == route.path.template]
    assert {str(status) for path in paths for status in path.answers} <= operation["responses"].keys()
    if route.path.body:
        content = operation["requestBody"]["content"]["application/json"]
        bodies = content["schema"].get("anyOf", [content["schema"]])
        assert len(bodies) == sum(len(path.accepts) for path in paths)
        assert {name.rpartition("-")[0] for name in content["examples"]} == {dialect.NAME for dialect in route.dialects}


def test_every_handler_is_in_the_document() -> None:
    served = {route.path_format for route in Litestar(route_handlers=app._HANDLERS, openapi_config=None, logging_config=None).routes}
    # GraphQL has its own contract; the others are forms, the dashboard with its files, and shared pages.
    elsewhere = {
        "/graphql",
        "/login",
        "/logout",
        "/d/{project}",
        "/d/{project}/{page}",
        "/embed/{project}/{chart}",
        "/assets/{name}",
        "/theme.js",
        "/shared/{secret}",
    }
    assert (served | ROUTES.keys()) - elsewhere == DOCUMENT["paths"].keys()


def test_every_status_of_a_problem_is_described() -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, problems.Problem)]
    described = {int(status) for item in DOCUMENT["paths"].values() for operation in item.values() for status in operation["responses"]}
    assert {kind.status for kind in kinds} - described == {405}, "405 is for methods that are not in the document"


def test_every_field_of_every_body_is_described() -> None:
    bodies = [operation.get("requestBody", {}) for item in DOCUMENT["paths"].values() for operation in item.values()]
    sent = {reference for body in bodies for reference in references(body) if "/schemas/" in reference}
    described = {
        (reference, name): field.get("description")
        for reference in sent
        for name, field in resolved({"$ref": reference})["properties"].items()
    }
    assert described
    assert [field for field, text in described.items() if not text] == []


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [*((*operation, GenerationMode.POSITIVE) for operation in OPERATIONS), *REFUSED],
)
def test_responses_match_the_document(url: str, path: str, method: str, mode: GenerationMode) -> None:
    """Requests that the schema allows are accepted. Forbidden ones get a refusal, or a per-event error within a batch.

    The test below checks the fields of batches, because schemathesis cannot.
    """
    operation = schema()[path][method]

    @FEW
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(base_url=url, excluded_checks=[negative_data_rejection])

    check()


def fields(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any], bool]]:
    """Yield each field of a body, with its schema (without null) and whether it is required."""
    for name, field in resolved(schema).get("properties", {}).items():
        member = next(member for member in field.get("anyOf", [field]) if member.get("type") != "null")
        yield (*path, name), member, name in schema.get("required", resolved(schema).get("required", []))
        yield from fields(resolved(member), (*path, name))


def changed(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return the body with another value at one place; without the place if the value is `...`."""
    copied = copy.deepcopy(body)
    place = copied
    for name in path[:-1]:
        place = place.setdefault(name, {})
    if value is ...:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return copied


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield values that a schema forbids."""
    if "enum" in schema:
        yield "none of these"
    if schema.get("type") == "string":
        yield [1]
        if "maxLength" in schema:
            yield "x" * (schema["maxLength"] + 1)
        if schema.get("minLength"):
            yield ""
        yield "\0"
    if schema.get("type") == "number":
        yield from ("12", [1])
    if schema.get("type") == "object" and "maxProperties" in schema:
        yield {f"p{number}": 1 for number in range(schema["maxProperties"] + 1)}
    if schema.get("$ref", "").endswith("/Moment"):
        yield from ([1], True)


# Native fields that never cost an event: a value that cannot be used is ignored, and named in the response.
DESCRIPTIVE = {"session_id"}


@pytest.mark.parametrize(("name", "template"), SINGLE)
def test_forbidden_values_are_refused_by_field(client: httpx.Client, name: str, template: str) -> None:
    variants = DOCUMENT["paths"][template]["post"]["x-footfall-variants"]
    schema = next(variant["bodies"][0] for variant in variants if variant["family"] == FAMILIES[name].title)
    body = SAMPLES[name, template][0].body
    assert client.post(template, json=body).is_success
    for path, field, required in fields(schema):
        changes = [changed(body, path, value) for value in wrong_values(field)]
        # A body without an object may match another shape. Fields of an optional object are not required.
        if required and "$ref" not in field and (len(path) == 1 or path[0] == "data"):
            changes.append(changed(body, path, ...))
        for change in changes:
            answer = client.post(template, json=change)
            if answer.is_success and path[-1] in DESCRIPTIVE:
                assert answer.json().get("ignored", [path[-1]]) == [path[-1]], (change, answer.text)
                continue
            assert answer.status_code in (400, 422), (change, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            found = answer.json()
            assert set(DOCUMENT["components"]["schemas"]["ProblemDetails"]["required"]) <= found.keys()
            # If families share a path, a body without one family's outermost field belongs to another family, whose error it gets.
            if len(variants) == 1 or len(path) > 1:
                assert path[-1] in {error["path"].rpartition(".")[2] for error in found["errors"]}, (change, found)
