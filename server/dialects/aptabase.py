"""Aptabase's SDKs: one event (`/api/v0/event`) and arrays of events (`/api/v0/events`).

The project's key is the header `App-Key`. The SDKs send a session of at most an hour, and no id of an install. The SDK for Python resends a refused
event every ten seconds, so the response is 200 unless the server fails.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import LikelyClient, Path, Sample, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.dialects.parsing.times import moment
from server.event import Answer, Decoded, FieldError, Incoming, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid, Limited, TooSlow

NAME = "aptabase"
TITLE = "Aptabase"
ABOUT = "Events from Aptabase's SDKs. The project's key is the header `App-Key`. Events have a session and no install."
CLIENT = LikelyClient("an Aptabase SDK", r"/api/v0/events?")


class Event(msgspec.Struct, kw_only=True, rename="camel"):
    """One event."""

    event_name: Annotated[str, Meta(description="The name of the event, cut at 100 characters.")]
    timestamp: Annotated[str | None, Meta(description="The time of the event.")] = None
    session_id: Annotated[str | int | None, Meta(description="The session. Only its keyed hash is stored.")] = None
    system_props: Annotated[
        dict[str, Any] | None, Meta(description="`osName`, `appVersion`, `sdkVersion` and `isDebug` are used; nothing else is kept.")
    ] = None
    props: Annotated[dict[str, Any] | None, Meta(description="The program's own properties, without addresses and URLs.")] = None


_SAMPLE = {
    "timestamp": "2026-03-14T09:26:53.589Z",
    "sessionId": "177348041314614397",
    "eventName": "build",
    "systemProps": {"osName": "Linux", "appVersion": "1.4.0", "sdkVersion": "aptabase-python@0.1.0", "isDebug": False},
    "props": {"template": "starter"},
}


def key_of(request: Request) -> str:
    """The project's key, empty if there is none."""
    return sdk.client_key(request.header(b"app-key"))


def _path(template: str, kind: Any, sample: Sample) -> Path:
    return Path(
        template=template,
        batch=True,
        client_key=key_of,
        forwarded=(b"app-key",),
        absorbs=(*CONTENT_PROBLEMS, Limited, TooSlow),
        summary="Send events (Aptabase)",
        accepts=(kind,),
        answers={200: "Always, except for 5xx: an SDK retries a refused event forever. The ledger counts dropped events."},
        samples=(sample,),
    )


PATHS = (
    _path("/api/v0/event", Event, Sample("One event", _SAMPLE)),
    _path("/api/v0/events", list[Event], Sample("Several events", [_SAMPLE, {**_SAMPLE, "eventName": "test"}])),
)
_DONE = Answer(200, b"{}")


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The events of a body. Events without a name are rejected. Raises `TooLarge` above 1,000 events."""
    return sdk.gather_messages(request, lambda item, _: _event(item))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _event(item: Any) -> Incoming:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    system, properties = sdk.members(item.get("systemProps")), sdk.members(item.get("props"))
    session = item.get("sessionId")
    about = {**properties, "isDebug": True} if system.get("isDebug") is True else properties
    return Incoming(
        name=sdk.message_name(item.get("eventName"), "eventName"),
        occurred_at=moment(item.get("timestamp")),
        session=str(session) if type(session) is int else sdk.usable_id(session),
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=sdk.context(
            about, NAME, os=system.get("osName"), runtime=_runtime(system.get("sdkVersion")), version=system.get("appVersion")
        ),
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _runtime(sdk: Any) -> str | None:
    return text(sdk.replace("@", " ", 1)) if type(sdk) is str else None
