"""Track-Skills: calls of a tool, from a JavaScript client, a shell script or a hook. The body has no installation id."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from server.dialects.document import load
from server.dialects.parsing import (
    ID_FIELDS,
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    IgnoredFields,
    Number,
    Path,
    Timestamp,
    convert,
    environment,
    event_id,
    gather,
    keep,
    leftovers,
    raise_refusal,
    tally,
    text,
    whole_duration,
)
from server.event import Answer, Context, Decoded, FieldError, Incoming, Outcome, Outcomes, Rejection, Request
from server.identifiers import identifier
from server.problems import Invalid, Malformed

NAME = "trackskills"
STATUS = 400  # for an invalid field


class ToolCall(msgspec.Struct, kw_only=True):
    """One call of a tool. `metadata` is an object, or a string that contains one."""

    tool_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    tool_category: str | None = None
    duration_ms: Number | None = None
    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    metadata: str | dict[str, Any] | None = None
    timestamp: Timestamp | None = None


class TrackedOne(msgspec.Struct):
    """The response for one call. `ignored` names fields that were not understood."""

    success: bool
    message: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class Tracked(msgspec.Struct):
    """The response for a batch."""

    success: bool
    message: str
    accepted: int
    duplicates: int
    rejected: list[Rejection]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


PATHS = (
    Path(
        template="/api/track",
        summary="Track one tool call (Track-Skills)",
        accepts=(ToolCall,),
        answers={200: "Tracked, or a duplicate.", 400: "A field is missing or invalid."},
    ),
    Path(
        template="/api/track/batch",
        batch=True,
        summary="Track up to 1,000 tool calls (Track-Skills)",
        accepts=(list[ToolCall],),
        answers={
            200: "The result of each call.",
            400: "The body is not an array.",
            413: "The body is too large, or the batch has too many calls.",
        },
    ),
)

# A timeout is neither, as in the original's rates; it is counted among the errors by its error type.
_OUTCOMES = {"": Outcome.NONE, "success": Outcome.SUCCESS, "error": Outcome.FAILURE, "timeout": Outcome.NONE}
_FIELDS = frozenset({*ToolCall.__struct_fields__, *ID_FIELDS})
_TRACKED = Answer(200, b'{"success":true,"message":"Event tracked"}')
_encode = msgspec.json.Encoder().encode


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """Decode one call or an array. Raises `Invalid` with status 400, `TooLarge` above 1,000 calls."""
    document, ignored = request.document, IgnoredFields()
    if not request.route.endswith("/batch"):
        return Decoded(events=[_event(document, request, ignored)], ignored=ignored.names)
    if type(document) is not list:
        raise Invalid(FieldError("", "expected an array"), status=STATUS)
    decoded = gather(document, lambda item, position: _event(item, request, ignored, position), request)
    decoded.ignored = ignored.names
    return decoded


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 200 and a message, which the shell client prints; for a batch also the result of each call."""
    if decoded.batch:
        totals = tally(decoded, outcomes, target="tool_name")
        return Answer(200, _encode(Tracked(True, "Events tracked", totals.accepted, totals.duplicates, totals.rejected, totals.ignored)))
    raise_refusal(outcomes.receipts[0], target="tool_name")
    return Answer(200, _encode(TrackedOne(True, "Event tracked", decoded.ignored))) if decoded.ignored else _TRACKED


def success(request: Request) -> Answer:
    """Return the response for one call or an empty batch."""
    return Answer(200, _encode(Tracked(True, "Events tracked", 0, 0, []))) if request.route.endswith("/batch") else _TRACKED


def _event(document: Any, request: Request, ignored: IgnoredFields, position: int | None = None) -> Incoming:
    payload = convert(document, ToolCall, status=STATUS)
    metadata = _metadata(payload.metadata)
    where, reason = environment(metadata, path="metadata")
    error_type = text(payload.error_type, MAX_ERROR_TYPE)
    session = identifier(request.header(b"mcp-session-id"))
    install = f"session:{session}" if session else _key(request)
    return Incoming(
        name="tool_call",
        install=install,
        visitor=request.visitor() if install is None else None,
        occurred_at=ignored.time(payload.timestamp),
        id=event_id(document, request, position),
        session=session,
        target=("tool", payload.tool_name),
        outcome=_outcome(payload.status, ignored),
        duration_us=whole_duration(payload.duration_ms),
        error_type="timeout" if error_type is None and _word(payload.status) == "timeout" else error_type,
        error_message=text(payload.error_message, MAX_ERROR_MESSAGE, ""),
        context=Context(where, reason, NAME),
        properties=ignored.bounded(_properties(payload, metadata, leftovers(document, _FIELDS)), "metadata"),
    )


def _key(request: Request) -> str | None:
    """Return the caller's key, which stands for its install. Without a key, the shell client sends `Bearer ` and nothing after it."""
    authorization = request.header(b"authorization")
    scheme, _, token = authorization.partition(" ")
    if identifier(token or scheme) is None or authorization.lower() == "bearer":
        return None
    return f"key:{authorization}"


def _word(status: str | None) -> str:
    return (status or "").strip().lower()


def _outcome(status: str | None, ignored: IgnoredFields) -> Outcome:
    """Return the outcome. Every status is also kept as a property."""
    word = _word(status)
    if word not in _OUTCOMES:
        ignored.add("status")
    return _OUTCOMES.get(word, Outcome.NONE)


def _metadata(payload: str | dict[str, Any] | None) -> dict[str, Any]:
    """Return the metadata as an object. A string that does not contain an object is kept as it is."""
    if not payload:
        return {}
    if isinstance(payload, dict):
        return payload
    try:
        document = load(payload.encode())
    except (Malformed, Invalid):
        return {"metadata": payload}
    return document if type(document) is dict else {"metadata": payload}


def _properties(payload: ToolCall, metadata: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return the properties: known fields first, then the metadata, unknown fields, and an invalid duration."""
    properties: dict[str, Any] = {}
    if payload.status and payload.status.strip():
        properties["status"] = payload.status
    if category := text(payload.tool_category):
        properties["category"] = category
    keep(properties, metadata)
    keep(properties, others)
    if payload.duration_ms is not None and whole_duration(payload.duration_ms) is None:
        keep(properties, {"duration_ms": payload.duration_ms})
    return properties
