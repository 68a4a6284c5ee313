"""Umami's trackers: one event (`/api/send`).

The body has no key: its website's id names the project that lists it in its sites. `identify` does not count as usage, nor do a page's
measurements and exceptions.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.parsing import LikelyClient, Path, Sample, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.event import Answer, Decoded, FieldError, Incoming, InstallReport, Outcomes, Request
from server.problems import Invalid

NAME = "umami"
TITLE = "Umami"
ABOUT = "Events from Umami's trackers. The project is the one whose sites include the website's id."
CLIENT = LikelyClient("an Umami client", r"/api/(send|batch|collect)")


class Payload(msgspec.Struct, kw_only=True):
    """The content of a call."""

    website: Annotated[str, Meta(description="The id of the website.")]
    name: Annotated[str | None, Meta(description="The name of the event, cut at 100 characters. Without one, it is `pageview`.")] = None
    data: Annotated[dict[str, Any] | None, Meta(description="The program's own properties, without addresses and URLs.")] = None
    id: Annotated[str | None, Meta(description="The install. Only its keyed hash is stored.")] = None
    timestamp: Annotated[int | None, Meta(description="The time of the event in epoch seconds.")] = None
    tag: Annotated[str | None, Meta(description="A tag, kept as a property.")] = None
    url: Annotated[str | None, Meta(description="The page's URL, which is not kept.")] = None


class Call(msgspec.Struct, kw_only=True):
    """One call."""

    type: Annotated[str, Meta(description="`event` is an event, `identify` describes the install.")]
    payload: Annotated[Payload, Meta(description="The content of the call.")]


_SAMPLE = {
    "type": "event",
    "payload": {"website": "5c4b9f0e-2d6f-4b7c-a3b1-c6d290feac4e", "name": "build", "data": {"version": "1.4.0", "os": "linux"}},
}
_KINDS = ("event", "identify", "performance", "error")
_DONE = Answer(200, b"{}")


def key_of(request: Request) -> str:
    """The website's id, empty if there is none."""
    return sdk.client_key(sdk.members(sdk.members(request.document).get("payload")).get("website"))


PATHS = (
    Path(
        template="/api/send",
        client_key=key_of,
        by_site=True,
        forwarded=(b"x-umami-website-id", b"x-umami-hostname", b"x-umami-cache"),
        summary="Send a call (Umami)",
        accepts=(Call,),
        answers={200: "The event is stored. A call of another type is dropped.", 404: "No project has the website among its sites."},
        samples=(Sample("An event", _SAMPLE),),
    ),
)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The event or the report of a call."""
    return sdk.gather_messages(request, lambda item, _: _call(item))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _call(item: Any) -> Incoming | InstallReport | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    kind, payload = item.get("type"), sdk.members(item.get("payload"))
    if kind not in _KINDS:
        raise Invalid(FieldError("type", f"must be one of {', '.join(_KINDS)}"), status=400)
    properties = sdk.members(payload.get("data"))
    install, at = sdk.usable_id(payload.get("id")), _time(payload.get("timestamp"))
    if kind in ("performance", "error"):  # measurements and exceptions of a page
        return None
    where = sdk.context(properties, NAME, os=properties.get("os"), runtime=None)
    if kind == "identify":
        return None if install is None else InstallReport(install=install, last_seen=at, context=where)
    name = payload.get("name")
    return Incoming(
        name="pageview" if name is None else sdk.message_name(name, "payload.name"),
        install=install,
        occurred_at=at,
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=where,
        properties=sdk.kept_properties({"tag": payload["tag"], **properties} if payload.get("tag") else properties),
        weight=weight_in(properties),
    )


def _time(seconds: Any) -> int | None:
    return sdk.corrected(seconds * 1_000, 0) if type(seconds) in (int, float) else None
