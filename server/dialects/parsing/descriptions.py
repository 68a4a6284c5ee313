"""Faults in fields that only describe an event. They do not reject it: the event counts without these fields."""

from __future__ import annotations

from typing import Any

from server.dialects.parsing.ignored import IgnoredFields
from server.dialects.parsing.sampling import RATES
from server.event import Request

# Fields of an event or of its batch, by their names in Footfall's own format and in those of SDKs; and properties of SDKs at any depth.
_FIELDS = frozenset(
    {
        "weight",
        "sample_rate",
        "timestamp",
        "duration_ms",
        "session_id",
        "time",
        "originalTimestamp",
        "sent_at",
        "sentAt",
        "receivedAt",
        "event_id",
    }
)
_PROPERTIES = frozenset({*RATES, "__timestamp"})
_WRAPPERS = frozenset({"events", "batch", "data", "payload"})


def leave_out(request: Request) -> list[str]:
    """Remove the faults of a request's descriptive fields, and these fields of its document. Return the names of the fields."""
    ignored, faults = IgnoredFields(), []
    for fault in request.faults:
        length = _length(fault.path)
        if length:
            _remove(request.document, fault.path[:length])
            ignored.add_path(_within_event(fault.path[:length]))
        else:
            faults.append(fault)
    request.faults = tuple(faults)
    return ignored.names


def _length(path: tuple[str | int, ...]) -> int:
    """Return the length of the path of the descriptive field that has a fault, 0 if it is in another field."""
    is_wrapped = True
    for length, part in enumerate(path, 1):
        if part in _PROPERTIES or (is_wrapped and part in _FIELDS):
            return length
        is_wrapped = is_wrapped and (type(part) is int or part in _WRAPPERS)
    return 0


def _within_event(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the path without the index of its event in a batch."""
    return path[next((place + 1 for place, part in enumerate(path) if type(part) is int), 0) :]


def _remove(document: Any, path: tuple[str | int, ...]) -> None:
    for part in path[:-1]:
        document = document[part]
    document.pop(path[-1], None)  # several faults may be in one field
