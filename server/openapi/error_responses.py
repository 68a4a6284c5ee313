"""The answers that are errors, as the document describes them: one shape, and one shared answer for each status."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import FieldError
from server.problems import (
    CONTENT_TYPE,
    Busy,
    Failed,
    Forbidden,
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
    "description": "What went wrong, as RFC 9457 has it. Nothing that was sent is repeated.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The kind of problem: where this reference explains it."},
        "title": {"type": "string", "description": "The kind of problem, in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "code": {"type": "string", "description": "The kind of problem, in one word."},
        "message": {"type": "string", "description": "The same as `detail`, for clients that look for a message."},
        "errors": {
            "type": "array",
            "description": "Each field that is wrong.",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The field, as in `events[3].target.id`; empty for the body itself."},
                    "message": {"type": "string", "description": "What is wrong with it."},
                },
                "required": ["path", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "message"],
}

_COUNT = {"type": "integer", "minimum": 0}
# Not required: a server or a project may have no limits, and what is refused before they are looked at has none of these.
STANDING_HEADERS = {
    "RateLimit-Limit": {"$ref": "#/components/headers/RateLimit-Limit"},
    "RateLimit-Remaining": {"$ref": "#/components/headers/RateLimit-Remaining"},
    "RateLimit-Reset": {"$ref": "#/components/headers/RateLimit-Reset"},
}
HEADERS = {
    "RateLimit-Limit": {"description": "What one address may have in the window.", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "What is left of it.", "schema": _COUNT},
    "RateLimit-Reset": {"description": "Seconds until there is all of it again.", "schema": _COUNT},
    "Retry-After": {"description": "Seconds after which to try again.", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "Accept-Encoding": {"description": "The encodings that are known.", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}},
}
_OWN_HEADERS = {415: ("Accept-Encoding",), 429: ("Retry-After",), 503: ("Retry-After",), 401: ("WWW-Authenticate",)}

# Each status with what it says in general, and an instance of it.
_PROBLEMS: dict[int, tuple[str, Problem]] = {
    400: ("The body cannot be read.", Malformed("The body is not valid JSON: syntax error at byte 17.")),
    401: ("A key is needed, or the one that was sent is not known.", Unauthorized("The key is unknown or was revoked.")),
    403: ("The key may not do this.", Forbidden("This key does not have the `ingest` scope.")),
    404: ("There is no such project.", UnknownProject("There is no such project.")),
    408: ("The headers or the body took too long to arrive.", TooSlow("The body must arrive within 10 seconds.")),
    413: ("The body is too large.", TooLarge("The body must be at most 10240 bytes.")),
    415: ("The body is compressed in a way that is not known here; `Accept-Encoding` names those that are.", UnknownEncoding()),
    422: (
        "A field is missing or wrong, or the project takes no such target.",
        Invalid(FieldError("installation_id", "is missing"), FieldError("duration_ms", "must be at least 0")),
    ),
    429: ("Too many requests or events from one address.", Limited("At most 10 requests from one address in a minute.", retry_after=42)),
    431: ("The headers are too large.", HeadTooLarge("At most 32768 bytes of headers are taken.")),
    500: ("Our own fault.", Failed("The request failed. See the server log.")),
    503: ("The queue is full, or the store cannot write.", Busy("Too many events are waiting to be stored.", retry_after=1)),
}


def components() -> dict[str, Response]:
    """The shared answers, by status."""
    return {str(status): _response(status, text) for status, (text, _) in _PROBLEMS.items()}


def refusal(status: int, text: str | None = None, *, counted: bool = True) -> Response:
    """The answer with that status: the shared one, or one that says `text` in its place. KeyError for a status that is none of ours.

    `counted`: whether the route has rate limits, so that its answers say where the client stands.
    """
    return {"$ref": f"{REF}{status}"} if text is None else _response(status, text, counted=counted)


def _response(status: int, text: str, *, counted: bool = True) -> Response:
    _, problem = _PROBLEMS[status]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _OWN_HEADERS.get(status, ())}
    if counted:
        headers |= STANDING_HEADERS
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    response: Response = {"description": text, "content": {CONTENT_TYPE.decode(): {"schema": schema, "example": _example(status, problem)}}}
    return {**response, "headers": headers} if headers else response


def _example(status: int, problem: Problem) -> Any:
    document: dict[str, Any] = msgspec.json.decode(problem.to_json())
    return {**document, "status": status}
