"""What this server takes and answers, as an OpenAPI 3.1 document: made from the dialects, the handlers and the problems, never by hand.

schemas    bodies, from the types that they are read with
families   the families of clients, with samples of what they send
meanings   what fields mean
ingest     operations of the ingest routes
reading    operations of the routes that Litestar serves
application  the Litestar that serves them
refusals   answers that are errors
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.types import ControllerRouterHandler

from server import __version__
from server.openapi import error_responses, ingest_operations, read_operations
from server.openapi.ingest_operations import Route
from server.openapi.introduction import about, tags
from server.openapi.schemas import COMMON
from server.settings import Settings

Document = dict[str, Any]

_MAX_AGE = "public, max-age=300"


class Published:
    """The document, ready to be sent. Belongs into the application's state as `openapi`."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.body = msgspec.json.encode(document)
        self.etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def document(routes: Iterable[Route], handlers: Sequence[ControllerRouterHandler], settings: Settings) -> Document:
    """The OpenAPI document of a server: all its ingest routes, and all handlers that are in the schema."""
    sent, bodies = ingest_operations.operations(routes)
    read, results = read_operations.operations(handlers)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Footfall",
            "version": __version__,
            "description": about(settings),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": f"{settings.base_path}/", "description": "The project of the key, of the host, or `default`"},
            {
                "url": f"{settings.base_path}/p/{{project}}",
                "description": "A project by its name in the path",
                "variables": {"project": {"default": "default", "description": "The project's slug"}},
            },
        ],
        "tags": tags([*sent.values(), *read.values()]),
        "paths": {**sent, **read},
        "components": {
            "schemas": {**COMMON, "ProblemDetails": error_responses.PROBLEM_DETAILS, **results, **bodies},
            "responses": error_responses.components(),
            "headers": error_responses.HEADERS,
            "parameters": ingest_operations.PARAMETERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of the project. Optional, unless the project wants one.",
                },
                "key": {"type": "apiKey", "in": "header", "name": "X-Footfall-Key", "description": "The same, in a header of its own."},
            },
        },
    }


@get(
    "/openapi.json",
    summary="This reference, for machines",
    tags=["Operation"],
    responses={
        200: ResponseSpec(dict[str, Any], description="The OpenAPI 3.1 document.", generate_examples=False),
        304: ResponseSpec(None, description="It is as you know it.", generate_examples=False),
    },
)
async def openapi_json(request: Request[object, object, State], state: State) -> Response[bytes]:
    """OpenAPI 3.1, with an `ETag`. Any origin may read it."""
    published: Published = state.openapi
    headers = {
        "ETag": published.etag,
        "Cache-Control": _MAX_AGE,
        "Access-Control-Allow-Origin": "*",
    }
    if published.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(published.body, headers=headers, media_type="application/json")


HANDLERS: tuple[ControllerRouterHandler, ...] = (openapi_json,)
