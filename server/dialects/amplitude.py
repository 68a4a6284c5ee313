"""Amplitude's SDKs: batches (`/2/httpapi`, `/batch`).

The project's key is the body's `api_key`. The SDKs read the code in the body, and retry up to twelve times, so the response is 200 unless the server
fails. User properties are not kept.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import LikelyClient, Path, Sample, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.event import Answer, Context, Decoded, FieldError, Incoming, InstallReport, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid, Limited, TooSlow

NAME = "amplitude"
TITLE = "Amplitude"
ABOUT = "Events from Amplitude's SDKs. The project's key is `api_key`."
CLIENT = LikelyClient("an Amplitude SDK", r"/(2/httpapi|2/batch|httpapi|identify|groupidentify)")


class Event(msgspec.Struct, kw_only=True):
    """One event."""

    event_type: Annotated[str, Meta(description="The name of the event, cut at 100 characters.")]
    device_id: Annotated[str | None, Meta(description="The install. Only its keyed hash is stored.")] = None
    user_id: Annotated[str | None, Meta(description="The install if `device_id` is missing. Only its keyed hash is stored.")] = None
    time: Annotated[int | None, Meta(description="The time of the event in epoch milliseconds.")] = None
    insert_id: Annotated[
        str | None, Meta(description="The id of the event: events of one install with the same id count once in 30 days.")
    ] = None
    session_id: Annotated[int | None, Meta(description="The session. Only its keyed hash is stored. -1 is none.")] = None
    app_version: Annotated[str | None, Meta(description="Version of the tool.")] = None
    os_name: Annotated[str | None, Meta(description="Operating system.")] = None
    library: Annotated[str | None, Meta(description="The SDK, as in `amplitude-python/1.3.0`.")] = None
    event_properties: Annotated[dict[str, Any] | None, Meta(description="The program's own properties, without addresses and URLs.")] = None


class Batch(msgspec.Struct, kw_only=True):
    """Many events."""

    events: Annotated[list[Event], Meta(description="The events, up to 1,000.")]
    api_key: Annotated[str | None, Meta(description="The project's key.")] = None
    client_upload_time: Annotated[
        str | None, Meta(description="The time of sending by the client's clock. A clock that is wrong by a minute or more is corrected.")
    ] = None


def key_of(request: Request) -> str:
    """The project's key, empty if there is none."""
    return sdk.client_key(sdk.members(request.document).get("api_key"))


_SAMPLE = {
    "api_key": "0123456789abcdef0123456789abcdef",
    "events": [
        {
            "event_type": "build",
            "device_id": "9f0e8a2d6f1b7c34",
            "insert_id": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
            "time": 1_773_480_413_589,
            "app_version": "1.4.0",
            "os_name": "Linux",
            "event_properties": {"template": "starter"},
        }
    ],
}
PATHS = tuple(
    Path(
        template=template,
        batch=True,
        client_key=key_of,
        forwarded=(),
        absorbs=(*CONTENT_PROBLEMS, Limited, TooSlow),
        summary="Send events (Amplitude)",
        accepts=(Batch,),
        answers={200: "Always, except for 5xx: the SDKs resend a refused batch. The ledger counts dropped events."},
        samples=(Sample("A batch", _SAMPLE),),
    )
    for template in ("/2/httpapi", "/batch")
)
_NO_USAGE = ("$identify", "$groupidentify")


def claims(request: Request) -> bool:
    """Return True for a body with `events`. The path `/batch` is also that of PostHog, whose batches have another name."""
    return "events" in sdk.members(request.document)


def decode(request: Request) -> Decoded:
    """The events of a body. Events without a type are rejected. Raises `TooLarge` above 1,000 events, and `Invalid` without any."""
    document = sdk.members(request.document)
    error = sdk.clock_error(document.get("client_upload_time"), request.received_at)
    return sdk.gather_messages(request, lambda item, _: _event(item, error), "events")


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _done(len(decoded.events))


def success(request: Request) -> Answer:
    return _done(0)


def _done(events: int) -> Answer:
    return Answer(200, b'{"code":200,"events_ingested":%d}' % events)


def _event(item: Any, error: int) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    name = sdk.message_name(item.get("event_type"), "event_type")
    install = sdk.usable_id(item.get("device_id")) or sdk.usable_id(item.get("user_id"))
    properties, at = sdk.members(item.get("event_properties")), sdk.corrected(item.get("time"), error)
    where = _context(properties, item)
    if name in _NO_USAGE:
        return None if install is None or name != "$identify" else InstallReport(install=install, last_seen=at, context=where)
    session = item.get("session_id")
    return Incoming(
        name=name,
        install=install,
        occurred_at=at,
        id=sdk.usable_id(item.get("insert_id")),
        session=str(session) if type(session) is int and session > 0 else sdk.usable_id(session),
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=where,
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _context(properties: Any, item: dict[str, Any]) -> Context:
    library = text(item.get("library"))
    return sdk.context(
        properties,
        NAME,
        os=item.get("os_name") or item.get("platform"),
        runtime=library.replace("/", " ", 1) if library else None,
        version=item.get("app_version"),
    )
