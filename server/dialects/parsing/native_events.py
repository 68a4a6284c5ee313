"""Events in the native format: their fields on the wire, and the conversion of plain bodies in one pass.

`server.dialects.native` converts all other bodies, and uses the same functions for targets and contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from server.dialects.parsing.batches import MAX_EVENTS, header_id
from server.dialects.parsing.environments import CONTEXT_READERS, context_in, environment, known_environment
from server.dialects.parsing.ignored import is_blank
from server.dialects.parsing.json_fields import (
    MAX_ERROR_MESSAGE,
    MAX_ERROR_TYPE,
    MAX_TARGET,
    Name,
    Number,
    Properties,
    Timestamp,
    cut,
    text,
)
from server.dialects.parsing.prepared import REMEMBERED, REMEMBERED_LENGTH, NotPlain, Prepared, properties_in
from server.dialects.parsing.sampling import is_within_bounds, weight_of, weight_of_rate
from server.dialects.parsing.times import duration, moment
from server.event import CONTEXT_FIELDS, Context, Decoded, Environment, Incoming, Outcome, Request, RequestId
from server.identifiers import are_uuids, identifier, is_ordinary
from server.problems import Invalid

DIALECT = "native"

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

    # Decoding is fastest if fields arrive in this order. The fields from `outcome` on are passed to `_alike` as `common`.
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


class EventInData(msgspec.Struct):
    data: Event


class EventBatch(msgspec.Struct):
    events: list[Event]


OUTCOMES = {None: Outcome.NONE, "": Outcome.NONE, "success": Outcome.SUCCESS, "failure": Outcome.FAILURE}
_one, _batch, _array = Prepared(Event), Prepared(EventBatch), Prepared(list[Event])
_MANY = 8  # the smallest number of events that is converted by column
_MAY_BE_FLOAT = tuple(
    place
    for place, name in enumerate(Event.__struct_fields__)
    if name in ("timestamp", "duration_ms", "sample_rate", "weight") or (name in CONTEXT_FIELDS and CONTEXT_FIELDS[name].properties)
)
_encode = msgspec.json.Encoder().encode
_astuple = msgspec.structs.astuple


def prepared(body: bytes, request: Request) -> Decoded | None:
    """Decode a plain body in one pass: one event or a batch."""
    if body.startswith(b'{"data"'):
        return None
    is_array, is_batch = body.startswith(b"["), body.startswith(b'{"events"')
    parser = _array if is_array else _batch if is_batch else _one
    payload = parser.parse(body)
    if payload is None:
        return None
    items = payload if is_array else payload.events if is_batch else [payload]
    if len(items) > MAX_EVENTS:
        return None
    many = is_array or is_batch
    columns = list(zip(*map(_astuple, items), strict=True)) if len(items) >= _MANY else None
    if not parser.is_complete(body, payload, has_floats=columns is None or _has_floats(columns)):
        return None
    try:
        ids = _ids([payload.id for payload in items], header_id(request), many=many)
        events = list(map(_plain_event, items, ids)) if columns is None else _plain_events(columns, ids)
    except (NotPlain, Invalid):  # the ordinary path names the error
        return None
    return Decoded(events=events, batch=many)


def _ids(own: Sequence[str | None], of_request: RequestId | None, *, many: bool) -> Iterable[str | None]:
    """Return the ids of events: their own, else one derived from the request's id."""
    if of_request is None and _is_unused(own):
        return repeat(None, len(own))
    others = [of_request and (RequestId(f"{of_request}:{place}") if many else of_request) for place in range(len(own))]
    return [(raw and identifier(raw)) or other for raw, other in zip(own, others, strict=True)]


def _plain_event(payload: Any, raw_id: str | None) -> Incoming:
    """Convert a plain event. Raises NotPlain or Invalid if a part of it is not plain."""
    name, install, properties, at, _, session, target, length, error, rate, weight, *common = _astuple(payload)
    if install and not is_ordinary(install) and identifier(install) is None:
        raise NotPlain
    occurred_at = None
    if at is not None and (occurred_at := moment(at)) is None:
        raise NotPlain
    context, properties, document, outcome = _read(bytes(properties), tuple(common))
    return Incoming(  # positional: keywords take 1.5 times as long
        name,
        install or None,
        occurred_at,
        raw_id,
        session or None,
        None if target is None else target_of(target),
        outcome,
        None if length is None else duration(length),
        None if error is None else _error_type(error),
        None if error is None else _error_message(error),
        context,
        properties,
        document,
        1 if weight is None and rate is None else _plain_weight(weight, rate),
    )


def _plain_events(columns: list[tuple[Any, ...]], ids: Iterable[str | None]) -> list[Incoming]:
    """Convert many plain events by column, in half the time of `_plain_event`: a loop over a column runs in C. Raises the same errors."""
    names, installs, properties, times, _, sessions, targets, lengths, errors, rates, weights, *common = columns
    if not are_uuids(installs) and any(install and identifier(install) is None for install in installs):
        raise NotPlain
    moments = list(map(moment, times))
    if moments.count(None) != times.count(None):
        raise NotPlain
    raws = list(map(bytes, properties))
    read = _alike if max(map(len, raws)) <= REMEMBERED_LENGTH else _read
    try:
        contexts, properties, documents, outcomes = zip(*map(read, raws, zip(*common, strict=True)), strict=True)
    except TypeError:  # a list or an object, which is not hashable
        raise NotPlain from None
    parts = (
        names,
        installs if all(installs) else _each(installs, str),
        moments,
        ids,
        _each(sessions, str),
        _each(targets, target_of),
        outcomes,
        _each(lengths, duration),
        _each(errors, _error_type),
        _each(errors, _error_message),
        contexts,
        properties,
        documents,
        repeat(1) if _is_unused(rates) and _is_unused(weights) else map(_plain_weight, weights, rates),
    )
    return list(map(Incoming, *parts))


def _is_unused(column: Sequence[Any]) -> bool:
    return column.count(None) == len(column)


def _has_floats(columns: list[tuple[Any, ...]]) -> bool:
    return any(float in map(type, columns[place]) for place in _MAY_BE_FLOAT if not _is_unused(columns[place]))


def _each(column: tuple[Any, ...], convert: Callable[[Any], Any]) -> Iterable[Any]:
    """Convert the values of a column. None stays None, and an empty text becomes None."""
    return repeat(None) if _is_unused(column) else [None if value is None or value == "" else convert(value) for value in column]


def _error_type(error: Error) -> str | None:
    return text(error.type, MAX_ERROR_TYPE)


def _error_message(error: Error) -> str | None:
    return text(error.message, MAX_ERROR_MESSAGE, "")


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


def target_of(payload: Target) -> tuple[str, str] | None:
    if is_blank(payload.type) or is_blank(payload.id):
        return None
    return cut(payload.type, MAX_TARGET), cut(payload.id, MAX_TARGET)


def _read(raw: bytes, common: tuple[Any, ...]) -> Alike:
    """Return the common part of an event like `_alike`, and cache it unless the properties are long."""
    try:
        return (_alike if len(raw) <= REMEMBERED_LENGTH else _alike.__wrapped__)(raw, common)
    except TypeError:  # a list or an object, which is not hashable
        raise NotPlain from None


@lru_cache(maxsize=REMEMBERED)
def _alike(raw: bytes, common: tuple[Any, ...]) -> Alike:
    """Return the common part of an event from its raw properties and its fields from `outcome` on. Cached. Raises NotPlain."""
    word, named, ci, *described = common
    fields, outcome = tuple(described), OUTCOMES.get(word)
    if outcome is None or (named and known_environment(named) is None) or _have_odd(fields):
        raise NotPlain
    properties = properties_in(raw)
    context = context_of(properties, named, ci, fields)
    return Alike(context, properties, _encode(properties).decode() if properties else "", outcome)


@lru_cache(maxsize=512)
def _have_odd(fields: tuple[Any, ...]) -> bool:
    return any(map(is_odd, CONTEXT_READERS, fields))


def context_of(properties: dict[str, Any], name: str | None, ci: bool | None, fields: tuple[Any, ...]) -> Context:
    """Return the context of an event; properties have the fields that it omits."""
    context = _known_context(*environment(properties, name=name, ci=ci), fields)
    if not (others := context_in(properties)):
        return context
    return msgspec.structs.replace(context, **{word: found for word, found in others.items() if getattr(context, word) is None})


@lru_cache(maxsize=512)
def _known_context(where: Environment, reason: str, fields: tuple[Any, ...]) -> Context:
    """Return a context. Cached, because a project's clients send the same few values over and over."""
    return Context(where, reason, DIALECT, *[read(value) for read, value in zip(CONTEXT_READERS, fields, strict=True)])


def is_odd(read: Callable[[Any], Any], value: Any) -> bool:
    return value is not None and read(value) is None and not is_blank(value)
