"""Converts rows in the format that clients send, from any other collector, to events that are hashed and scrubbed but keep their times.

A row is an event of `POST /v1/events`, which must have a `timestamp`, or a row of a SonicJS collector's events table. For flat exports of a
database, `target_type` and `target_id`, `error_type` and `error_message` may be top-level fields, and `properties` may be a JSON string.
`dialect` names the client family, which `/stats` and `/analytics/*` filter by.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from server.dialects import DIALECTS, native, sonicjs
from server.dialects.document import load
from server.event import Event, FieldError, Request
from server.event_id import EPOCH, first_id
from server.ingest.privacy import Privacy
from server.problems import Invalid
from server.storage.projects import LiveProject
from server.transfer.cells import check_past, milliseconds, number, number_or_text, truth
from server.transfer.footfall import OLDEST

_NAMES = tuple(dialect.NAME for dialect in DIALECTS)
_DOCUMENTS = ("properties", "target", "error")  # JSON strings in a database or a CSV
_TYPED: dict[str, Callable[[Any], Any]] = {
    "timestamp": milliseconds,
    "duration_ms": partial(number, path="duration_ms"),
    "ci": partial(truth, path="ci"),
    "sample_rate": number_or_text,
    "weight": number_or_text,
}
_IDS = ("id", "installation_id", "session_id", "target_id")
_NESTED = (("target", "type"), ("target", "id"), ("error", "type"), ("error", "message"))


def claims(document: dict[str, Any]) -> bool:
    """Check whether a row has this format."""
    return not document.keys().isdisjoint(("name", "event_type")) and not document.keys().isdisjoint(("installation_id", "timestamp"))


def event(document: Any, project: LiveProject, privacy: Privacy, now: int) -> Event:
    """Convert a row to an event, which is deduplicated by its id or by its whole content. Raises Invalid."""
    if not isinstance(document, dict):
        raise Invalid(FieldError("", "expected an object"))
    row = _nested(document)
    name = row.pop("dialect", None)
    if name is not None and name not in _NAMES:
        raise Invalid(FieldError("dialect", f"must be one of {', '.join(_NAMES)}"))
    theirs = "event_type" in row and "name" not in row
    if not theirs and "name" not in row:
        raise Invalid(FieldError("name", "is missing"))
    request = Request(route="/v1/events", headers={}, address="", received_at=now, document={"data": row} if theirs else row)
    decoded = (sonicjs if theirs else native).decode(request)
    (incoming,) = decoded.events
    if incoming.occurred_at is None and any(name.endswith("timestamp") for name in decoded.ignored):
        raise Invalid(FieldError("timestamp", "must be a time in ISO 8601, or in epoch milliseconds"))
    if incoming.occurred_at is None:
        raise Invalid(FieldError("timestamp", "is missing: imported events need a time"))
    if incoming.occurred_at < OLDEST:
        raise Invalid(FieldError("timestamp", "must not be before the year 2000"))
    at = min(check_past(incoming.occurred_at, now, "timestamp"), now)
    dialect = name or (sonicjs if theirs else native).NAME
    incoming = msgspec.structs.replace(incoming, context=msgspec.structs.replace(incoming.context, dialect=dialect))
    # A keyed hash, unlike PostHog's: an id may be anything here, and a whole row contains values that are hashed elsewhere.
    alike = json.dumps(document, sort_keys=True, default=str)
    by_id = None if incoming.id is None else privacy.mark(project.id, "import by id", incoming.id)
    if by_id is None or incoming.id is None:
        mark, former = privacy.mark(project.id, "import", alike), None
    elif incoming.install is None:
        mark, former = by_id, None
    else:  # an id is unique within its install; `former` recognizes files imported before that rule
        mark, former = privacy.mark(project.id, "import by id", incoming.id, f"install {incoming.install}"), by_id
    # The arrival time is unknown, so the id contains the event's own time. The low bits distinguish events in one millisecond.
    id_ = first_id(max(at, EPOCH)) | (mark & 0x3F_FFFF)
    converted = privacy.event(incoming, id=id_, project=project.id, dialect=dialect, received_at=at, picked=project.picked)
    return msgspec.structs.replace(converted, mark=mark, former=former)


def _nested(document: dict[str, Any]) -> dict[str, Any]:
    """The row in the wire format: without nulls, and with flat columns nested."""
    row = {name: value for name, value in document.items() if value is not None}
    for name in _IDS:
        if type(row.get(name)) is int:  # the row numbers of databases
            row[name] = str(row[name])
    for outer, inner in _NESTED:
        if (value := row.pop(f"{outer}_{inner}", None)) is not None:
            row[outer] = {**(row[outer] if isinstance(row.get(outer), dict) else {}), inner: value}
    for name in _DOCUMENTS:
        if isinstance(row.get(name), str):
            row[name] = load(row[name].encode("utf-8", "surrogatepass"))
    row.update({name: as_typed(row[name]) for name, as_typed in _TYPED.items() if name in row})
    return row
