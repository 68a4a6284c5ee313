"""Footfall's own format: one event, `{"data": {…one event…}}`, or a batch as `{"events": […]}` or as a bare array.

Strict about the types and bounds of what it knows, so that a client's author hears of a mistake; what it does not know it keeps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from server.dialects.reading import (
    ID_FIELDS,
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    MAX_EVENTS,
    REMEMBERED,
    REMEMBERED_LENGTH,
    Id,
    Label,
    Name,
    NotPlain,
    Number,
    Path,
    Prepared,
    Properties,
    Timestamp,
    arch_name,
    bounded,
    convert,
    duration,
    environment,
    event_id,
    gather,
    header_id,
    keep,
    leftovers,
    os_name,
    properties_in,
    raise_refusal,
    tally,
    text,
    timestamp,
)
from server.event import Answer, Context, Decoded, Environment, FieldError, Incoming, Outcome, Outcomes, Receipt, Request
from server.identifiers import identifier
from server.problems import Invalid

NAME = "native"


class Target(msgspec.Struct):
    type: Name
    id: Id


class Error(msgspec.Struct, kw_only=True):
    """What went wrong. Longer texts are cut, at 200 and 4,000 characters."""

    type: str | None = None
    message: str | None = None


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One event. Fields that are not named here are kept as properties."""

    name: Name
    installation_id: Id
    timestamp: Timestamp | None = None
    id: Id | None = None
    session_id: Id | None = None
    target: Target | None = None
    outcome: Literal["success", "failure"] | None = None
    duration_ms: Number | None = None
    error: Error | None = None
    version: Label | None = None
    os: Label | None = None
    arch: Label | None = None
    runtime: Label | None = None
    package_manager: Label | None = None
    environment: Literal["person", "ci", "container", "development", "test"] | None = None
    ci: bool | None = None
    properties: Properties | None = None


class EventInData(msgspec.Struct):
    data: Event


class EventBatch(msgspec.Struct):
    events: list[Event]


_one, _batch, _array = Prepared(Event), Prepared(EventBatch), Prepared(list[Event])


def _prepared(body: bytes, request: Request) -> Decoded | None:
    """One plain event, or many."""
    if body.startswith(b'{"data"'):
        return None
    many = body.startswith((b'{"events"', b"["))
    if not many:
        said = _one.read(body)
        items = None if said is None else [said]
    elif body.startswith(b"["):
        items = _array.read(body)
    else:
        said = _batch.read(body)
        items = None if said is None else said.events
    if items is None or len(items) > MAX_EVENTS:
        return None
    key = header_id(request)
    try:
        events = [
            _plain_event(said, (said.id and identifier(said.id)) or (key and (f"{key}:{place}" if many else key)))
            for place, said in enumerate(items)
        ]
    except (NotPlain, Invalid):  # what is wrong is to be named
        return None
    return Decoded(events=events, batch=many)


PATHS = (
    Path(
        template="/v1/events",
        batch=True,
        prepared=_prepared,
        summary="Send one event, or a batch of up to 1,000",
        accepts=(Event, EventInData, EventBatch, list[Event]),
        answers={
            202: "What became of each event. One that is wrong is among the rejected, and the others are stored.",
            400: "The body is no JSON, or says something twice.",
            413: "The body is too large, or the batch too long.",
            422: "A field of the one event is missing or wrong.",
        },
    ),
)

_OUTCOMES = {None: Outcome.NONE, "success": Outcome.SUCCESS, "failure": Outcome.FAILURE}
_FIELDS = frozenset({*Event.__struct_fields__, *ID_FIELDS})
_STORED = Answer(202, b'{"accepted":1,"duplicates":0,"rejected":[]}')
_KNOWN = Answer(202, b'{"accepted":0,"duplicates":1,"rejected":[]}')
_encode = msgspec.json.Encoder().encode


def claims(request: Request) -> bool:
    """Everything that no other dialect wants."""
    return True


def decode(request: Request) -> Decoded:
    """One event or many. Raises `Invalid` where the one event is wrong or the body is no event at all, `TooLarge` above 1,000."""
    document = request.document
    if type(document) is list:
        return _decode_batch(document, request)
    if type(document) is dict and "name" not in document:
        if "events" in document:
            if type(document["events"]) is not list:
                raise Invalid(FieldError("events", "expected an array"))
            return _decode_batch(document["events"], request, "events")
        if "data" in document:
            return Decoded(events=[_event(document["data"], request, path="data")])
    return Decoded(events=[_event(document, request)])


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """202 with what became of each event."""
    if decoded.batch:
        return Answer(202, _encode(tally(decoded, outcomes)))
    receipt = outcomes.receipts[0]
    if receipt is Receipt.STORED:
        return _STORED
    raise_refusal(receipt)
    return _KNOWN


def _decode_batch(items: list[Any], request: Request, *within: str) -> Decoded:
    return gather(items, lambda item, position: _event(item, request, position), request, *within)


def _event(document: Any, request: Request, position: int | None = None, *, path: str = "") -> Incoming:
    said = convert(document, Event, path=path)
    prefix = f"{path}." if path else ""
    properties = said.properties or {}
    if not document.keys() <= _FIELDS:
        keep(properties, leftovers(document, _FIELDS))
        bounded(properties, path=f"{prefix}properties")
    where, reason = environment(properties, said=said.environment, ci=said.ci)
    context = _known_context(where, reason, said.os, said.arch, said.runtime, said.version, said.package_manager)
    return _incoming(said, Alike(context, properties, None), event_id(document, request, position), prefix)


def _plain_event(said: Any, raw_id: str | None) -> Incoming:
    """The same for an event in its plain form. Raises NotPlain where its properties are not."""
    raw = bytes(said.properties)
    read = _alike if len(raw) <= REMEMBERED_LENGTH else _alike.__wrapped__
    alike = read(raw, said.environment, said.ci, said.os, said.arch, said.runtime, said.version, said.package_manager)
    return _incoming(said, alike, raw_id)


class Alike(NamedTuple):
    """What many events say alike. `document` is `properties` as JSON, where they are in their plain form."""

    context: Context
    properties: dict[str, Any]
    document: str | None


def _incoming(said: Event, alike: Alike, raw_id: str | None, prefix: str = "") -> Incoming:
    context, properties, document = alike
    target, error, sent_at = said.target, said.error, said.timestamp
    return Incoming(
        name=said.name,
        install=said.installation_id,
        occurred_at=None if sent_at is None else timestamp(sent_at, f"{prefix}timestamp"),
        id=raw_id,
        session=said.session_id,
        target=None if target is None else (target.type, target.id),
        outcome=_OUTCOMES[said.outcome],
        duration_us=None if said.duration_ms is None else duration(said.duration_ms, f"{prefix}duration_ms"),
        error_type=None if error is None else text(error.type, MAX_ERROR_TYPE),
        error_message=None if error is None else text(error.message, MAX_ERROR_MESSAGE),
        context=context,
        properties=properties,
        document=document,
    )


@lru_cache(maxsize=REMEMBERED)
def _alike(raw: bytes, said: str | None, ci: bool | None, *fields: str | None) -> Alike:
    """What an event says beside who, when and how it went, from its properties as they are written."""
    properties = properties_in(raw)
    context = _known_context(*environment(properties, said=said, ci=ci), *fields)
    return Alike(context, properties, _encode(properties).decode() if properties else "")


@lru_cache(maxsize=512)
def _known_context(
    where: Environment, reason: str, os: str | None, arch: str | None, runtime: str | None, version: str | None, package_manager: str | None
) -> Context:
    """A project's clients say the same few things again and again."""
    return Context(where, reason, NAME, os_name(os), arch_name(arch), text(runtime), text(version), text(package_manager))
