"""OpenAPI operations of the ingest routes, from the dialects' paths. Example responses are the dialects' real responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from server.dialects import Dialect
from server.dialects.parsing import Path, Sample
from server.event import Answer, Outcomes, Receipt, Request
from server.event_id import first_id
from server.openapi.error_responses import RATE_LIMIT_HEADERS, refusal
from server.openapi.family_docs import NOTES, RESPONSE_TYPES, family, rank, samples
from server.openapi.schemas import NO_NUL, Schema, answers, any_of, bodies

Operation = dict[str, Any]

_RECEIVED_AT = 1_773_480_413_589
ID = first_id(_RECEIVED_AT) + 1  # of an event in the examples

_ALWAYS = (401, 403, 404, 422, 429, 431, 500, 503)
_WITH_BODY = (400, 408, 413, 415)
_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"key": []}]

# Path parameters: description, schema, example.
PATH_PARAMETERS: dict[str, tuple[str, Schema, str]] = {
    "pack": ("Name of the pack in its registry.", {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}, "peon"),
    "file": ("Name of the pack, followed by `.svg` or `.json`.", {"type": "string"}, "peon.svg"),
    "type": ("Type of the target.", {"type": "string"}, "snippet"),
    "id": ("Id of the target.", {"type": "string"}, "hello-world"),
    "what": ("Data to export.", {"type": "string"}, "events"),
    "installation_id": ("Raw id of the install, as its client sends it.", {"type": "string"}, "0d9b7f52-6a1e-4a43-b1c8-7e5f3f2a9c10"),
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes retries of requests without event ids safe for 30 days. Scoped to the caller's key, or else to the install.",
        "schema": {"type": "string"},
    },
    "Mcp-Session-Id": {
        "name": "Mcp-Session-Id",
        "in": "header",
        "description": "Session of the caller. Only its keyed hash is stored.",
        "schema": {"type": "string"},
    },
}
_HEADERS_OF = {"trackskills": ("Mcp-Session-Id",)}


class Route(Protocol):
    """A path and the dialects that share it."""

    @property
    def path(self) -> Path: ...

    @property
    def dialects(self) -> tuple[Dialect, ...]: ...


class _Variant(msgspec.Struct):
    """A path as one dialect handles it."""

    dialect: Dialect
    path: Path
    bodies: list[Schema]
    response_schemas: list[Schema]
    samples: dict[str, Sample]

    @property
    def name(self) -> str:
        return self.dialect.NAME


def operations(routes: Iterable[Route]) -> tuple[dict[str, dict[str, Operation]], dict[str, Schema]]:
    """Return the path items of all routes, and the schemas that they refer to."""
    paths: dict[str, dict[str, Operation]] = {}
    components: dict[str, Schema] = {}
    for route in routes:
        variants = [_variant(dialect, path, components) for dialect in route.dialects for path in _paths(dialect, route)]
        variants.sort(key=lambda variant: rank(variant.name))
        paths[route.path.template] = {route.path.method.lower(): _operation(route, variants)}
    return paths, components


def _paths(dialect: Dialect, route: Route) -> list[Path]:
    return [path for path in dialect.PATHS if path.template == route.path.template]


def _variant(dialect: Dialect, path: Path, components: dict[str, Schema]) -> _Variant:
    key = (dialect.NAME, path.template)
    accepted, found = bodies(path.accepts, dialect.NAME)
    response_schemas, also = answers(RESPONSE_TYPES.get(key, ()), dialect.NAME)
    components.update({**also, **components, **found})
    named = {f"{dialect.NAME}-{number}": sample for number, sample in enumerate(samples(dialect, path), 1)}
    return _Variant(dialect, path, accepted, response_schemas, named)


def _operation(route: Route, variants: list[_Variant]) -> Operation:
    first = variants[0]
    operation: Operation = {
        "operationId": f"{route.path.method.lower()}{_words(route.path.template)}",
        "tags": [family(variant.dialect).title for variant in variants],
        "summary": first.path.summary,
        "description": _description(variants),
        "parameters": _parameters(route.path, variants),
        "responses": _responses(route.path, variants),
        "security": _SECURITY,
        # The reference page shows these separately, each with its body and its responses.
        "x-footfall-variants": [_shown(variant) for variant in variants],
    }
    if route.path.body:
        examples = {name: _example(sample) for variant in variants for name, sample in variant.samples.items()}
        content = {"schema": any_of([schema for variant in variants for schema in variant.bodies]), "examples": examples}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _words(template: str) -> str:
    return "".join(f"_{word}" if word.isalnum() else "" for word in template.replace("{", "").replace("}", "").split("/"))


def _description(variants: list[_Variant]) -> str:
    notes = [(variant, NOTES.get((variant.name, variant.path.template), "")) for variant in variants]
    if len(variants) == 1:
        return notes[0][1]
    return "\n\n".join(f"**{family(variant.dialect).title}**: {variant.path.summary}. {note}".rstrip() for variant, note in notes)


def _shown(variant: _Variant) -> dict[str, Any]:
    return {
        "family": family(variant.dialect).title,
        "summary": variant.path.summary,
        "description": NOTES.get((variant.name, variant.path.template), ""),
        "bodies": variant.bodies,
        "examples": list(variant.samples),
        "answers": {str(status): text for status, text in variant.path.answers.items()},
    }


def _parameters(path: Path, variants: list[_Variant]) -> list[dict[str, Any]]:
    found = []
    if "{" in path.template:
        name = path.template.partition("{")[2].partition("}")[0]
        about, schema, example = PATH_PARAMETERS.get(name, ("", {"type": "string", "minLength": 1, "pattern": NO_NUL}, "name"))
        found.append({"name": name, "in": "path", "required": True, "description": about, "schema": schema, "example": example})
    headers = ("Idempotency-Key", *(header for variant in variants for header in _HEADERS_OF.get(variant.name, ())))
    return found + [{"$ref": f"#/components/parameters/{header}"} for header in headers]


def _responses(path: Path, variants: list[_Variant]) -> dict[str, Any]:
    responses: dict[int, Any] = {}
    for variant in variants:
        for status in variant.path.answers:
            if status < 300:
                responses[status] = _success(status, variants)
    for status in (*_ALWAYS, *(_WITH_BODY if path.body else ()), *(() if path.forwarded is None else (508,))):
        responses[status] = refusal(status, _description_of(variants, status))
    return {str(status): responses[status] for status in sorted(responses)}


def _description_of(variants: list[_Variant], status: int) -> str | None:
    """Return the dialects' description of a status, or None."""
    texts: dict[str, list[str]] = {}
    for variant in variants:
        if status in variant.path.answers:
            texts.setdefault(variant.path.answers[status], []).append(family(variant.dialect).title)
    if len(texts) < 2:
        return next(iter(texts), None)
    return " ".join(f"{', '.join(titles)}: {text}" for text, titles in texts.items())


def _success(status: int, variants: list[_Variant]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _description_of(variants, status), "headers": RATE_LIMIT_HEADERS}
    speaking = [variant for variant in variants if status in variant.path.answers]
    response_schemas = [schema for variant in speaking for schema in variant.response_schemas]
    examples = {}
    for variant in speaking:
        for name, sample in variant.samples.items():
            answer = _example_answer(variant, sample)
            if answer.status == status:
                examples[name] = {"summary": sample.title, "value": msgspec.json.decode(answer.body)}
    if response_schemas or examples:
        response["content"] = {"application/json": {"schema": any_of(response_schemas) if response_schemas else {}, "examples": examples}}
    return response


def _example(sample: Sample) -> dict[str, Any]:
    return {"summary": sample.title, "value": sample.body}


def _example_answer(variant: _Variant, sample: Sample) -> Answer:
    """Return the dialect's response to a sample, with all of its events stored."""
    request = Request(
        route=variant.path.template,
        headers={},
        address="192.0.2.1",
        received_at=_RECEIVED_AT,
    )
    # A copy: dialects modify the document.
    body = msgspec.json.encode(sample.body)
    request.document = msgspec.json.decode(body) if variant.path.parse is None else variant.path.parse(body, request)[0]
    decoded = variant.dialect.decode(request)
    events = len(decoded.events)
    outcomes = Outcomes(receipts=[Receipt.STORED] * events, ids=[ID] * events, created=[True] * len(decoded.installs))
    return variant.dialect.answer(decoded, outcomes)
