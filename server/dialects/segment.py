"""Segment's and RudderStack's SDKs: batches (`/v1/batch`) and single calls (`/v1/track`, `/v1/page`, …).

The project's key is the user name of Basic authentication, or the body's `writeKey`. Some of these SDKs end their host's process on a 4xx, so the
response is always 200, and the ledger counts dropped calls. Traits of users and groups are not kept.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import LikelyClient, Path, Sample, node_runtime, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.event import Answer, Context, Decoded, FieldError, Incoming, InstallReport, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid, Limited, TooSlow

NAME = "segment"
TITLE = "Segment, RudderStack"
ABOUT = "Calls from the SDKs of Segment and RudderStack. The project's key is the user name of Basic authentication, or `writeKey`."
CLIENT = LikelyClient("a Segment or RudderStack SDK", r"/v1/(batch|track|identify|page|screen|group|alias|import|[tipsga])")


class Message(msgspec.Struct, kw_only=True, rename="camel"):
    """One call. `type` may be missing if the path names it."""

    type: Annotated[
        str | None,
        Meta(description="`track`, `page`, `screen`, `identify`, `group` or `alias`; the path names it for a single call."),
    ] = None
    event: Annotated[str | None, Meta(description="The name of the event, for `track`; cut at 100 characters.")] = None
    name: Annotated[str | None, Meta(description="The name of a page or screen.")] = None
    message_id: Annotated[
        str | None, Meta(description="The id of the call: calls of one install with the same id count once in 30 days.")
    ] = None
    anonymous_id: Annotated[str | None, Meta(description="The anonymous id of one installation. Only its keyed hash is stored.")] = None
    user_id: Annotated[
        str | None,
        Meta(description="The id of a user, used as the install if `anonymousId` is missing. Only its keyed hash is stored."),
    ] = None
    timestamp: str | None = None
    properties: Annotated[dict[str, Any] | None, Meta(description="The program's own properties are kept; addresses and URLs are not.")] = (
        None
    )
    context: Annotated[
        dict[str, Any] | None, Meta(description="`app.version`, `os.name`, `library` and `sessionId` are used; nothing else is kept.")
    ] = None
    write_key: Annotated[str | None, Meta(description="The project's key, if Basic authentication has none.")] = None


class Batch(msgspec.Struct, kw_only=True, rename="camel"):
    """Many calls."""

    batch: Annotated[list[Message], Meta(description="The calls, up to 1,000.")]
    write_key: Annotated[str | None, Meta(description="The project's key, if Basic authentication has none.")] = None
    sent_at: Annotated[
        str | None, Meta(description="The time of sending by the client's clock. A clock that is wrong by a minute or more is corrected.")
    ] = None


_SUMMARY = "Send calls (Segment, RudderStack)"
_ANSWERS = {200: "Always, except for 5xx: some of these SDKs end their host's process on a 4xx. The ledger counts dropped events."}
_DONE = Answer(200, b'{"success":true}')
_BATCHES = ("batch", "import")
_USAGE = ("track", "page", "screen")
_NO_USAGE = ("identify", "group", "alias")


_SAMPLE = {
    "anonymousId": "9f0e8a2d6f1b7c34",
    "messageId": "5c4b9f0e-2d6f-4b7c-a3b1-c6d290feac4e",
    "timestamp": "2026-03-14T09:26:53.589Z",
    "context": {"app": {"version": "1.4.0"}, "os": {"name": "linux"}},
}


def _sample(kind: str) -> Sample:
    """Return a sample body of the path of a kind of call."""
    if kind in _BATCHES:
        return Sample("A batch", {"batch": [{**_SAMPLE, "type": "track", "event": "build"}]})
    if kind == "track":
        return Sample("One event", {**_SAMPLE, "event": "build"})
    return Sample("A view", {**_SAMPLE, "name": "Settings"}) if kind in _USAGE else Sample("A call", _SAMPLE)


def key_of(request: Request) -> str:
    """The project's key, empty if there is none."""
    scheme, _, token = request.header(b"authorization").partition(" ")
    if scheme.lower() == "basic":
        try:
            user = base64.b64decode(token.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            user = ""
        if key := sdk.client_key(user):
            return key
    return sdk.client_key(sdk.members(request.document).get("writeKey"))


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
        samples=(_sample(kind),),
    )
    for kind in (*_BATCHES, *_USAGE, *_NO_USAGE)
)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The events of a body. Calls of unknown types and `track` calls without a name are rejected. Raises `TooLarge` above 1,000 calls."""
    error = sdk.clock_error(sdk.members(request.document).get("sentAt"), request.received_at)
    kind = request.route.rpartition("/")[2]
    return sdk.gather_messages(request, lambda item, _: _message(item, kind, error))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _message(item: Any, route: str, error: int) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    kind = item.get("type") if route in _BATCHES or type(item.get("type")) is str else route
    properties, about = sdk.members(item.get("properties")), sdk.members(item.get("context"))
    install = sdk.usable_id(item.get("anonymousId")) or sdk.usable_id(item.get("userId"))
    at = sdk.corrected(item.get("timestamp") or item.get("originalTimestamp"), error)
    if kind in _NO_USAGE:
        context = _context({**sdk.members(about.get("traits")), **sdk.members(item.get("traits"))}, about, item)
        return None if kind != "identify" or install is None else InstallReport(install=install, last_seen=at, context=context)
    if kind not in _USAGE:
        raise Invalid(FieldError("type", f"must be one of {', '.join((*_USAGE, *_NO_USAGE))}"), status=400)
    return Incoming(
        name=_name(item, str(kind)),
        install=install,
        occurred_at=at,
        id=sdk.usable_id(item.get("messageId")),
        session=_session(about.get("sessionId")),
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=_context(properties, about, item),
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _name(item: dict[str, Any], kind: str) -> str:
    if kind == "track":
        return sdk.message_name(item.get("event"), "event")
    name = text(item.get("name"), 80)
    return f"{kind}: {name}" if name else kind


def _session(value: Any) -> str | None:
    return str(value) if type(value) is int else sdk.usable_id(value)


def _context(properties: Any, about: Any, item: dict[str, Any]) -> Context:
    """Return the context of a program, as far as it is in the call's context or its properties."""
    library = sdk.members(about.get("library"))
    runtime = node_runtime(sdk.members(item.get("_metadata")).get("nodeVersion"))
    if runtime is None and (name := text(library.get("name"))):
        runtime = f"{name} {text(library.get('version')) or ''}".rstrip()
    return sdk.context(
        properties, NAME, os=sdk.members(about.get("os")).get("name"), runtime=runtime, version=sdk.members(about.get("app")).get("version")
    )
