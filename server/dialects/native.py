"""The native format: one event, `{"data": {…one event…}}`, or a batch as `{"events": […]}` or as a bare array.

A missing name, an installation id that is too long or a wrong JSON type rejects an event; nothing else does. Long descriptions are cut,
empty texts count as missing, unknown fields are kept as properties, and words, times and durations that are not understood are named in
`ignored` of the response, so that developers notice their mistakes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from server.dialects.parsing import (
    CONTEXT_READERS,
    ID_FIELDS,
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    MAX_EVENTS,
    MAX_TARGET,
    REMEMBERED,
    REMEMBERED_LENGTH,
    IgnoredFields,
    Name,
    NotPlain,
    Number,
    Path,
    Prepared,
    Properties,
    Timestamp,
    context_in,
    convert,
    cut,
    duration,
    environment,
    event_id,
    gather,
    header_id,
    is_blank,
    is_within_bounds,
    keep,
    known_environment,
    leftovers,
    moment,
    properties_in,
    raise_refusal,
    tally,
    text,
    weight_of,
    weight_of_rate,
)
from server.event import (
    CONTEXT_FIELDS,
    Answer,
    Context,
    Decoded,
    Environment,
    FieldError,
    Incoming,
    Outcome,
    Outcomes,
    Receipt,
    Request,
    RequestId,
)
from server.identifiers import identifier, is_ordinary
from server.problems import Invalid

NAME = "native"


InstallationId = Annotated[str, msgspec.Meta(max_length=200)]


class Target(msgspec.Struct):
    """The target of an event. Types and ids are cut at 200 characters; if one of them is empty, there is no target."""

    type: str
    id: str


class Error(msgspec.Struct, kw_only=True):
    """An error. Texts are cut: the type at 200, the message at 4,000 characters."""

    type: str | None = None
    message: str | None = None


class _Event(msgspec.Struct, kw_only=True, gc=False):
    """One event. Other fields are kept as properties; empty texts count as missing."""

    # Decoding is fastest if fields arrive in this order. From `outcome` on, the fields are read as one slice, with those of the context.
    name: Name
    installation_id: InstallationId | None = None
    properties: Properties | None = None
    timestamp: Timestamp | None = None
    id: str | None = None
    session_id: str | None = None
    target: Target | None = None
    duration_ms: Number | None = None
    error: Error | None = None
    sample_rate: Any = None
    weight: Any = None
    outcome: str | None = None
    environment: str | None = None
    ci: bool | None = None


if TYPE_CHECKING:
    Event = _Event
else:  # with the declared fields of a context
    Event = msgspec.defstruct(
        "Event",
        [(name, Any if declared.properties else str | None, None) for name, declared in CONTEXT_FIELDS.items()],
        bases=(_Event,),
        namespace={"__doc__": _Event.__doc__},
        module=__name__,
        kw_only=True,
        gc=False,
    )
_described = operator.attrgetter(*CONTEXT_FIELDS)
_FIRST_COMMON = Event.__struct_fields__.index("outcome")  # the fields from here on are passed to `_alike` as `common`
# Fields that may also be properties. A value of another type, or an unknown word, is kept as one.
_OR_PROPERTIES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    *((name, read) for (name, declared), read in zip(CONTEXT_FIELDS.items(), CONTEXT_READERS, strict=True) if declared.properties),
    ("weight", weight_of),
    ("sample_rate", weight_of_rate),
)


class EventInData(msgspec.Struct):
    data: Event


class EventBatch(msgspec.Struct):
    events: list[Event]


_one, _batch, _array = Prepared(Event), Prepared(EventBatch), Prepared(list[Event])


def _prepared(body: bytes, request: Request) -> Decoded | None:
    """Decode a plain body in one pass: one event or a batch."""
    if body.startswith(b'{"data"'):
        return None
    many = body.startswith((b'{"events"', b"["))
    if not many:
        payload = _one.read(body)
        items = None if payload is None else [payload]
    elif body.startswith(b"["):
        items = _array.read(body)
    else:
        payload = _batch.read(body)
        items = None if payload is None else payload.events
    if items is None or len(items) > MAX_EVENTS:
        return None
    key = header_id(request)
    try:
        events = [
            _plain_event(payload, (payload.id and identifier(payload.id)) or (key and (RequestId(f"{key}:{place}") if many else key)))
            for place, payload in enumerate(items)
        ]
    except (NotPlain, Invalid):  # the ordinary path names the error
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
            202: "The result of each event. Invalid events are listed in `rejected`; the others are stored.",
            400: "The body is not valid JSON, or has duplicate keys.",
            413: "The body is too large, or the batch has too many events.",
            422: "The name of a single event is missing, or a field has the wrong JSON type.",
        },
    ),
)

_OUTCOMES = {None: Outcome.NONE, "": Outcome.NONE, "success": Outcome.SUCCESS, "failure": Outcome.FAILURE}
_FIELDS = frozenset({*Event.__struct_fields__, *ID_FIELDS})
_NESTED = {"target": Target.__struct_fields__, "error": Error.__struct_fields__}
_STORED = Answer(202, b'{"accepted":1,"duplicates":0,"rejected":[]}')
_KNOWN = Answer(202, b'{"accepted":0,"duplicates":1,"rejected":[]}')
_encode = msgspec.json.Encoder().encode
_astuple = msgspec.structs.astuple


def claims(request: Request) -> bool:
    """Return True: the native format is the last candidate."""
    return True


def decode(request: Request) -> Decoded:
    """Decode one event or a batch. Raises `Invalid` if a single event is invalid or the body is not an event, `TooLarge` above 1,000 events."""
    document = request.document
    ignored = IgnoredFields()
    if type(document) is list:
        return _decode_batch(document, request, ignored)
    if type(document) is dict and "name" not in document:
        if "events" in document:
            if type(document["events"]) is not list:
                raise Invalid(FieldError("events", "expected an array"))
            ignored.members(document, ("events",))
            return _decode_batch(document["events"], request, ignored, "events")
        if "data" in document:
            ignored.members(document, ("data",))
            event = _event(document["data"], request, ignored, path="data")
            return Decoded(events=[event], ignored=ignored.names)
    return Decoded(events=[_event(document, request, ignored)], ignored=ignored.names)


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 202 and the result of each event."""
    if decoded.batch:
        return Answer(202, _encode(tally(decoded, outcomes)))
    receipt = outcomes.receipts[0]
    raise_refusal(receipt)
    if decoded.ignored:
        return Answer(202, _encode(tally(decoded, outcomes)))
    return _STORED if receipt is Receipt.STORED else _KNOWN


def success(request: Request) -> Answer:
    return _STORED


def _decode_batch(items: list[Any], request: Request, ignored: IgnoredFields, *within: str) -> Decoded:
    decoded = gather(items, lambda item, position: _event(item, request, ignored, position), request, *within)
    decoded.ignored = ignored.names
    return decoded


def _event(document: Any, request: Request, ignored: IgnoredFields, position: int | None = None, *, path: str = "") -> Incoming:
    prefix = f"{path}." if path else ""
    document, others = _without_odd_values(document, ignored, prefix)
    payload = convert(document, Event, path=path)
    properties = payload.properties or {}
    if not document.keys() <= _FIELDS:
        keep(properties, leftovers(document, _FIELDS))
    keep(properties, others)
    ignored.identifier(payload.installation_id, f"{prefix}installation_id")
    outcome = _outcome(payload, properties, ignored, prefix)
    if payload.environment and not is_blank(payload.environment) and known_environment(payload.environment) is None:
        ignored.add(f"{prefix}environment")
    for name, known in _NESTED.items():
        ignored.members(document.get(name), known, f"{prefix}{name}")
    properties = ignored.bounded(properties, f"{prefix}properties")
    target, error = payload.target, payload.error
    return Incoming(
        name=payload.name,
        install=payload.installation_id or None,
        occurred_at=ignored.time(payload.timestamp, f"{prefix}timestamp"),
        id=event_id(document, request, position),
        session=payload.session_id or None,
        target=None if target is None else _target(target),
        outcome=outcome,
        duration_us=ignored.duration(payload.duration_ms, f"{prefix}duration_ms"),
        error_type=None if error is None else text(error.type, MAX_ERROR_TYPE),
        error_message=None if error is None else text(error.message, MAX_ERROR_MESSAGE, ""),
        context=_context(properties, payload.environment, payload.ci, _described(payload)),
        properties=properties,
        weight=_weight(payload, ignored, prefix),
    )


def _is_odd(read: Callable[[Any], Any], value: Any) -> bool:
    return value is not None and read(value) is None and not is_blank(value)


def _without_odd_values(document: Any, ignored: IgnoredFields, prefix: str) -> tuple[Any, dict[str, Any]]:
    """Return a document without the values of descriptive fields that only a property can have, and these values."""
    if type(document) is not dict:
        return document, {}
    odd = {name: value for name, read in _OR_PROPERTIES if _is_odd(read, value := document.get(name))}
    if not odd:
        return document, {}
    for name in odd:
        ignored.add(f"{prefix}{name}")
    return {name: value for name, value in document.items() if name not in odd}, odd


def _outcome(payload: Event, properties: dict[str, Any], ignored: IgnoredFields, prefix: str) -> Outcome:
    """Return the outcome. An unknown word is kept as a property."""
    word = (payload.outcome or "").strip().lower()
    if word not in _OUTCOMES:
        ignored.add(f"{prefix}outcome")
        keep(properties, {"outcome": text(payload.outcome)})
    return _OUTCOMES.get(word, Outcome.NONE)


def _weight(payload: Event, ignored: IgnoredFields, prefix: str) -> float:
    """Return the number of events that an event stands for. Weights above the maximum are cut."""
    weight, rate = payload.weight, payload.sample_rate
    if not is_within_bounds(weight, None) and not is_blank(weight):
        ignored.add(f"{prefix}weight")
    if not is_within_bounds(None, rate) and not is_blank(rate):
        ignored.add(f"{prefix}sample_rate")
    return weight_of(weight) or weight_of_rate(rate) or 1


def _plain_event(payload: Any, raw_id: str | None) -> Incoming:
    """Convert a plain event. Raises NotPlain if a part of it is not plain."""
    fields = _astuple(payload)  # one call: reading each field takes longer
    name, install, properties, at, _, session, target, length, error, rate, weight = fields[:_FIRST_COMMON]
    if install and not is_ordinary(install) and identifier(install) is None:
        raise NotPlain
    occurred_at = None
    if at is not None and (occurred_at := moment(at)) is None:
        raise NotPlain
    raw = bytes(properties)
    read = _alike if len(raw) <= REMEMBERED_LENGTH else _alike.__wrapped__
    try:
        context, properties, document, outcome = read(raw, fields[_FIRST_COMMON:])
    except TypeError:  # a list or an object, which is not hashable
        raise NotPlain from None
    return Incoming(
        name=name,
        install=install or None,
        occurred_at=occurred_at,
        id=raw_id,
        session=session or None,
        target=None if target is None else _target(target),
        outcome=outcome,
        duration_us=None if length is None else duration(length),
        error_type=None if error is None else text(error.type, MAX_ERROR_TYPE),
        error_message=None if error is None else text(error.message, MAX_ERROR_MESSAGE, ""),
        context=context,
        properties=properties,
        document=document,
        weight=1 if weight is None and rate is None else _plain_weight(weight, rate),
    )


def _plain_weight(weight: Any, rate: Any) -> float:
    if not is_within_bounds(weight, rate):
        raise NotPlain
    return weight_of(weight) or weight_of_rate(rate) or 1


class Alike(NamedTuple):
    """The part that many events have in common. `document` is `properties` as JSON, if these are plain."""

    context: Context
    properties: dict[str, Any]
    document: str | None
    outcome: Outcome


def _target(payload: Target) -> tuple[str, str] | None:
    if is_blank(payload.type) or is_blank(payload.id):
        return None
    return cut(payload.type, MAX_TARGET), cut(payload.id, MAX_TARGET)


@lru_cache(maxsize=REMEMBERED)
def _alike(raw: bytes, common: tuple[Any, ...]) -> Alike:
    """Return the common part of an event from its raw properties and its fields from `outcome` on. Cached. Raises NotPlain."""
    word, named, ci, *described = common
    fields, outcome = tuple(described), _OUTCOMES.get(word)
    if outcome is None or (named and known_environment(named) is None) or _have_odd(fields):
        raise NotPlain
    properties = properties_in(raw)
    context = _context(properties, named, ci, fields)
    return Alike(context, properties, _encode(properties).decode() if properties else "", outcome)


@lru_cache(maxsize=512)
def _have_odd(fields: tuple[Any, ...]) -> bool:
    return any(map(_is_odd, CONTEXT_READERS, fields))


def _context(properties: dict[str, Any], name: str | None, ci: bool | None, fields: tuple[Any, ...]) -> Context:
    """Return the context of an event; properties have the fields that it omits."""
    context = _known_context(*environment(properties, name=name, ci=ci), fields)
    if not (others := context_in(properties)):
        return context
    return msgspec.structs.replace(context, **{word: found for word, found in others.items() if getattr(context, word) is None})


@lru_cache(maxsize=512)
def _known_context(where: Environment, reason: str, fields: tuple[Any, ...]) -> Context:
    """Return a context. Cached, because a project's clients send the same few values over and over."""
    return Context(where, reason, NAME, *[read(value) for read, value in zip(CONTEXT_READERS, fields, strict=True)])
