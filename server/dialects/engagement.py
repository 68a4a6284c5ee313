"""Engagement (markdowntown): views, copies, downloads and votes on a site's content, as one object or an array.

Kinds and target types are open sets. The store decides whether a target is accepted.
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
MAX_METADATA_TEXT = 256  # characters of a user agent or a referrer

# `$` alone would accept a trailing newline.
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$(?!\n)")]
Viewer = Annotated[str, msgspec.Meta(max_length=200)]


class Engagement(msgspec.Struct, kw_only=True, rename="camel"):
    """One interaction with a target. IP addresses in `metadata` are dropped, and a referrer is cut to its origin."""

    target_type: Word
    target_id: Annotated[str, msgspec.Meta(min_length=1)]
    kind: Word
    user_id: Viewer | None = None
    session_id: str | None = None
    metadata: Properties | None = None
    timestamp: Timestamp | None = None


class CountedOne(msgspec.Struct):
    """The response for one event. `ignored` names fields that were not understood."""

    counted: bool
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class Counted(msgspec.Struct):
    """The response for a batch. `counted` has an entry for each event, in order."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    counted: list[bool]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


PATHS = (
    Path(
        template="/v1/engagement",
        batch=True,
        summary="Count a view, copy, download, vote or other engagement, or a batch of them",
        accepts=(Engagement, list[Engagement]),
        answers={
            202: "`counted` is false for a view by a viewer who was counted in the last 30 minutes.",
            400: "The body is not valid JSON, or has duplicate keys.",
            413: "The body is too large, or the batch has too many events.",
            422: "A field is missing or invalid, or the project does not accept the target.",
        },
    ),
)

_FIELDS = frozenset({*Engagement.__struct_encode_fields__, *ID_FIELDS})
_AGENTS = ("userAgent", "user_agent", "ua")
_REFERRERS = ("referrer", "referer")
# In lower case, without separators.
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
    """Decode one event or an array. Raises `Invalid` if a single event is invalid, `TooLarge` above 1,000 events."""
    document, ignored = request.document, IgnoredFields()
    if type(document) is list:
        decoded = gather(document, lambda item, position: _event(item, request, ignored, position), request)
    else:
        decoded = Decoded(events=[_event(document, request, ignored)])
    decoded.ignored = ignored.names
    return decoded


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 202 and whether the event was counted. A retried event gets the same response as the first time."""
    if decoded.batch:
        return Answer(202, _encode(_batch_answer(decoded, outcomes)))
    receipt = outcomes.receipts[0]
    raise_refusal(receipt, target="targetId")
    if decoded.ignored:
        return Answer(202, _encode(CountedOne(receipt is not Receipt.DEBOUNCED, decoded.ignored)))
    return _NOT_COUNTED if receipt is Receipt.DEBOUNCED else _COUNTED


def success(request: Request) -> Answer:
    """Return the response for one event or an empty batch."""
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
    """Identify the viewer of an event without a session or a user: by address and user agent, for one day.

    A site that reports views from its own server sends the visitor's address and user agent in the metadata, which take precedence.
    """
    address = text(metadata.get("ip")) or request.address
    agent = _first(metadata, _AGENTS) or request.header(b"user-agent")
    return f"{request.received_at // DAY}\n{address}\n{agent}"


def _properties(metadata: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return the properties: the user agent, the referrer's origin, and other metadata and fields without IP addresses."""
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
    """Return the origin of a URL (`https://example.com:8443`), or None without a host. A path, a query or a user name may identify a person."""
    try:
        parts = urlsplit(referrer or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return text(f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else ""), MAX_METADATA_TEXT, "")
