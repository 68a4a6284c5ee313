"""The columns of each export. Names and values match the wire format where it has them; times are ISO 8601 in UTC.

Installs and sessions are keyed hashes of 16 hexadecimal digits, as stored: the store has no other identifier to export.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from server.dialects.parsing.times import iso
from server.event import CONTEXT_FIELDS, DAY, HOUR, Environment, Outcome
from server.event_id import received_at, to_uuid
from server.storage.engine import Store
from server.storage.history import streaming
from server.storage.history.streaming import SUMS, Rows, Span
from server.storage.rollups import INSTALL_FIELDS

_ENVIRONMENT = ("environment", "environment_reason", "dialect")
CONTEXT = (*_ENVIRONMENT, *CONTEXT_FIELDS)
EVENT = (
    "id", "name", "occurred_at", "received_at", "install", "session", "target_type", "target_id", "outcome", "duration_us", "error_type",
    "error_message", "skewed", *CONTEXT, "properties", "weight",
)  # fmt: skip
_OF_INSTALLS = tuple(name for name in CONTEXT_FIELDS if name in INSTALL_FIELDS)
INSTALL = ("install", "first_seen", "last_seen", *_ENVIRONMENT, *_OF_INSTALLS)

_WHOLE = {
    "duration_us", "events", "successes", "failures", "timed", "bucket", "weight",
}  # fmt: skip
_FLAGS = frozenset(name for name, declared in CONTEXT_FIELDS.items() if declared.kind == "flag")
_OUTCOMES = {Outcome.NONE: None, Outcome.SUCCESS: "success", Outcome.FAILURE: "failure"}
_ENVIRONMENTS = {int(environment): environment.word for environment in Environment}
_RENAMED = {"install_id": "install"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A dataset that can be exported. `kinds` is parallel to `columns`: the type of each column's values other than None."""

    name: str
    about: str
    columns: tuple[str, ...]
    chunks: Callable[[Store, int, Span], AsyncIterator[Rows]]
    row: Callable[[dict[str, Any]], tuple[Any, ...]]

    @property
    def kinds(self) -> tuple[type, ...]:
        return tuple(_kind(column) for column in self.columns)


def _kind(column: str) -> type:
    if column in _WHOLE:
        return int
    if column == "properties":
        return msgspec.Raw
    return bool if column == "skewed" or column in _FLAGS else str


def hexadecimal(number: int | None) -> str | None:
    """Format a hash as 16 hexadecimal digits."""
    return None if number is None else f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def from_hexadecimal(text: str) -> int:
    """Parse a hash of 16 hexadecimal digits. Raises ValueError for any other text."""
    if len(text) != 16 or not text.isalnum():
        raise ValueError("not 16 hexadecimal digits")
    value = int(text, 16)
    return value - (1 << 64) if value >> 63 else value


def event(row: dict[str, Any]) -> tuple[Any, ...]:
    """Convert a row of `streaming.events` to the order of `EVENT`."""
    return (
        to_uuid(row["id"]), row["name"], iso(row["occurred_at"]), iso(received_at(row["id"])), hexadecimal(row["install_id"]),
        hexadecimal(row["session"]), row["target_type"], row["target_id"], _OUTCOMES[row["outcome"]], row["duration_us"], row["error_type"],
        row["error_message"], bool(row["skewed"]), *_context(row, CONTEXT_FIELDS), None if row["properties"] is None else msgspec.Raw(row["properties"].encode()),
        row["weight"] or 1,
    )  # fmt: skip


def install(row: dict[str, Any]) -> tuple[Any, ...]:
    """Convert a row of `streaming.installs` to the order of `INSTALL`."""
    return (hexadecimal(row["id"]), iso(row["first_seen"]), iso(row["last_seen"]), *_context(row, _OF_INSTALLS))


def _context(row: dict[str, Any], fields: Iterable[str]) -> tuple[Any, ...]:
    environment = (_ENVIRONMENTS[row["environment"]], row["reason"] or None, row["dialect"] or None)
    return (*environment, *(row[name] == "true" if name in _FLAGS and row[name] else row[name] or None for name in fields))


_WORDS: dict[str, Callable[[Any], Any]] = {
    "day": lambda day: iso(day * DAY)[:10],
    "hour": lambda hour: iso(hour * HOUR),
    "environment": _ENVIRONMENTS.__getitem__,
    "install_id": hexadecimal,
}


def _sums(name: str, about: str) -> Exported:
    columns = SUMS[name].columns
    words = [(column, _WORDS.get(column)) for column in columns]

    def row(found: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(found[column] if word is None else word(found[column]) for column, word in words)

    shown = tuple(_RENAMED.get(column, column) for column in columns)
    return Exported(name, about, shown, lambda store, project, span: streaming.sums(store, name, project, span), row)


EXPORTED = {
    exported.name: exported
    for exported in (
        Exported("events", "Raw events within the retention period.", EVENT, streaming.events, event),
        Exported("installs", "Installs, with the times they were first and last seen.", INSTALL, streaming.installs, install),
        _sums("activity", "Installs by the days they were active."),
        _sums("hourly", "Events by hour and name."),
        _sums("name-durations", "Durations by day and name, in buckets of an HDR histogram."),
        _sums("dimensions", "Events by day, name and the values of a dimension."),
        _sums("target-days", "Events by day and target."),
        _sums("target-durations", "Durations by day and target, in buckets."),
        _sums("target-totals", "Events by target, of all time."),
        _sums("errors", "Events by day and type of error."),
        _sums("ledger", "Stored and refused events, with the reason, by day."),
    )
}
