"""FlakeDrop: `{"type": "deployment", "data": {"data": {…}}}`, an object in an object, or without the second one from the first release.

Its server takes whatever Go's decoder takes, and counts by type. So unknown types are kept, and the fields that clients add too.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from server.dialects.reading import (
    ID_FIELDS,
    Name,
    Path,
    Timestamp,
    arch_name,
    bounded,
    convert,
    environment,
    event_id,
    leftovers,
    os_name,
    raise_refusal,
    text,
    timestamp,
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
    """What both shapes have in common, and a null for `data`, which Go reads as an empty object."""

    type: Name
    data: dict[str, Any] | None


PATHS = (
    Path(
        template="/v1/events",
        summary="Record a heartbeat, a new configuration or a deployment (FlakeDrop)",
        accepts=(Event, FlatEvent),
        answers={200: "Stored, or known already.", 400: "A field is missing or wrong."},
    ),
)

_ENVELOPE = frozenset(Envelope.__struct_fields__)
_LIFTED = frozenset({"user_id", "version", "os", "arch", "timestamp", *ID_FIELDS})
_OK = Answer(200, b'{"status":"ok"}')


def claims(request: Request) -> bool:
    """A type beside its data, and no name: that would be an event in our own format."""
    document = request.document
    return type(document) is dict and type(document.get("type")) is str and "data" in document and "name" not in document


def decode(request: Request) -> Decoded:
    """One event. Raises `Invalid` with status 400."""
    envelope = convert(request.document, Envelope, status=STATUS)
    fields, path = _flat(request.document, envelope.data or {})
    said = convert(fields, Report, status=STATUS, path=path)
    properties = leftovers(fields, _LIFTED)
    outcome = Outcome.NONE
    if envelope.type == "deployment" and type(said.success) is bool:
        outcome = Outcome.SUCCESS if properties.pop("success") else Outcome.FAILURE
    where, reason = environment(properties, path=path)
    event = Incoming(
        name=envelope.type,
        install=said.user_id or None,
        occurred_at=timestamp(said.timestamp, f"{path}.timestamp", status=STATUS),
        id=event_id(fields, request),
        outcome=outcome,
        context=Context(where, reason, NAME, os_name(said.os), arch_name(said.arch), None, text(said.version)),
        properties=bounded(properties, status=STATUS, path=path),
    )
    return Decoded(events=[event])


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """200 whatever became of the event: the client does not look."""
    raise_refusal(outcomes.receipts[0])
    return _OK


def _flat(document: dict[str, Any], outer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The fields of all levels in one object, the inner ones first, and the path of the innermost."""
    inner = outer.get("data")
    around = leftovers(document, _ENVELOPE)
    if type(inner) is not dict:
        return around | outer, "data"
    return around | leftovers(outer, _ENVELOPE) | inner, "data.data"
