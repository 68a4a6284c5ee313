"""Engagement, as markdowntown plans it: views, copies, downloads and votes of what a site shows, one object or an array of them.

Kinds and types of targets are words, and a project may add its own; whether a target may be counted is the store's to say.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from server.dialects.parsing import (
    ID_FIELDS,
    MAX_TARGET,
    IgnoredFields,
    Path,
    Properties,
    Timestamp,
    convert,
    cut,
    environment,
    event_id,
    gather,
    keep,
    leftovers,
    raise_refusal,
    tally,
    text,
)
from server.event import DAY, Answer, Context, Decoded, FieldError, Incoming, Outcomes, Receipt, Rejection, Request
from server.identifiers import identifier
from server.problems import Invalid

NAME = "engagement"
MAX_METADATA_TEXT = 256  # characters of a user agent, and of a referrer

# `$` alone would let a newline through at the end.
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$(?!\n)")]
Viewer = Annotated[str, msgspec.Meta(max_length=200)]


class Engagement(msgspec.Struct, kw_only=True, rename="camel"):
    """One thing that somebody did with a target. Of `metadata`, addresses are dropped, and a referrer is cut to its origin."""

    target_type: Word
    target_id: Annotated[str, msgspec.Meta(min_length=1)]
    kind: Word
    user_id: Viewer | None = None
    session_id: str | None = None
    metadata: Properties | None = None
    timestamp: Timestamp | None = None


class CountedOne(msgspec.Struct):
    """The answer to one event. `ignored` names fields that were not understood, where there are any."""

    counted: bool
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class Counted(msgspec.Struct):
    """The answer to a batch; `counted` has an entry for each event, in order."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    counted: list[bool]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


PATHS = (
    Path(
        template="/v1/engagement",
        batch=True,
        summary="Count a view, a copy, a download, a vote, …, or a batch of them",
        accepts=(Engagement, list[Engagement]),
        answers={
            202: "`counted` is false for a view that was counted already in the last 30 minutes.",
            400: "The body is no JSON, or says something twice.",
            413: "The body is too large, or the batch too long.",
            422: "A field is missing or wrong, or the target is none of the project's.",
        },
    ),
)

_FIELDS = frozenset({*Engagement.__struct_encode_fields__, *ID_FIELDS})
_AGENTS = ("userAgent", "user_agent", "ua")
_REFERRERS = ("referrer", "referer")
# In lower case, without anything between the words.
_ADDRESSES = frozenset(
    (
        *("ip", "ipaddr", "ipaddress", "ipv4", "ipv6", "clientip", "clientaddress", "remoteip", "remoteaddr", "remoteaddress"),
        *("realip", "xrealip", "forwardedfor", "xforwardedfor", "cfconnectingip", "flyclientip", "trueclientip"),
    )
)
_COUNTED = Answer(202, b'{"counted":true}')
_NOT_COUNTED = Answer(202, b'{"counted":false}')
_encode = msgspec.json.Encoder().encode


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """One event or many. Raises `Invalid` where the one event is wrong, `TooLarge` above 1,000."""
    document, ignored = request.document, IgnoredFields()
    if type(document) is list:
        decoded = gather(document, lambda item, position: _event(item, request, ignored, position), request)
    else:
        decoded = Decoded(events=[_event(document, request, ignored)])
    decoded.ignored = ignored.names
    return decoded


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """202 and whether it was counted. A repeated event hears what it would have heard the first time."""
    if decoded.batch:
        return Answer(202, _encode(_batch_answer(decoded, outcomes)))
    receipt = outcomes.receipts[0]
    raise_refusal(receipt, target="targetId")
    if decoded.ignored:
        return Answer(202, _encode(CountedOne(receipt is not Receipt.DEBOUNCED, decoded.ignored)))
    return _NOT_COUNTED if receipt is Receipt.DEBOUNCED else _COUNTED


def success(request: Request) -> Answer:
    """The answer to one event, or to a batch of which nothing is payload."""
    return Answer(202, _encode(Counted(0, 0, [], []))) if type(request.document) is list else _COUNTED


def _batch_answer(decoded: Decoded, outcomes: Outcomes) -> Counted:
    totals = tally(decoded, outcomes, target="targetId")
    counted = [False] * (len(decoded.events) + len(decoded.rejected))
    for position, receipt in zip(decoded.positions or range(len(decoded.events)), outcomes.receipts, strict=True):
        counted[position] = receipt in (Receipt.STORED, Receipt.DUPLICATE)
    return Counted(totals.accepted, totals.duplicates, totals.rejected, counted, totals.ignored)


def _event(document: Any, request: Request, ignored: IgnoredFields, position: int | None = None) -> Incoming:
    payload = convert(document, Engagement)
    if not payload.target_id.strip():
        raise Invalid(FieldError("targetId", "must not be blank"))
    metadata = payload.metadata or {}
    user, session = (None if raw is None else identifier(raw) for raw in (payload.user_id, payload.session_id))
    ignored.identifier(payload.user_id, "userId")
    ignored.identifier(payload.session_id, "sessionId")
    where, reason = environment(metadata, path="metadata")
    return Incoming(
        name=payload.kind,
        install=user or session or payload.user_id or payload.session_id or None,
        occurred_at=ignored.time(payload.timestamp),
        id=event_id(document, request, position),
        session=session,
        target=(payload.target_type, cut(payload.target_id, MAX_TARGET)),
        context=Context(where, reason, NAME),
        properties=ignored.bounded(_properties(metadata, leftovers(document, _FIELDS)), "metadata"),
        debounce=(session or user or _passerby(metadata, request)) if payload.kind == "view" else None,
    )


def _passerby(metadata: dict[str, Any], request: Request) -> str:
    """The viewer of an event without a session or user: this address and agent, today.

    A site that reports its visitors' views from its own server gives their address and agent in the metadata: those go first.
    """
    address = text(metadata.get("ip")) or request.address
    agent = _first(metadata, _AGENTS) or request.header(b"user-agent")
    return f"{request.received_at // DAY}\n{address}\n{agent}"


def _properties(metadata: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the metadata, and of fields that we do not know: the agent, the referrer's origin, no address."""
    properties: dict[str, Any] = {}
    if agent := _first(metadata, _AGENTS):
        properties["user_agent"] = agent
    if origin := _origin(_first(metadata, _REFERRERS, limit=2048)):
        properties["referrer"] = origin
    keep(properties, _without_addresses({name: value for name, value in metadata.items() if name not in _AGENTS + _REFERRERS}))
    keep(properties, _without_addresses(others))
    return properties


def _first(metadata: dict[str, Any], names: tuple[str, ...], *, limit: int = MAX_METADATA_TEXT) -> str | None:
    return next((payload for name in names if (payload := text(metadata.get(name), limit, ""))), None)


def _without_addresses(value: Any) -> Any:
    if type(value) is dict:
        return {name: _without_addresses(inner) for name, inner in value.items() if not _names_address(name)}
    if type(value) is list:
        return [_without_addresses(item) for item in value]
    return value


def _names_address(name: str) -> bool:
    return name.replace("-", "").replace("_", "").lower() in _ADDRESSES


def _origin(referrer: str | None) -> str | None:
    """`https://example.com:8443` of an address, `None` where it has no host. A path, a query or a name may tell who somebody is."""
    try:
        parts = urlsplit(referrer or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return text(f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else ""), MAX_METADATA_TEXT, "")
