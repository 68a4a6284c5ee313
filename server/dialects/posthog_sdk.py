"""PostHog's SDKs: batches (`/batch/`), single events (`/capture/`), the newer protocol (`/i/v1/analytics/events`), and feature flags (always an empty set).

The project's key is the body's `api_key`, or the bearer token in the newer protocol. Events about the SDK's own model (persons, groups, flags) do not count as
usage; the system and version that they report of an install are kept.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import MAX_ERROR_MESSAGE, MAX_ERROR_TYPE, LikelyClient, Path, Sample, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.event import Answer, Context, Decoded, FieldError, Incoming, InstallReport, Outcome, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid

NAME = "posthog"
TITLE = "PostHog"
ABOUT = "Events from PostHog's SDKs. The project's key is `api_key`, or the bearer. Responses are those that the SDKs expect."
CLIENT = LikelyClient("a PostHog SDK", r"/(batch|capture|e|i/v\d+/e|i/v1/.*|flags|decide|engage|s)")


class Event(msgspec.Struct, kw_only=True):
    """One event. `api_key` is in the event if it is sent alone."""

    event: Annotated[str, Meta(description="The name of the event, cut at 100 characters.")]
    distinct_id: Annotated[str | None, Meta(description="The anonymous id of one installation. Only its keyed hash is stored.")] = None
    uuid: Annotated[str | None, Meta(description="The id of the event: events of one install with the same id count once in 30 days.")] = (
        None
    )
    timestamp: str | None = None
    properties: Annotated[
        dict[str, Any] | None,
        Meta(description="The program's own properties are kept; those of the SDK (`$…`), addresses and URLs are not."),
    ] = None
    api_key: Annotated[str | None, Meta(description="The project's key.")] = None


class Batch(msgspec.Struct, kw_only=True):
    """Many events."""

    batch: Annotated[list[Event], Meta(description="The events, up to 1,000.")]
    api_key: Annotated[str | None, Meta(description="The project's key.")] = None
    sent_at: Annotated[
        str | None, Meta(description="The time of sending by the client's clock. A clock that is wrong by a minute or more is corrected.")
    ] = None


class FlagRequest(msgspec.Struct, kw_only=True):
    """A question for feature flags."""

    distinct_id: Annotated[str | None, Meta(description="Ignored.")] = None
    api_key: Annotated[str | None, Meta(description="The project's key.")] = None


_SAMPLE = {
    "event": "build",
    "distinct_id": "9f0e8a2d6f1b7c34",
    "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
    "timestamp": "2026-03-14T09:26:53.589Z",
    "properties": {"version": "1.4.0", "$os": "Linux", "$python_version": "3.12.1"},
}
_EVENTS = "/i/v1/analytics/events"
_FLAGS = ("/flags", "/decide")


def key_of(request: Request) -> str:
    """The project's key in a body, empty if there is none; the newer protocol has it in a header."""
    document = request.document[0] if type(request.document) is list and request.document else request.document
    fields = sdk.members(document)
    found = (fields.get("api_key"), fields.get("token"), sdk.members(fields.get("properties")).get("token"))
    return next((key for value in found if (key := sdk.client_key(value))), "")


PATHS = (
    *(
        Path(
            template=template,
            batch=True,
            client_key=key_of,
            absorbs=CONTENT_PROBLEMS,
            forwarded=(b"posthog-sdk-info", b"posthog-attempt", b"posthog-request-id", b"posthog-request-timestamp"),
            summary="Send events (PostHog)",
            accepts=(Batch, Event, list[Event]),
            samples=(Sample("A batch", {"api_key": "phc_example", "sent_at": "2026-03-14T09:26:53.589Z", "batch": [_SAMPLE]}),),
            answers={
                200: "Always, except for 429 and 5xx: PostHog's SDKs treat no other status as a success. The ledger counts dropped events."
            },
        )
        for template in ("/batch", "/capture", "/e", "/i/v0/e", _EVENTS)
    ),
    *(
        Path(
            template=template,
            client_key=key_of,
            absorbs=CONTENT_PROBLEMS,
            summary="Request feature flags (PostHog): there are none",
            accepts=(FlagRequest,),
            samples=(Sample("A request for flags", {"api_key": "phc_example", "distinct_id": "9f0e8a2d6f1b7c34"}),),
            answers={200: "No flags."},
        )
        for template in _FLAGS
    ),
)

_DONE = Answer(200, b'{"status":1}')
_DONE_V1 = Answer(200, b'{"results":{}}')
_NO_FLAGS = Answer(200, b'{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}')
# Events of the SDK's own model. Those of groups and aliases name no install.
_NO_USAGE = frozenset(
    {"$identify", "$set", "$set_once", "$unset", "$groupidentify", "$create_alias", "$merge_dangerously", "$feature_flag_called"}
)
_NO_INSTALL = frozenset({"$groupidentify", "$create_alias", "$merge_dangerously"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE).fullmatch


def claims(request: Request) -> bool:
    """Return True for all but a batch of Amplitude, whose path is the same."""
    document = sdk.members(request.document)
    return "events" not in document or "batch" in document or "event" in document


def decode(request: Request) -> Decoded:
    """The events of a body. Events without a name are rejected. Raises `TooLarge` above 1,000 events."""
    if request.route in _FLAGS:
        return Decoded(echo=_NO_FLAGS)
    document = sdk.members(request.document)
    sent_at = request.header(b"posthog-request-timestamp") or document.get("sent_at") or document.get("sentAt")
    error = sdk.clock_error(sent_at, request.received_at)
    decoded = sdk.gather_messages(request, lambda item, _: _message(item, request, error))
    decoded.echo = success(request)
    return decoded


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 200, with the body that the route's clients expect."""
    answered: Answer = decoded.echo or _DONE
    return answered


def success(request: Request) -> Answer:
    if request.route in _FLAGS:
        return _NO_FLAGS
    return _DONE_V1 if request.route == _EVENTS else _DONE


def _message(item: Any, request: Request, error: int) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    name = sdk.message_name(item.get("event"), "event")
    properties = sdk.members(item.get("properties"))
    install = _install(item, name, properties)
    at = sdk.corrected(item.get("timestamp"), error)
    where = _context(properties, request)
    if name in _NO_USAGE:
        about = _context({**sdk.members(item.get("$set")), **sdk.members(properties.get("$set")), **properties}, request)
        return None if install is None or name in _NO_INSTALL else InstallReport(install=install, last_seen=at, context=about)
    error_type, error_message = _exception(properties)
    return Incoming(
        name=name,
        install=install,
        occurred_at=at,
        id=sdk.usable_id(item.get("uuid")),
        session=sdk.usable_id(properties.get("$session_id") or item.get("session_id")),
        outcome=Outcome.FAILURE if name == "$exception" else sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        error_type=error_type,
        error_message=error_message,
        context=where,
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _install(item: dict[str, Any], name: str, properties: Any) -> str | None:
    """The install of an event. An event without a person and with a UUID has none: SDKs generate a UUID for each event if the program names no id."""
    install = sdk.usable_id(item.get("distinct_id") or properties.get("distinct_id"))
    if install is None or name in _NO_INSTALL:
        return None
    named = sdk.members(item.get("options")).get("process_person_profile", properties.get("$process_person_profile"))
    return None if named is False and _UUID(install) else install


def _context(properties: Any, request: Request) -> Context:
    return sdk.context(
        properties, NAME, os=properties.get("$os"), runtime=_runtime(properties, request), version=properties.get("$app_version")
    )


def _runtime(properties: Any, request: Request) -> str | None:
    """The language's version, else the SDK's."""
    version = text(properties.get("$python_version"))
    if version is not None:
        runtime = text(properties.get("$python_runtime")) or "CPython"
        return f"{'python' if runtime == 'CPython' else runtime.lower()} {version}"
    library, number = text(properties.get("$lib")), text(properties.get("$lib_version"))
    return f"{library} {number}" if library and number else library or text(request.header(b"posthog-sdk-info").replace("/", " "))


def _exception(properties: Any) -> tuple[str | None, str | None]:
    """The type and message of an exception. Its stack is dropped, because it contains the program's source and paths."""
    exceptions = properties.get("$exception_list")
    first = sdk.members(exceptions[0]) if type(exceptions) is list and exceptions else {}
    return text(first.get("type"), MAX_ERROR_TYPE), text(first.get("value"), MAX_ERROR_MESSAGE, "")
