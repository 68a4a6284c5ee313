"""Error responses in the OpenAPI document: one schema, and one shared response per status."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import FieldError
from server.problems import (
    CONTENT_TYPE,
    Busy,
    Failed,
    Forbidden,
    ForwardingLoop,
    HeadTooLarge,
    Invalid,
    Limited,
    Malformed,
    Problem,
    TooLarge,
    TooSlow,
    Unauthorized,
    UnknownEncoding,
    UnknownProject,
)

Response = dict[str, Any]

REF = "#/components/responses/"

PROBLEM_DETAILS: dict[str, Any] = {
    "title": "ProblemDetails",
    "description": "An error in the format of RFC 9457. It never repeats the client's values.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "URL of the error type's documentation in this reference."},
        "title": {"type": "string", "description": "Summary of the error type."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "HTTP status."},
        "detail": {"type": "string", "description": "Explanation of this error."},
        "code": {"type": "string", "description": "Code of the error type."},
        "message": {"type": "string", "description": "Copy of `detail`, for clients that expect a field `message`."},
        "errors": {
            "type": "array",
            "description": "Invalid fields.",
            "items": {
                "type": "object",
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "Path of the field, such as `events[3].target.id`. Empty for the body itself.",
                    },
                    "message": {"type": "string", "description": "Explanation of the error."},
                },
                "required": ["path", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "message"],
}

_COUNT = {"type": "integer", "minimum": 0}
# Optional: absent without limits, and in errors that precede the limit check.
RATE_LIMIT_HEADERS = {
    "RateLimit-Limit": {"$ref": "#/components/headers/RateLimit-Limit"},
    "RateLimit-Remaining": {"$ref": "#/components/headers/RateLimit-Remaining"},
    "RateLimit-Reset": {"$ref": "#/components/headers/RateLimit-Reset"},
}
HEADERS = {
    "RateLimit-Limit": {"description": "Maximum per address in the window.", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "Remaining amount in the window.", "schema": _COUNT},
    "RateLimit-Reset": {"description": "Seconds until the window resets.", "schema": _COUNT},
    "Retry-After": {"description": "Seconds to wait before a retry.", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "Accept-Encoding": {"description": "Supported encodings.", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}},
}
_OWN_HEADERS = {415: ("Accept-Encoding",), 429: ("Retry-After",), 503: ("Retry-After",), 401: ("WWW-Authenticate",)}

# Each status with its description and an example.
_PROBLEMS: dict[int, tuple[str, Problem]] = {
    400: ("The body cannot be read.", Malformed("The body is not valid JSON: syntax error at byte 17.")),
    401: ("A key is required, or the key is unknown.", Unauthorized("The key is unknown or was revoked.")),
    403: ("The key lacks the scope.", Forbidden("This key does not have the `ingest` scope.")),
    404: ("No such project.", UnknownProject("No such project.")),
    408: ("The headers or the body took too long to arrive.", TooSlow("The body must arrive within 10 seconds.")),
    413: ("The body is too large.", TooLarge("The body must be at most 10240 bytes.")),
    415: ("The encoding of the body is not supported. `Accept-Encoding` lists the supported ones.", UnknownEncoding()),
    422: (
        "A field is missing or invalid, or the project does not accept the target.",
        Invalid(FieldError("installation_id", "is missing"), FieldError("duration_ms", "must be at least 0")),
    ),
    429: ("Too many requests or events from one address.", Limited("At most 10 requests from one address in a minute.", retry_after=42)),
    431: ("The headers are too large.", HeadTooLarge("The headers must be at most 32768 bytes.")),
    500: ("Internal error.", Failed("The request failed. See the server log.")),
    503: ("The queue is full, or the database cannot write.", Busy("Too many events are waiting to be stored.", retry_after=1)),
    508: ("The project forwards to another system, and this request came back from there.", ForwardingLoop()),
}


def components() -> dict[str, Response]:
    """Return the shared responses by status."""
    return {str(status): _response(status, text) for status, (text, _) in _PROBLEMS.items()}


def refusal(status: int, text: str | None = None, *, counted: bool = True) -> Response:
    """Return the shared response with this status, or one with the description `text`. Raises KeyError for an unknown status.

    `counted`: the route has rate limits, so its responses have rate limit headers.
    """
    return {"$ref": f"{REF}{status}"} if text is None else _response(status, text, counted=counted)


def _response(status: int, text: str, *, counted: bool = True) -> Response:
    _, problem = _PROBLEMS[status]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _OWN_HEADERS.get(status, ())}
    if counted:
        headers |= RATE_LIMIT_HEADERS
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    response: Response = {"description": text, "content": {CONTENT_TYPE.decode(): {"schema": schema, "example": _example(status, problem)}}}
    return {**response, "headers": headers} if headers else response


def _example(status: int, problem: Problem) -> Any:
    document: dict[str, Any] = msgspec.json.decode(problem.to_json())
    return {**document, "status": status}
