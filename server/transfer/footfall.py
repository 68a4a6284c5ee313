"""Converts rows of a previous Footfall export to events, with their original hashes, times and values, and to installs.

Hashes are imported unchanged. Only a server with the same secret and the same project number recognizes these installs when they send
events again, since both are part of the hash. On other servers the history is correct, but such an install counts as a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from server.dialects.document import load
from server.dialects.parsing import Id, Name, convert, flag, text, timestamp, weight_of
from server.event import CONTEXT_FIELDS, ENVIRONMENTS, Context, Environment, Event, FieldError, Incoming, Install, Outcome
from server.event_id import first_id, from_uuid, received_at
from server.ingest.privacy import Privacy
from server.problems import Invalid
from server.storage.history.streaming import AHEAD
from server.storage.projects import LiveProject
from server.transfer.cells import check_past, milliseconds, number_or_text, truth
from server.transfer.columns import from_hexadecimal

OLDEST = 946_684_800_000  # 2000-01-01T00:00:00Z in milliseconds; earlier times come from clocks that were never set


class _Environment(msgspec.Struct, kw_only=True):
    environment: str = "unknown"
    environment_reason: str | None = None
    dialect: Annotated[str, msgspec.Meta(max_length=100)] | None = None

    def context(self) -> Context:
        # A newer version may know more environments: `reason` keeps one that this version does not know.
        known = ENVIRONMENTS.get(self.environment)
        reason = text(self.environment_reason if known is not None else self.environment)
        described = (_TEXTS[declared.kind](getattr(self, name)) for name, declared in CONTEXT_FIELDS.items())
        return Context(known or Environment.UNKNOWN, reason or "", self.dialect or "", *described)


_TEXTS: dict[str, Callable[[Any], str | None]] = {"text": text, "version": text, "flag": flag}
if TYPE_CHECKING:
    _Where = _Environment
else:
    _Where = msgspec.defstruct(
        "_Where",
        [(name, bool | str | None if declared.kind == "flag" else str | None, None) for name, declared in CONTEXT_FIELDS.items()],
        bases=(_Environment,),
        kw_only=True,
    )


class _Event(_Where, kw_only=True):
    id: str
    name: Name
    occurred_at: str
    install: str | None = None
    session: str | None = None
    target_type: Id | None = None
    target_id: Id | None = None
    outcome: str | None = None
    duration_us: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    skewed: bool | None = None
    properties: dict[str, Any] | str | None = None
    weight: int | float | str | None = None


class _Install(_Where, kw_only=True):
    install: str
    first_seen: str
    last_seen: str


class Report(NamedTuple):
    """An install from an export."""

    install: Install


_OUTCOMES = {None: Outcome.NONE, "success": Outcome.SUCCESS, "failure": Outcome.FAILURE}
_WHOLE = ("duration_us",)


def event(document: Any, project: LiveProject, privacy: Privacy, now: int) -> Event:
    """Convert a row to an event. Its mark is its key; it keeps its id. Raises Invalid."""
    row = convert(_typed(document), _Event)
    try:
        id_ = from_uuid(row.id)
    except ValueError:
        raise _wrong("id", "must be the id of an event, as an export has it") from None
    occurred_at = _time(row.occurred_at, "occurred_at", now)
    if row.duration_us is not None and row.duration_us < 0:
        raise _wrong("duration_us", "must be at least 0")
    incoming = Incoming(
        name=row.name,
        target=None if row.target_type is None or row.target_id is None else (row.target_type, row.target_id),
        outcome=_OUTCOMES.get(row.outcome, Outcome.NONE),
        duration_us=row.duration_us,
        error_type=row.error_type,
        error_message=row.error_message,
        context=row.context(),
        properties=_properties(row.properties),
        weight=weight_of(row.weight) or 1,
    )
    if received_at(id_) > now + AHEAD:
        id_ = first_id(occurred_at) | (id_ & 0x3F_FFFF)
    # Scrub again: this does not change scrubbed text, but the file may have been edited.
    event = privacy.event(incoming, id=id_, project=project.id, dialect="", received_at=occurred_at, picked=project.picked)
    return msgspec.structs.replace(
        event,
        occurred_at=occurred_at,
        skewed=bool(row.skewed),
        install=_hash(row.install, "install"),
        session=_hash(row.session, "session"),
        mark=key("footfall", row.id.lower()),
    )


def install(document: Any, project: LiveProject, privacy: Privacy, now: int) -> Report:
    """Convert a row to an install. Raises Invalid."""
    row = convert(document, _Install)
    first, last = _time(row.first_seen, "first_seen", now), _time(row.last_seen, "last_seen", now)
    incoming = Incoming(name="-", context=row.context())
    scrubbed = privacy.event(incoming, id=0, project=project.id, dialect="", received_at=now, picked=()).context
    number = _hash(row.install, "install")
    assert number is not None
    return Report(Install(id=number, project=project.id, first_seen=min(first, last), last_seen=max(first, last), context=scrubbed))


def key(*parts: str) -> int:
    """The key of an imported event: 64 bits of a hash. For n events, the probability of a collision is about n²/2⁶⁵."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


def _typed(document: Any) -> Any:
    """Convert the text cells of a CSV row to the types of their columns."""
    if not isinstance(document, dict):
        return document
    typed = dict(document)
    for name in _WHOLE:
        value = typed.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
            typed[name] = int(value)
    if "weight" in typed:
        typed["weight"] = number_or_text(typed["weight"])
    if "skewed" in typed:
        typed["skewed"] = truth(typed["skewed"], "skewed")
    return typed


def _properties(value: dict[str, Any] | str | None) -> dict[str, Any]:
    found = load(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else value
    if found is not None and not isinstance(found, dict):
        raise _wrong("properties", "expected an object")
    return found or {}


def _time(text: str, path: str, now: int) -> int:
    at = timestamp(milliseconds(text), path)
    if at is None or at < OLDEST:
        raise _wrong(path, "must not be before the year 2000")
    return check_past(at, now, path)


def _hash(text: str | None, path: str) -> int | None:
    try:
        return None if text is None else from_hexadecimal(text)
    except ValueError:
        raise _wrong(path, "must be 16 hexadecimal digits, as an export has it") from None


def _wrong(path: str, message: str) -> Invalid:
    return Invalid(FieldError(path, message))
