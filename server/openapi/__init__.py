"""The OpenAPI 3.1 document of the server, generated from the dialects, the handlers and the error classes.

schemas             JSON Schemas of bodies, from the types that decode them
family_docs         client families, with sample requests
field_descriptions  descriptions of fields
ingest_operations   operations of the ingest routes
read_operations     operations of Litestar's routes
error_responses     error responses
introduction        the document's introduction and its tags
application         Litestar without unused plugins
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.types import ControllerRouterHandler

from server import __version__
from server.caching import SingleFlightCache
from server.openapi import error_responses, ingest_operations, read_operations
from server.openapi.ingest_operations import Route
from server.openapi.introduction import about, tags
from server.openapi.schemas import COMMON
from server.services import Services
from server.settings import Settings

Document = dict[str, Any]

_MAX_AGE = "public, max-age=300"


class EncodedDocument:
    """The document, its encoded form and its ETag."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.body = msgspec.json.encode(document)
        self.etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


class DocumentLoader:
    """Loader that builds the document once, in a thread, at its first request. Stored in the application's state as `openapi`.

    Building takes 0.25 s, a third of the time to start after imports, and most servers are never asked for the document.
    """

    def __init__(self, build: Callable[[], Document]) -> None:
        self._build = build
        self._loaded: SingleFlightCache[None, EncodedDocument] = SingleFlightCache(1, lambda _: True)

    async def document(self) -> Document:
        return (await self.load()).document

    async def load(self) -> EncodedDocument:
        return await self._loaded.find(None, lambda: asyncio.to_thread(lambda: EncodedDocument(self._build())))


def document(routes: Iterable[Route], handlers: Sequence[ControllerRouterHandler], settings: Settings) -> Document:
    """Build the OpenAPI document from the ingest routes and the handlers that are part of the schema."""
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
            {"url": f"{settings.base_path}/", "description": "The project of the key or the host, otherwise `default`"},
            {
                "url": f"{settings.base_path}/p/{{project}}",
                "description": "A project selected by its slug",
                "variables": {"project": {"default": "default", "description": "Slug of the project"}},
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
                    "description": "A key of the project. Optional unless the project requires one.",
                },
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Footfall-Key",
                    "description": "A key of the project, in a separate header.",
                },
            },
        },
    }


@get(
    "/openapi.json",
    summary="This reference as OpenAPI",
    tags=["Operation"],
    responses={
        200: ResponseSpec(dict[str, Any], description="The OpenAPI 3.1 document.", generate_examples=False),
        304: ResponseSpec(None, description="Not modified.", generate_examples=False),
    },
)
async def openapi_json(request: Request[object, object, Services], state: Services) -> Response[bytes]:
    """OpenAPI 3.1 with an `ETag`. Readable from any origin (CORS)."""
    published = await state.openapi.load()
    headers = {
        "ETag": published.etag,
        "Cache-Control": _MAX_AGE,
        "Access-Control-Allow-Origin": "*",
    }
    if published.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(published.body, headers=headers, media_type="application/json")


HANDLERS: tuple[ControllerRouterHandler, ...] = (openapi_json,)
