"""Converts the exports of systems whose SDKs Footfall accepts: each row becomes the message that the SDK sent, and its dialect decodes it.

segment    archives of Segment and RudderStack in object storage: one call per row
amplitude  Amplitude's Export API: one event per row
aptabase   Aptabase's CSV: one event per row
otlp       OpenTelemetry's file exporter in JSON: one batch of log records per row
umami      Umami's CSV of the table `website_event`: one event per row
openpanel  answers of OpenPanel's Export API, or rows of its table `events`: a page of events or one event per row

Calls that do not count as usage (`identify`, `group`, …) are skipped and counted. Rows are deduplicated by the system's own id of the event, or by
their whole content. Aptabase's `user_id` changes every day, so its events have no install. Neither have events of Umami and OpenPanel without an id
from the program, because both systems derive one from the address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from typing import Any

import msgspec

from server.dialects import Dialect, amplitude, aptabase, openpanel, otlp, segment, umami
from server.dialects.document import load
from server.dialects.parsing import moment
from server.dialects.parsing.otlp_messages import LOGS
from server.event import Event, FieldError, Request
from server.event_id import EPOCH, first_id
from server.ingest.privacy import Privacy
from server.problems import Invalid, Problem
from server.storage.projects import LiveProject
from server.transfer.cells import check_past, milliseconds
from server.transfer.footfall import OLDEST
from server.transfer.import_sources import Row
from server.transfer.posthog import Skipped

Message = dict[str, Any]

_SEGMENT = frozenset({"track", "page", "screen", "identify", "group", "alias"})
_NO_USAGE = _SEGMENT | {"$identify", "$groupidentify"}
_OPENPANEL_NAMES = (("profileId", "profile_id"), ("deviceId", "device_id"), ("createdAt", "created_at"))  # of the API and of the table
_OPENPANEL_SESSIONS = ("session_start", "session_end")  # made by its server


def form_of(row: Mapping[str, Any]) -> str | None:
    """Return the system whose export has such rows, or None."""
    keys = row.keys()
    if "resourceLogs" in keys:
        return "otlp"
    kind = row.get("type")
    if isinstance(kind, str) and kind in _SEGMENT and not keys.isdisjoint(("messageId", "anonymousId", "userId")):
        return "segment"
    if {"event_type", "event_time"} <= keys:
        return "amplitude"
    if {"event_id", "event_type", "website_id", "created_at"} <= keys:
        return "umami"
    if _is_openpanel(keys) or any(type(each) is dict and _is_openpanel(each.keys()) for each in _page(row)[:1]):
        return "openpanel"
    return "aptabase" if {"event_name", "timestamp", "session_id"} <= keys else None


def _is_openpanel(keys: Set[str]) -> bool:
    return {"name", "deviceId", "createdAt"} <= keys or {"name", "device_id", "created_at", "sdk_name"} <= keys


def _page(row: Mapping[str, Any]) -> list[Any]:
    """Return the events of a page of OpenPanel's Export API."""
    data = row.get("data")
    return data if type(data) is list else []


def split(form: str, row: Row) -> list[Row]:
    """Return the rows of the messages that a row holds: several for OTLP and for a page of OpenPanel, else the row itself."""
    if row.wrong or type(row.document) is not dict:
        return [row]
    if form == "openpanel" and "data" in row.document:
        return [Row(row.place, each) for each in _page(row.document)]
    if form != "otlp":
        return [row]
    try:
        document, faults = otlp.parse(msgspec.json.encode(row.document), Request(route=LOGS, headers={}, address="", received_at=0))
    except Problem as problem:
        return [Row(row.place, None, problem.detail)]
    if faults:
        return [Row(row.place, None, faults[0].message)]
    return [Row(row.place, record) for record in document["batch"]]


def event(form: str, document: Any, project: LiveProject, privacy: Privacy, now: int) -> Event:
    """Convert a row of `split` to an event. Raises Invalid, and Skipped for a row that does not count as usage."""
    if type(document) is not dict:
        raise Invalid(FieldError("", "expected an object"))
    dialect, route, read = _SYSTEMS[form]
    message = read(document)
    decoded = dialect.decode(Request(route=route, headers={}, address="", received_at=now, document=[message]))
    if decoded.rejected:
        raise Invalid(*decoded.rejected[0].errors)
    if not decoded.events:
        kind = message.get("type", message.get("event_type"))
        raise Skipped(kind if kind in _NO_USAGE else "(other)")
    incoming = decoded.events[0]
    if incoming.occurred_at is None:
        raise Invalid(FieldError("timestamp", "is missing or not a valid time: imported events need one"))
    if incoming.occurred_at < OLDEST:
        raise Invalid(FieldError("timestamp", "must not be before the year 2000"))
    at = min(check_past(incoming.occurred_at, now, "timestamp"), now)
    own = document.get(_IDS.get(form, ""))
    if isinstance(own, str) and own:
        mark = privacy.mark(project.id, f"import {form} by id", own)
    elif incoming.id is None:
        mark = privacy.mark(project.id, f"import {form}", json.dumps(document, sort_keys=True))
    else:  # an id is unique within its install
        mark = privacy.mark(project.id, f"import {form} by id", incoming.id, f"install {incoming.install or ''}")
    # The arrival time is unknown, so the id contains the event's own time. The low bits distinguish events in one millisecond.
    number = first_id(max(at, EPOCH)) | (mark & 0x3F_FFFF)
    converted = privacy.event(incoming, id=number, project=project.id, dialect=form, received_at=at, picked=project.picked)
    return msgspec.structs.replace(converted, mark=mark)


def _unchanged(row: Message) -> Message:
    return row


def _from_amplitude(row: Message) -> Message:
    """Rename the fields that Amplitude exports under other names than its SDKs send."""
    return {
        **{name: row.get(name) for name in ("event_type", "device_id", "user_id", "session_id", "os_name", "library")},
        "insert_id": row.get("$insert_id") or row.get("insert_id") or row.get("uuid"),
        "time": row.get("event_time"),
        "app_version": row.get("version_name"),
        "event_properties": _document(row.get("event_properties"), "event_properties"),
    }


def _from_aptabase(row: Message) -> Message:
    properties = {**_document(row.get("string_props"), "string_props"), **_document(row.get("numeric_props"), "numeric_props")}
    session = row.get("session_id")
    return {
        "eventName": row.get("event_name"),
        "timestamp": milliseconds(row.get("timestamp")),
        "sessionId": None if session is None else str(session),
        "systemProps": {"osName": row.get("os_name"), "appVersion": row.get("app_version"), "sdkVersion": row.get("sdk_version")},
        "props": properties,
    }


def _from_umami(row: Message) -> Message:
    """Return the call of a page view (type 1) or an event (type 2). Raises Skipped for another type, such as a measurement of the browser."""
    kind, at = str(row.get("event_type")), moment(milliseconds(row.get("created_at")))
    if kind not in ("1", "2"):
        raise Skipped("(other)")
    data = {} if row.get("os") is None else {"os": row["os"]}
    payload = {"id": row.get("distinct_id"), "timestamp": None if at is None else at / 1_000, "tag": row.get("tag"), "data": data}
    return {"type": "event", "payload": payload if kind == "1" else {**payload, "name": row.get("event_name") or ""}}


def _from_openpanel(row: Message) -> Message:
    if row.get("name") in _OPENPANEL_SESSIONS:
        raise Skipped(row["name"])
    profile, device, at = (row.get(new, row.get(old)) for new, old in _OPENPANEL_NAMES)
    system = {} if row.get("os") in (None, "") else {"os": row["os"]}
    properties = {**system, **_document(row.get("properties"), "properties"), "__timestamp": milliseconds(at)}
    # Without an id from the program, the profile is the device, which OpenPanel derives from the address every day.
    return {
        "type": "track",
        "payload": {"name": row.get("name"), "profileId": None if profile == device else profile, "properties": properties},
    }


def _document(value: Any, path: str) -> Message:
    """Return an object, which a CSV holds as JSON text. Raises Invalid."""
    found = load(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) and value else value
    if found and not isinstance(found, dict):
        raise Invalid(FieldError(path, "expected an object"))
    return found or {}


# Form -> its dialect, the route of its messages, and the conversion of a row.
_SYSTEMS: dict[str, tuple[Dialect, str, Callable[[Message], Message]]] = {
    "segment": (segment, "/v1/batch", _unchanged),
    "amplitude": (amplitude, "/2/httpapi", _from_amplitude),
    "aptabase": (aptabase, "/api/v0/events", _from_aptabase),
    "otlp": (otlp, LOGS, _unchanged),
    "umami": (umami, "/api/send", _from_umami),
    "openpanel": (openpanel, "/track", _from_openpanel),
}
_IDS = {"umami": "event_id", "openpanel": "id"}  # unique in the whole export
FORMS = tuple(_SYSTEMS)
