"""FlakeDrop: `{"type": "deployment", "data": {"data": {…}}}`, or without the inner object in its first release.

Its server accepts whatever Go's decoder accepts, and counts by type. Unknown types and fields are therefore kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.dialects.parsing import (
    ID_FIELDS,
    IgnoredFields,
    Name,
    Path,
    Timestamp,
    arch_name,
    convert,
    environment,
    event_id,
    leftovers,
    os_name,
    raise_refusal,
    text,
)
from server.event import Answer, Context, Decoded, Incoming, Outcome, Outcomes, Request

NAME = "flakedrop"
STATUS = 400  # for an invalid field


class Report(msgspec.Struct, kw_only=True):
    """The inner object. Other fields (`config_type`, `file_count`, `metrics`, …) are kept as properties.

    `user_id` is already a hash. A deployment counts as a success or a failure if `success` is a boolean.
    """

    user_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    version: str | None = None
    os: str | None = None
    arch: str | None = None
    timestamp: Timestamp | None = None
    success: Any = None


class ReportInData(msgspec.Struct):
    data: Report


class Event(msgspec.Struct):
    type: Name
    data: ReportInData


class FlatEvent(msgspec.Struct):
    """An event in the format of FlakeDrop's first release."""

    type: Name
    data: Report


class Envelope(msgspec.Struct):
    """The members of both formats. A missing or null `data` is an empty object, as in Go."""

    type: Name
    data: dict[str, Any] | None = None


class Ok(msgspec.Struct):
    """The response. `ignored` names fields that were not understood."""

    status: Literal["ok"]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


PATHS = (
    Path(
        template="/v1/events",
        summary="Record a heartbeat, a new configuration or a deployment (FlakeDrop)",
        accepts=(Event, FlatEvent, Envelope),
        answers={200: "Stored, or a duplicate.", 400: "A field is missing or invalid."},
    ),
)

_ENVELOPE = frozenset(Envelope.__struct_fields__)
_LIFTED = frozenset({"user_id", "version", "os", "arch", "timestamp", *ID_FIELDS})
_encode = msgspec.json.Encoder().encode
_OK = Answer(200, b'{"status":"ok"}')


def claims(request: Request) -> bool:
    """Return True for an object with a type and neither a name nor events, which would make it the native format."""
    document = request.document
    return type(document) is dict and type(document.get("type")) is str and document.keys().isdisjoint(("name", "events"))


def decode(request: Request) -> Decoded:
    """Decode one event. Raises `Invalid` with status 400."""
    envelope = convert(request.document, Envelope, status=STATUS)
    fields, path = _flat(request.document, envelope.data or {})
    payload = convert(fields, Report, status=STATUS, path=path)
    properties = leftovers(fields, _LIFTED)
    outcome = Outcome.NONE
    if envelope.type == "deployment" and type(payload.success) is bool:
        outcome = Outcome.SUCCESS if properties.pop("success") else Outcome.FAILURE
    where, reason = environment(properties, path=path)
    ignored = IgnoredFields()
    ignored.identifier(payload.user_id, f"{path}.user_id")
    event = Incoming(
        name=envelope.type,
        install=payload.user_id or None,
        occurred_at=ignored.time(payload.timestamp, f"{path}.timestamp"),
        id=event_id(fields, request),
        outcome=outcome,
        context=Context(where, reason, NAME, os_name(payload.os), arch_name(payload.arch), None, text(payload.version)),
        properties=ignored.bounded(properties, path),
    )
    return Decoded(events=[event], ignored=ignored.names)


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 200 for any stored event. The client does not read the response."""
    raise_refusal(outcomes.receipts[0])
    return Answer(200, _encode(Ok("ok", decoded.ignored))) if decoded.ignored else _OK


def success(request: Request) -> Answer:
    return _OK


def _flat(document: dict[str, Any], outer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Merge the fields of all levels, the inner ones first, and return them with the path of the innermost object."""
    inner = outer.get("data")
    around = leftovers(document, _ENVELOPE)
    if type(inner) is not dict:
        return around | outer, "data"
    return around | leftovers(outer, _ENVELOPE) | inner, "data.data"
