"""Converts PostHog's event export: one JSON object per event, with `event`, `distinct_id`, `timestamp`, `uuid` and `properties`.

Events whose name begins with `$` are PostHog's own (identify, flags, exceptions with source code, page views). They are skipped and
counted. Properties that begin with `$` are dropped after their information about the machine is read. PostHog has no field for the tool's
version: the first of `VERSIONS` in an event is used.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from server.dialects.document import load
from server.dialects.parsing import (
    Id,
    IgnoredFields,
    Name,
    Timestamp,
    arch_name,
    context_in,
    convert,
    environment,
    os_name,
    text,
    timestamp,
    weight_in,
)
from server.event import Context, Event, FieldError, Incoming
from server.event_id import EPOCH, first_id
from server.identifiers import identifier
from server.ingest.privacy import Privacy
from server.problems import Invalid
from server.storage.projects import LiveProject
from server.transfer.cells import check_past, milliseconds
from server.transfer.footfall import OLDEST, key

DIALECT = "posthog"
VERSIONS = ("$app_version", "app_version", "version", "cli_version", "package_version", "gx_version")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


class Skipped(Exception):
    """An event of PostHog's own. `name` is its name if it is a known PostHog event, otherwise `$…`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


OWN = frozenset({
    "$identify", "$set", "$set_once", "$groupidentify", "$create_alias", "$merge_dangerously", "$exception", "$feature_flag_called", "$pageview",
    "$pageleave", "$screen", "$autocapture", "$rageclick", "$opt_in", "$web_vitals", "$ai_generation", "$ai_trace", "$ai_span",
})  # fmt: skip


class _Event(msgspec.Struct, kw_only=True):
    event: Name
    distinct_id: Id
    timestamp: Timestamp
    uuid: Id | None = None
    properties: dict[str, Any] | str | None = None
    session_id: str | None = None


def event(document: Any, project: LiveProject, privacy: Privacy, now: int) -> Event:
    """Convert and scrub an event as if it had been sent to this server. Raises Invalid, or Skipped for PostHog's own events."""
    event = convert(document, _Event)
    if event.event.startswith("$"):
        raise Skipped(event.event if event.event in OWN else "$…")
    properties = _properties(event.properties)
    at = _time(event.timestamp, now)
    incoming = Incoming(
        name=event.event,
        install=None if _made_up(event.distinct_id, properties) else event.distinct_id,
        occurred_at=at,
        session=text(properties.get("$session_id") or event.session_id, 200),
        context=_context(properties),
        properties=IgnoredFields().bounded({name: value for name, value in properties.items() if not name.startswith("$")}),
        id=event.uuid,
        weight=weight_in(properties),
    )
    mark = _mark(event, document)
    # The arrival time is unknown, so the id contains the event's own time. The low bits distinguish events in one millisecond.
    id_ = first_id(max(at, EPOCH)) | (mark & 0x3F_FFFF)
    converted = privacy.event(incoming, id=id_, project=project.id, dialect=DIALECT, received_at=at, picked=project.picked)
    return msgspec.structs.replace(converted, mark=mark)


def _mark(event: _Event, document: Any) -> int:
    """The deduplication mark: the event's uuid, or its whole content. Only exports by old clients lack a uuid."""
    if event.uuid is not None and (usable := identifier(event.uuid)) is not None:
        return key(DIALECT, usable.lower())
    return key(DIALECT, "", json.dumps(document, sort_keys=True))


def _time(moment: str | float, now: int) -> int:
    at = timestamp(milliseconds(moment))
    if at is None or at < OLDEST:
        raise Invalid(FieldError("timestamp", "must not be before the year 2000"))
    return min(check_past(at, now, "timestamp"), now)


def _properties(value: dict[str, Any] | str | None) -> dict[str, Any]:
    # Exports of PostHog's tables contain the properties as a JSON string.
    found = load(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) and value else value
    if found and not isinstance(found, dict):
        raise Invalid(FieldError("properties", "expected an object"))
    return found or {}


def _made_up(distinct_id: str, properties: dict[str, Any]) -> bool:
    """Check whether the id is unique to this event: without an id, PostHog's Python client generates a UUID per event and marks it."""
    return properties.get("$process_person_profile") is False and _UUID(distinct_id) is not None


def _context(properties: dict[str, Any]) -> Context:
    where, reason = environment(properties)
    version = next((found for name in VERSIONS if (found := text(properties.get(name)))), None)
    return Context(
        where,
        reason,
        DIALECT,
        os_name(properties.get("$os")),
        arch_name(properties.get("$arch")),
        _runtime(properties),
        version,
        **context_in(properties),
    )


def _runtime(properties: dict[str, Any]) -> str | None:
    python = text(properties.get("$python_version"))
    if python is not None:
        return text(f"{(text(properties.get('$python_runtime')) or 'python').lower()} {python}")
    library, version = text(properties.get("$lib")), text(properties.get("$lib_version"))
    return library and text(f"{library} {version or ''}")
