"""SonicJS: `{"data": {"installation_id", "event_type", "properties", "timestamp"}}` from create-sonicjs and from the CMS itself.

The collector that these clients were written for was a SonicJS site, whose generated API wraps each record in `data` and answers 201
with the record as it was made.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec

from server.dialects.parsing import (
    ID_FIELDS,
    MAX_ERROR_TYPE,
    REMEMBERED,
    REMEMBERED_LENGTH,
    IgnoredFields,
    Name,
    NotPlain,
    Path,
    Prepared,
    Properties,
    Timestamp,
    arch_name,
    convert,
    environment,
    event_id,
    header_id,
    iso,
    keep,
    leftovers,
    node_runtime,
    os_name,
    properties_in,
    raise_refusal,
    text,
    timestamp,
    whole_duration,
)
from server.event import Answer, Context, Decoded, Environment, Incoming, InstallReport, Outcome, Outcomes, Request
from server.event_id import first_id, to_uuid
from server.identifiers import identifier, may_be_missing
from server.problems import Invalid

NAME = "sonicjs"
STATUS = 400  # of a wrong field

InstallationId = Annotated[str, msgspec.Meta(min_length=1, max_length=100, description="Anonymous, made by the client; need not be a UUID")]


class Event(msgspec.Struct, kw_only=True, gc=False):
    installation_id: InstallationId
    event_type: Name
    properties: Properties | None = None
    timestamp: Timestamp | None = None


class EventBody(msgspec.Struct, gc=False):
    data: Event


class Install(msgspec.Struct, kw_only=True):
    installation_id: InstallationId
    os: str | None = None
    node_version: str | None = None
    package_manager: str | None = None
    first_seen: Timestamp | None = None
    last_seen: Timestamp | None = None


class InstallBody(msgspec.Struct):
    data: Install


class Record(msgspec.Struct, gc=False):
    """The event as the client sent it, with the id that it got."""

    id: str
    installation_id: str
    event_type: str
    properties: dict[str, Any] | msgspec.Raw
    timestamp: Any


class EventAnswer(msgspec.Struct):
    """The answer. `ignored` names fields that were not understood, where there are any."""

    data: Record
    success: bool = True
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class InstallAnswer(msgspec.Struct):
    """The answer. `data` is the install as it was sent; `ignored` names fields that were not understood, where there are any."""

    data: dict[str, Any]
    success: bool = True
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


_plain = Prepared(EventBody)


def _prepared(body: bytes, request: Request) -> Decoded | None:
    """One plain event."""
    if not body.startswith(b'{"data"') or (found := _plain.read(body)) is None:
        return None
    payload = found.data
    if may_be_missing(payload.installation_id) and identifier(payload.installation_id) is None:
        return None
    raw = bytes(payload.properties)
    try:
        alike = (_alike_in if len(raw) <= REMEMBERED_LENGTH else _alike_in.__wrapped__)(raw)
        incoming = _incoming(payload, alike, header_id(request), timestamp(payload.timestamp))
    except (NotPlain, Invalid):  # what is wrong is to be named
        return None
    if raw and payload.timestamp is not None and body.startswith(b'{"data":{"') and body.endswith(b"}}"):
        return Decoded(events=[incoming], echo=body[9:-2])  # nothing is missing: the answer says the same again
    return Decoded(events=[incoming], echo=_record(payload, payload.properties if raw else {}, request))


_EVENT_ANSWERS = {201: "Stored, or known already. `data` is the event as it was sent, with its id.", 400: "A field is missing or wrong."}
_INSTALL_ANSWERS = {200: "The install was known, and is up to date.", 201: "The install is new.", 400: "A field is missing or wrong."}

PATHS = (
    *(
        Path(template=template, prepared=_prepared, summary="Record one event (SonicJS)", accepts=(EventBody,), answers=_EVENT_ANSWERS)
        for template in ("/v1/events", "/api/v1/events")
    ),
    *(
        Path(template=template, summary="Create or update an install", accepts=(InstallBody,), answers=_INSTALL_ANSWERS)
        for template in ("/v1/installs", "/api/v1/installs")
    ),
)

_OUTCOMES = {"installation_completed": Outcome.SUCCESS, "installation_failed": Outcome.FAILURE}
_FIELDS = frozenset({*Event.__struct_fields__, *ID_FIELDS})
_encode = msgspec.json.Encoder().encode


def claims(request: Request) -> bool:
    """`data` with an event type or an installation id, or with nothing at all, which then hears what is missing."""
    if request.route.endswith("/installs"):
        return True
    document = request.document
    if type(document) is not dict or "name" in document or type(document.get("type")) is str:
        return False
    data = document.get("data")
    if type(data) is not dict:
        return False
    return not data or ("name" not in data and ("event_type" in data or "installation_id" in data))


def decode(request: Request) -> Decoded:
    """One event, or one install. Raises `Invalid` with status 400."""
    if request.route.endswith("/installs"):
        return _decode_install(request)
    payload = convert(request.document, EventBody, status=STATUS).data
    data, ignored = request.document["data"], IgnoredFields()
    ignored.identifier(payload.installation_id, "data.installation_id")
    alike = _alike(ignored.bounded(_properties(payload, data), "data.properties"), None)
    incoming = _incoming(payload, alike, event_id(data, request), ignored.time(payload.timestamp, "data.timestamp"))
    return Decoded(events=[incoming], echo=_record(payload, data.get("properties") or {}, request), ignored=ignored.names)


def _incoming(payload: Event, alike: Alike, raw_id: str | None, occurred_at: int | None) -> Incoming:
    return Incoming(
        name=payload.event_type,
        install=payload.installation_id,
        occurred_at=occurred_at,
        id=raw_id,
        outcome=_OUTCOMES.get(payload.event_type, Outcome.NONE),
        duration_us=alike.duration_us,
        error_type=alike.error_type,
        context=alike.context,
        properties=alike.properties,
        document=alike.document,
    )


def _record(payload: Event, properties: dict[str, Any] | msgspec.Raw, request: Request) -> Record:
    sent_at = iso(request.received_at) if payload.timestamp is None else payload.timestamp
    return Record("", payload.installation_id, payload.event_type, properties, sent_at)


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """201 with the event as it was sent; for an install 201 where it is new, and 200 where it was known."""
    if type(decoded.echo) is dict:
        found = InstallAnswer(decoded.echo, ignored=decoded.ignored or msgspec.UNSET)
        return Answer(201 if any(outcomes.created) else 200, _encode(found))
    raise_refusal(outcomes.receipts[0])
    number, sent = to_uuid(outcomes.ids[0]), decoded.echo
    if type(sent) is bytes:
        return Answer(201, b'{"data":{"id":"%b",%b},"success":true}' % (number.encode(), sent))
    record: Record = sent
    record.id = number
    return Answer(201, _encode(EventAnswer(record, ignored=decoded.ignored or msgspec.UNSET)))


def success(request: Request) -> Answer:
    """201 with what was sent, as far as it is an object."""
    document = request.document
    data = document.get("data") if type(document) is dict else None
    sent = data if type(data) is dict else {}
    if request.route.endswith("/installs"):
        return Answer(201, _encode(InstallAnswer(sent)))
    return Answer(201, _encode({"data": {**sent, "id": to_uuid(first_id(request.received_at))}, "success": True}))


def _decode_install(request: Request) -> Decoded:
    payload = convert(request.document, InstallBody, status=STATUS).data
    ignored = IgnoredFields()
    report = InstallReport(
        install=payload.installation_id,
        first_seen=ignored.time(payload.first_seen, "data.first_seen"),
        last_seen=ignored.time(payload.last_seen, "data.last_seen"),
        context=Context(
            dialect=NAME, os=os_name(payload.os), runtime=node_runtime(payload.node_version), package_manager=text(payload.package_manager)
        ),
    )
    usable = identifier(payload.installation_id) is not None  # a report of no install is answered, and says nothing
    return Decoded(installs=[report] if usable else [], echo=request.document["data"], ignored=ignored.names)


def _properties(payload: Event, data: dict[str, Any]) -> dict[str, Any]:
    """What is kept beside the event's own fields. `project_snapshot` repeats the installation's id here: that is not kept."""
    properties = payload.properties or {}
    properties.pop("installation_id", None)
    if not data.keys() <= _FIELDS:
        keep(properties, leftovers(data, _FIELDS))
    return properties


class Alike(NamedTuple):
    """What many events say alike, all of it in their properties. `document` is these as JSON, where they are in their plain form."""

    context: Context
    properties: dict[str, Any]
    document: str | None
    duration_us: int | None
    error_type: str | None


def _alike(properties: dict[str, Any], document: str | None) -> Alike:
    duration_us = whole_duration(properties.get("durationMs", properties.get("duration")))
    return Alike(_context(properties), properties, document, duration_us, text(properties.get("errorType"), MAX_ERROR_TYPE))


@lru_cache(maxsize=REMEMBERED)
def _alike_in(raw: bytes) -> Alike:
    """The same from properties as they are written. Raises NotPlain."""
    properties = properties_in(raw)
    properties.pop("installation_id", None)
    return _alike(properties, _encode(properties).decode() if properties else "")


def _context(properties: dict[str, Any]) -> Context:
    """Where the client ran, as far as its properties say so. A value of the wrong type stays a property, and no more."""
    get = properties.get
    node, package_manager = get("nodeVersion") or get("node_version"), get("packageManager") or get("package_manager")
    payload = (*environment(properties), get("os"), get("arch"), node, get("version") or get("sonicjs_version"), package_manager)
    try:
        return _known_context(*payload)
    except TypeError:  # a list or an object, which no cache takes
        return _known_context.__wrapped__(*payload)


@lru_cache(maxsize=512)
def _known_context(
    where: Environment, reason: str, os: object, arch: object, node: object, version: object, package_manager: object
) -> Context:
    """A project's clients say the same few things again and again."""
    return Context(where, reason, NAME, os_name(os), arch_name(arch), node_runtime(node), text(version), text(package_manager))
