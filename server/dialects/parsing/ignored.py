"""Fields that were not understood: they never cost the event, and the answer names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from server.dialects.document import dotted
from server.dialects.parsing.json_fields import MAX_PROPERTIES
from server.dialects.parsing.times import moment, whole_duration
from server.identifiers import identifier

MOST = 20  # names in one answer
NEVER = 253_402_300_799_999  # the last millisecond of the calendar


class IgnoredFields:
    """The names of the fields of a request that were not understood: each once, however many events of a batch have it, and at most 20."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(self, name: str) -> None:
        if len(self.names) < MOST and name not in self.names:
            self.names.append(name)

    def members(self, document: Any, known: Iterable[str], path: str = "") -> None:
        """Note the members of an object that are not among the known ones, and are not kept either."""
        if type(document) is dict and not document.keys() <= (known := set(known)):
            for name in document:
                if name not in known:
                    self.add(f"{path}.{dotted((name,))}" if path else dotted((name,)))

    def time(self, value: Any, path: str = "timestamp") -> int | None:
        """Epoch milliseconds, or `None` for nothing, and for what is no time: then the time of arrival counts."""
        if value is None or is_blank(value):
            return None
        at = moment(value)
        if at is None and type(value) is not str:
            return NEVER  # a number beyond the calendar: a clock that is wrong
        if at is None:
            self.add(path)
        return at

    def duration(self, value: Any, path: str = "duration_ms") -> int | None:
        """Microseconds, or `None` for nothing, and for a number that is no duration."""
        length = whole_duration(value)
        if length is None and value is not None:
            self.add(path)
        return length

    def identifier(self, value: str | None, path: str) -> None:
        """Note an id that is a word for a missing one: the event counts without it."""
        if value and not is_blank(value) and identifier(value) is None:
            self.add(path)

    def bounded(self, properties: dict[str, Any], path: str = "properties") -> dict[str, Any]:
        """The properties, at most as many as an event may have: the first ones."""
        if len(properties) <= MAX_PROPERTIES:
            return properties
        self.add(path)
        return {name: properties[name] for name in list(properties)[:MAX_PROPERTIES]}


def is_blank(value: Any) -> bool:
    """Whether a value is a text of blanks: as good as none where a field is optional."""
    return type(value) is str and not value.strip()
