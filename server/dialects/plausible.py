"""Plausible's trackers: one event (`/api/event`).

The body has no key: its domain names the project that lists it in its sites. There is no id of an install and no time, so the time of arrival counts.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.dialects.document import read
from server.dialects.parsing import LikelyClient, Path, Sample, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.event import Answer, Decoded, FieldError, Incoming, Outcomes, Request
from server.problems import Invalid, Malformed

NAME = "plausible"
TITLE = "Plausible"
ABOUT = "Events from Plausible's trackers. The project is the one whose sites include the domain. Events have no install."
CLIENT = LikelyClient("a Plausible client", r"/api/event")


class Event(msgspec.Struct, kw_only=True):
    """One event. The long names `name`, `domain` and `props` are accepted, too."""

    n: Annotated[str, Meta(description="The name of the event, cut at 100 characters. `engagement` is dropped.")]
    d: Annotated[str, Meta(description="The domain. If there are several, separated by commas, the first that a project lists counts.")]
    p: Annotated[
        dict[str, Any] | str | None,
        Meta(description="The program's own properties, as an object or as JSON text, without addresses and URLs."),
    ] = None
    u: Annotated[str | None, Meta(description="The page's URL, which is not kept.")] = None
    r: Annotated[str | None, Meta(description="The referrer, which is not kept.")] = None


_SAMPLE = {"n": "build", "d": "tool.example", "u": "app://tool.example/build", "p": {"version": "1.4.0", "os": "linux"}}
_DONE = Answer(202, b"{}")


def key_of(request: Request) -> str:
    """The site's domain, empty if there is none."""
    document = sdk.members(request.document)
    return sdk.client_key(_either(document, "d", "domain"))


PATHS = (
    Path(
        template="/api/event",
        client_key=key_of,
        by_site=True,
        forwarded=(),
        summary="Send an event (Plausible)",
        accepts=(Event,),
        answers={202: "The event is stored. One without a name is dropped.", 404: "No project has the domain among its sites."},
        samples=(Sample("An event", _SAMPLE),),
    ),
)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The event of a body."""
    return sdk.gather_messages(request, lambda item, _: _event(item))


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    return _DONE


def success(request: Request) -> Answer:
    return _DONE


def _event(item: Any) -> Incoming | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    name = sdk.message_name(_either(item, "n", "name"), "n")
    if name == "engagement":  # the time that a page was in view
        return None
    properties = _properties(next((item[key] for key in ("p", "props", "m", "meta") if item.get(key) is not None), None))
    return Incoming(
        name=name,
        outcome=sdk.outcome(properties),
        duration_us=sdk.duration_us(properties),
        context=sdk.context(properties, NAME, os=properties.get("os"), runtime=None),
        properties=sdk.kept_properties(properties),
        weight=weight_in(properties),
    )


def _either(item: Any, short: str, long: str) -> Any:
    return item[short] if short in item else item.get(long)


def _properties(value: Any) -> Any:
    if type(value) is str:
        try:
            value, faults = read(value.encode("utf-8", "replace"))
        except Malformed:
            return {}
        faulty = {fault.path[:1] for fault in faults}
        return {name: inner for name, inner in sdk.members(value).items() if (name,) not in faulty}
    return sdk.members(value)
