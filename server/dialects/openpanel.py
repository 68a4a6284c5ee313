"""OpenPanel's SDKs: one call per request (`/track`), wrapped in `payload`.

The project's key is the header `openpanel-client-id`. The install is the `profileId` that the program sets. Without one there is no install:
OpenPanel itself derives a device from the address. The response is 200 unless the server fails, because the SDK retries three times.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import LikelyClient, Path, Sample, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.dialects.parsing.times import moment
from server.event import Answer, Context, Decoded, FieldError, Incoming, InstallReport, Outcomes, Request
from server.problems import CONTENT_PROBLEMS, Invalid, Limited, TooSlow

NAME = "openpanel"
TITLE = "OpenPanel"
ABOUT = "Calls from OpenPanel's SDKs. The project's key is the header `openpanel-client-id`."
CLIENT = LikelyClient("an OpenPanel or Mixpanel SDK", r"/(track|profile(/.*)?|import)")


class Call(msgspec.Struct, kw_only=True):
    """One call."""

    type: Annotated[str, Meta(description="`track` is an event, `identify` describes the install; the other types are dropped.")]
    payload: Annotated[
        dict[str, Any] | None, Meta(description="`name`, `profileId` and `properties`, of which those of the SDK (`__…`) are not kept.")
    ] = None


def key_of(request: Request) -> str:
    """The project's key, empty if there is none."""
    return sdk.client_key(request.header(b"openpanel-client-id"))


PATHS = (
    Path(
        template="/track",
        client_key=key_of,
        forwarded=(b"openpanel-client-id", b"openpanel-client-secret", b"openpanel-sdk-name", b"openpanel-sdk-version"),
        absorbs=(*CONTENT_PROBLEMS, Limited, TooSlow),
        summary="Send a call (OpenPanel)",
        accepts=(Call,),
        answers={200: "Always, except for 5xx. The ledger counts dropped events."},
        samples=(
            Sample(
                "An event",
                {
                    "type": "track",
                    "payload": {"name": "build", "profileId": "9f0e8a2d6f1b7c34", "properties": {"version": "1.4.0", "os": "linux"}},
                },
            ),
        ),
    ),
)
_DONE = Answer(200, b"{}")
_NO_USAGE = ("alias", "increment", "decrement", "group", "assign_group", "replay")


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The event or the report of a call."""
    return sdk.gather_messages(request, lambda item, _: _call(item, request))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _call(item: Any, request: Request) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    kind, payload = item.get("type"), sdk.members(item.get("payload"))
    if kind in _NO_USAGE:
        return None
    if kind not in ("track", "identify"):
        raise Invalid(FieldError("type", f"must be one of track, identify, {', '.join(_NO_USAGE)}"), status=400)
    properties = {name: value for name, value in sdk.members(payload.get("properties")).items() if not name.startswith("__")}
    install, at = sdk.usable_id(payload.get("profileId")), moment(sdk.members(payload.get("properties")).get("__timestamp"))
    where = _context(properties, request)
    if kind == "identify":
        return None if install is None else InstallReport(install=install, last_seen=at, context=where)
    return Incoming(
        name=sdk.message_name(payload.get("name"), "payload.name"),
        install=install,
        occurred_at=at,
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=where,
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _context(properties: dict[str, Any], request: Request) -> Context:
    """Return the context of a program: the SDK sends its own name and version, and no system."""
    name, version = text(request.header(b"openpanel-sdk-name")), text(request.header(b"openpanel-sdk-version"))
    runtime = f"openpanel-{name} {version or ''}".rstrip() if name else None
    return sdk.context(properties, NAME, os=properties.get("os"), runtime=runtime)
