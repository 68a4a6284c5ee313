"""OpenAPI operations of the routes that Litestar serves, with our error responses in place of Litestar's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler

from server.openapi.application import Application
from server.openapi.error_responses import refusal
from server.openapi.ingest_operations import PATH_PARAMETERS, Operation

READING = "Reading"
INSTALLS = "Installs"

# Errors of every reading route, as raised by `public.readable_project`.
_REFUSALS = {
    401: "This is not public, and no valid key was sent.",
    403: "The key does not have the scope `read`.",
    404: "No such resource.",
    429: "Too many wrong keys from one address.",
}
# Additional content types: Litestar's handlers declare one for each status.
_OTHER_FORMS = {("/badge/{file}", 200): {"image/svg+xml": {"schema": {"type": "string"}}}}
_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"key": []}]


def operations(handlers: Sequence[ControllerRouterHandler]) -> tuple[dict[str, dict[str, Operation]], dict[str, Any]]:
    """Return the path items of all handlers that are part of the schema, and the schemas that they refer to."""
    # This application serves nothing. Naming a plugin keeps Litestar from adding pages that load scripts from elsewhere.
    config = OpenAPIConfig(title="Footfall", version="0", use_handler_docstrings=True, render_plugins=[JsonRenderPlugin()])
    schema = Application(route_handlers=handlers, openapi_config=config, logging_config=None).openapi_schema.to_schema()
    described: Any = msgspec.to_builtins(schema)  # examples may be structs
    # Litestar keeps a handler's paths in a set: sorted, the document is the same in each process.
    items = sorted(described["paths"].items(), key=lambda entry: (entry[0].count("/"), entry[0]))
    paths = {path: {method: _rewrite(path, method, operation) for method, operation in item.items()} for path, item in items}
    return paths, described["components"].get("schemas", {})


def _rewrite(path: str, method: str, operation: Operation) -> Operation:
    reading = READING in operation.get("tags", ())
    responses = {int(status): _success(response) for status, response in operation["responses"].items() if int(status) < 400}
    for status, response in responses.items():
        response.get("content", {}).update(_OTHER_FORMS.get((path, status), {}))
    for status, response in operation["responses"].items():
        if int(status) >= 400 and (found := _error(int(status), response, operation)) is not None:
            responses[int(status)] = found
    if reading:
        responses |= {status: refusal(status, text, counted=False) for status, text in _REFUSALS.items() if status not in responses}
    ours = {
        **operation,
        "operationId": "_".join([method, *(word.strip("{}").replace(".", "_") for word in path.split("/") if word)]),
        "responses": {str(status): responses[status] for status in sorted(responses)},
        **({"security": operation.get("security") or _SECURITY} if reading else {}),
    }
    ours.pop("deprecated", None)
    if "parameters" in ours:
        ours["parameters"] = [_parameter(parameter) for parameter in ours["parameters"]]
    return ours


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return Litestar's parameter, with the description of the ingest routes' parameter of the same name."""
    shown = {key: value for key, value in parameter.items() if key != "deprecated"}
    if parameter["in"] == "path" and (known := PATH_PARAMETERS.get(parameter["name"])):
        shown = {"description": known[0], "example": known[2], **shown}
    return shown


def _success(response: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in response.items() if value != {}}


def _error(status: int, response: dict[str, Any], operation: Operation) -> dict[str, Any] | None:
    """Convert an error response of Litestar's to ours; None for a 400 without query parameters, as paths always parse."""
    if status == 400:
        query = any(parameter["in"] != "path" for parameter in operation.get("parameters", ()))
        return refusal(400, "A parameter cannot be read.", counted=False) if query else None
    own = response.get("content")
    return response if own else refusal(status, response["description"], counted=False)
