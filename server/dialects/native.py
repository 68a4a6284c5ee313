"""The native format: one event, `{"data": {…one event…}}`, or a batch as `{"events": […]}` or as a bare array.

A missing name, an installation id that is too long or a wrong JSON type rejects an event; nothing else does. Long descriptions are cut,
empty texts count as missing, unknown fields are kept as properties, and words, times and durations that are not understood are named in
`ignored` of the response, so that developers notice their mistakes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import msgspec

from server.dialects.parsing import (
    CONTEXT_READERS,
    ID_FIELDS,
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    IgnoredFields,
    Path,
    convert,
    event_id,
    gather,
    is_blank,
    is_within_bounds,
    keep,
    known_environment,
    leftovers,
    raise_refusal,
    tally,
    text,
    weight_of,
    weight_of_rate,
)
from server.dialects.parsing.native_events import (
    DIALECT,
    OUTCOMES,
    Error,
    Event,
    EventBatch,
    EventInData,
    Target,
    context_of,
    is_odd,
    prepared,
    target_of,
)
from server.event import CONTEXT_FIELDS, Answer, Decoded, FieldError, Incoming, Outcome, Outcomes, Receipt, Request
from server.problems import Invalid

NAME = DIALECT

_described = operator.attrgetter(*CONTEXT_FIELDS)
# Fields that may also be properties. A value of another type, or an unknown word, is kept as one.
_OR_PROPERTIES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    *((name, read) for (name, declared), read in zip(CONTEXT_FIELDS.items(), CONTEXT_READERS, strict=True) if declared.properties),
    ("weight", weight_of),
    ("sample_rate", weight_of_rate),
)

PATHS = (
    Path(
        template="/v1/events",
        batch=True,
        prepared=prepared,
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

_FIELDS = frozenset({*Event.__struct_fields__, *ID_FIELDS})
_NESTED = {"target": Target.__struct_fields__, "error": Error.__struct_fields__}
_STORED = Answer(202, b'{"accepted":1,"duplicates":0,"rejected":[]}')
_KNOWN = Answer(202, b'{"accepted":0,"duplicates":1,"rejected":[]}')
_encode = msgspec.json.Encoder().encode


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
        target=None if target is None else target_of(target),
        outcome=outcome,
        duration_us=ignored.duration(payload.duration_ms, f"{prefix}duration_ms"),
        error_type=None if error is None else text(error.type, MAX_ERROR_TYPE),
        error_message=None if error is None else text(error.message, MAX_ERROR_MESSAGE, ""),
        context=context_of(properties, payload.environment, payload.ci, _described(payload)),
        properties=properties,
        weight=_weight(payload, ignored, prefix),
    )


def _without_odd_values(document: Any, ignored: IgnoredFields, prefix: str) -> tuple[Any, dict[str, Any]]:
    """Return a document without the values of descriptive fields that only a property can have, and these values."""
    if type(document) is not dict:
        return document, {}
    odd = {name: value for name, read in _OR_PROPERTIES if is_odd(read, value := document.get(name))}
    if not odd:
        return document, {}
    for name in odd:
        ignored.add(f"{prefix}{name}")
    return {name: value for name, value in document.items() if name not in odd}, odd


def _outcome(payload: Event, properties: dict[str, Any], ignored: IgnoredFields, prefix: str) -> Outcome:
    """Return the outcome. An unknown word is kept as a property."""
    word = (payload.outcome or "").strip().lower()
    if word not in OUTCOMES:
        ignored.add(f"{prefix}outcome")
        keep(properties, {"outcome": text(payload.outcome)})
    return OUTCOMES.get(word, Outcome.NONE)


def _weight(payload: Event, ignored: IgnoredFields, prefix: str) -> float:
    """Return the number of events that an event stands for. Weights above the maximum are cut."""
    weight, rate = payload.weight, payload.sample_rate
    if not is_within_bounds(weight, None) and not is_blank(weight):
        ignored.add(f"{prefix}weight")
    if not is_within_bounds(None, rate) and not is_blank(rate):
        ignored.add(f"{prefix}sample_rate")
    return weight_of(weight) or weight_of_rate(rate) or 1
