"""Segment's and RudderStack's SDKs: batches (`/v1/batch`) and single calls (`/v1/track`, `/v1/page`, …).

The project's key is the user name of Basic authentication, or the body's `writeKey`. Some of these SDKs end their host's process on a 4xx: the answer
is 200 whatever comes, and the ledger counts what was dropped. Traits of users and groups are not kept.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from server.dialects.parsing import Path, node_runtime, text
from server.dialects.parsing.sdk_events import (
    client_key,
    clock_error,
    context,
    corrected,
    duration_us,
    gather_messages,
    kept_properties,
    members,
    message_name,
    outcome,
    usable_id,
)
from server.event import Answer, Context, Decoded, FieldError, Incoming, InstallReport, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid, Limited, TooSlow

NAME = "segment"


class Message(msgspec.Struct, kw_only=True, rename="camel"):
    """One call. `type` may be missing where the path names it."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    message_id: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    timestamp: str | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    write_key: str | None = None


class Batch(msgspec.Struct, kw_only=True, rename="camel"):
    """Many calls."""

    batch: list[Message]
    write_key: str | None = None
    sent_at: str | None = None


_SUMMARY = "Send calls (Segment, RudderStack)"
_ANSWERS = {200: "Always, but for 5xx: some of these SDKs end their host's process on a 4xx. The ledger counts what was dropped."}
_DONE = Answer(200, b'{"success":true}')
_BATCHES = ("batch", "import")
_USAGE = ("track", "page", "screen")
_NO_USAGE = ("identify", "group", "alias")


def key_of(request: Request) -> str:
    """The project's key, empty where there is none."""
    scheme, _, token = request.header(b"authorization").partition(" ")
    if scheme.lower() == "basic":
        try:
            user = base64.b64decode(token.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            user = ""
        if key := client_key(user):
            return key
    return client_key(members(request.document).get("writeKey"))


PATHS = tuple(
    Path(
        template=f"/v1/{kind}",
        batch=kind in _BATCHES,
        client_key=key_of,
        forwarded=(b"x-retry-count",),
        absorbs=(*CONTENT_PROBLEMS, Limited, TooSlow),
        summary=_SUMMARY,
        accepts=(Batch,) if kind in _BATCHES else (Message,),
        answers=_ANSWERS,
    )
    for kind in (*_BATCHES, *_USAGE, *_NO_USAGE)
)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The events of a body. A call of no known type, and one of `track` without a name, is rejected. Raises `TooLarge` above 1,000."""
    error = clock_error(members(request.document).get("sentAt"), request.received_at)
    kind = request.route.rpartition("/")[2]
    return gather_messages(request, lambda item, _: _message(item, kind, error))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _message(item: Any, route: str, error: int) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    kind = item.get("type") if route in _BATCHES or type(item.get("type")) is str else route
    properties, about = members(item.get("properties")), members(item.get("context"))
    install = usable_id(item.get("anonymousId")) or usable_id(item.get("userId"))
    at = corrected(item.get("timestamp") or item.get("originalTimestamp"), error)
    if kind in _NO_USAGE:
        said = _context({**members(about.get("traits")), **members(item.get("traits"))}, about, item)
        return None if kind != "identify" or install is None else InstallReport(install=install, last_seen=at, context=said)
    if kind not in _USAGE:
        raise Invalid(FieldError("type", f"must be one of {', '.join((*_USAGE, *_NO_USAGE))}"), status=400)
    return Incoming(
        name=_name(item, str(kind)),
        install=install,
        occurred_at=at,
        id=usable_id(item.get("messageId")),
        session=_session(about.get("sessionId")),
        outcome=outcome(properties),
        duration_us=duration_us(properties),
        context=_context(properties, about, item),
        properties=kept_properties(properties),
    )


def _name(item: dict[str, Any], kind: str) -> str:
    if kind == "track":
        return message_name(item.get("event"), "event")
    name = text(item.get("name"), 80)
    return f"{kind}: {name}" if name else kind


def _session(value: Any) -> str | None:
    return str(value) if type(value) is int else usable_id(value)


def _context(properties: Any, about: Any, item: dict[str, Any]) -> Context:
    """Return the context of a program, as far as it is in the call's context or its properties."""
    library = members(about.get("library"))
    runtime = node_runtime(members(item.get("_metadata")).get("nodeVersion"))
    if runtime is None and (name := text(library.get("name"))):
        runtime = f"{name} {text(library.get('version')) or ''}".rstrip()
    return context(
        properties, NAME, os=members(about.get("os")).get("name"), runtime=runtime, version=members(about.get("app")).get("version")
    )
