"""Downloads (peon-ping): `curl -s -X POST https://…/dl/glados`, without a body or an id; the client ignores the response."""

from __future__ import annotations

import re

from server.dialects.parsing import Path, event_id, raise_refusal
from server.event import Answer, Context, Decoded, FieldError, Incoming, Outcomes, Request
from server.problems import NotFound

NAME = "downloads"

_ANSWERS = {
    202: "Counted. The response has no body.",
    404: "The pack name is invalid.",
    422: "The project has reached its maximum number of packs.",
}

PATHS = (
    Path(template="/dl/{pack}", body=False, summary="Count one download of a pack", answers=_ANSWERS),
    Path(template="/preview/{pack}", body=False, summary="Count one preview of a pack", answers=_ANSWERS),
    Path(template="/registry", body=False, summary="Count one fetch of the registry", answers={202: _ANSWERS[202]}),
)

_NAMES = {"dl": "download", "preview": "preview", "registry": "registry_fetch"}
_PACK = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}").fullmatch
_CONTEXT = Context(dialect=NAME)
_COUNTED = Answer(202)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """Decode one event without an install. Raises `NotFound` for an invalid pack name."""
    name = _NAMES[request.route.strip("/").partition("/")[0]]
    event = Incoming(name=name, id=event_id({}, request), target=_target(request), context=_CONTEXT)
    return Decoded(events=[event])


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    raise_refusal(outcomes.receipts[0], target="pack")
    return _COUNTED


def success(request: Request) -> Answer:
    return _COUNTED


def _target(request: Request) -> tuple[str, str] | None:
    if not request.params:
        return None
    pack = request.params[0]
    if not _PACK(pack):
        raise NotFound("The pack name is invalid.", errors=(FieldError("pack", "must match ^[a-z0-9][a-z0-9_-]{0,63}$"),))
    return ("pack", pack)
