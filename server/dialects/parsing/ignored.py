"""Fields that were not understood. They never reject the event, and the response names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server.dialects.document import dotted
from server.dialects.parsing.json_fields import MAX_PROPERTIES
from server.dialects.parsing.times import moment, whole_duration
from server.identifiers import identifier

MOST = 20  # names in one response
NEVER = 253_402_300_799_999  # the last millisecond of the year 9999


class IgnoredFields:
    """The names of a request's fields that were not understood: each once, and at most 20."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(self, name: str) -> None:
        if len(self.names) < MOST and name not in self.names:
            self.names.append(name)

    def add_path(self, path: Sequence[str | int]) -> None:
        self.add(dotted(path))

    def members(self, document: Any, known: Iterable[str], path: str = "") -> None:
        """Add the members of an object that are neither known nor kept."""
        if type(document) is dict and not document.keys() <= (known := set(known)):
            for name in document:
                if name not in known:
                    self.add(f"{path}.{dotted((name,))}" if path else dotted((name,)))

    def time(self, value: Any, path: str = "timestamp") -> int | None:
        """Return epoch milliseconds, or None for a missing or an invalid time; then the time of arrival counts."""
        if value is None or is_blank(value):
            return None
        at = moment(value)
        if at is None and type(value) is not str:
            return NEVER  # a number beyond the calendar: the clock is wrong
        if at is None:
            self.add(path)
        return at

    def duration(self, value: Any, path: str = "duration_ms") -> int | None:
        """Return microseconds, or None for a missing or an invalid duration."""
        length = whole_duration(value)
        if length is None and value is not None:
            self.add(path)
        return length

    def identifier(self, value: str | None, path: str) -> None:
        """Add the path of an id that stands for a missing one. The event counts without it."""
        if value and not is_blank(value) and identifier(value) is None:
            self.add(path)

    def bounded(self, properties: dict[str, Any], path: str = "properties") -> dict[str, Any]:
        """Return the first properties, up to the maximum of an event."""
        if len(properties) <= MAX_PROPERTIES:
            return properties
        self.add(path)
        return {name: properties[name] for name in list(properties)[:MAX_PROPERTIES]}


def is_blank(value: Any) -> bool:
    """Return True for a text that consists of spaces only, which counts as missing in an optional field."""
    return type(value) is str and not value.strip()
