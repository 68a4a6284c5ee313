"""FlakeDrop: `{"type": "deployment", "data": {"data": {…}}}`, an object in an object, or without the second one from the first release.

Its server takes whatever Go's decoder takes, and counts by type. So unknown types are kept, and the fields that clients add too.
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
STATUS = 400  # of a wrong field


class Report(msgspec.Struct, kw_only=True):
    """The inner object. What is not named here (`config_type`, `file_count`, `metrics`, …) is kept as properties.

    `user_id` is a hash already. A deployment counts as a success or a failure where `success` is a boolean.
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
    """The shape of the first release."""

    type: Name
    data: Report


class Envelope(msgspec.Struct):
    """The members of both shapes. Nothing for `data`, or null, is an empty object, as Go reads it."""

    type: Name
    data: dict[str, Any] | None = None


class Ok(msgspec.Struct):
    """The answer. `ignored` names fields that were not understood, where there are any."""

    status: Literal["ok"]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


PATHS = (
    Path(
        template="/v1/events",
        summary="Record a heartbeat, a new configuration or a deployment (FlakeDrop)",
        accepts=(Event, FlatEvent, Envelope),
        answers={200: "Stored, or known already.", 400: "A field is missing or wrong."},
    ),
)

_ENVELOPE = frozenset(Envelope.__struct_fields__)
_LIFTED = frozenset({"user_id", "version", "os", "arch", "timestamp", *ID_FIELDS})
_encode = msgspec.json.Encoder().encode
_OK = Answer(200, b'{"status":"ok"}')


def claims(request: Request) -> bool:
    """A type, and neither a name nor events: that would be an event in our own format, or a batch of them."""
    document = request.document
    return type(document) is dict and type(document.get("type")) is str and document.keys().isdisjoint(("name", "events"))


def decode(request: Request) -> Decoded:
    """One event. Raises `Invalid` with status 400."""
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
    """200 for any event that the store accepts: the client does not read it."""
    raise_refusal(outcomes.receipts[0])
    return Answer(200, _encode(Ok("ok", decoded.ignored))) if decoded.ignored else _OK


def success(request: Request) -> Answer:
    return _OK


def _flat(document: dict[str, Any], outer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The fields of all levels in one object, the inner ones first, and the path of the innermost."""
    inner = outer.get("data")
    around = leftovers(document, _ENVELOPE)
    if type(inner) is not dict:
        return around | outer, "data"
    return around | leftovers(outer, _ENVELOPE) | inner, "data.data"
