"""Fields that the SDKs of product-analytics systems have in common: their clocks and keys, and properties without addresses and URLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from server.dialects.parsing.batches import gather
from server.dialects.parsing.environments import arch_name, context_in, environment, os_name
from server.dialects.parsing.ignored import is_blank
from server.dialects.parsing.json_fields import MAX_PROPERTIES, cut, text
from server.dialects.parsing.times import moment, whole_duration
from server.event import Context, Decoded, FieldError, Incoming, InstallReport, Outcome, Request
from server.identifiers import identifier
from server.problems import Invalid

MAX_NAME = 100
MAX_CLOCK_ERROR = 60_000  # milliseconds; a smaller difference between the clocks is the time that a request takes

_VERSIONS = ("version", "app_version", "appVersion", "cli_version", "cliVersion", "gx_version")
_DURATIONS = ("duration_ms", "durationMs")
_EXIT_CODES = ("exit_code", "exitCode", "process.exit.code")
_ADDRESSES = frozenset({"ip", "url", "path", "referrer", "referring_domain", "search", "hostname", "user_agent", "userAgent"})
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,15}://", re.IGNORECASE).match
_LONGEST_KEY = 200

Read = Callable[[Any, int], Incoming | InstallReport | None]


def gather_messages(request: Request, read: Read, name: str = "batch") -> Decoded:
    """The events and reports of a body: an object with an array (`name`), an array, or one message. An invalid message is rejected without affecting
    the others.
    """
    document = request.document
    if type(document) is dict and type(document.get(name)) is list:
        return gather(document[name], read, request, name)
    if type(document) is list:
        return gather(document, read, request)
    decoded = gather([document], read, request)
    decoded.batch = False
    return decoded


def clock_error(sent_at: Any, received_at: int) -> int:
    """Milliseconds to add to the times of a client that sent its body at `sent_at` by its own clock; 0 within a minute."""
    sent = moment(sent_at)
    if sent is None or abs(received_at - sent) < MAX_CLOCK_ERROR:
        return 0
    return received_at - sent


def corrected(value: Any, error: int) -> int | None:
    """A client's time with the error of its clock added; None for an invalid time."""
    at = moment(value)
    return None if at is None else at + error


def members(value: Any) -> Mapping[str, Any]:
    """An object's members; empty for any other value."""
    return value if type(value) is dict else {}


def message_name(value: Any, path: str) -> str:
    """The name of an event, cut at 100 characters. Raises `Invalid` if there is none."""
    if type(value) is not str or is_blank(value):
        raise Invalid(FieldError(path, "must be a non-empty text"), status=400)
    return cut(value, MAX_NAME)


def usable_id(value: Any) -> str | None:
    """An id as it was sent, cut at 200 characters; None for a value that is not text or stands for a missing id."""
    return value[:200] if type(value) is str and identifier(value) is not None else None


def client_key(value: Any) -> str:
    """A key of an SDK as a header can carry it; empty if it cannot be a key."""
    key = value.strip() if type(value) is str else ""
    return key if len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key else ""


def kept_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A program's own properties: without those of the SDK (`$…`), addresses and URLs."""
    own = {
        name: _without_urls(value)
        for name, value in properties.items()
        if not name.startswith("$") and name not in _ADDRESSES and not _is_url(value)
    }
    return own if len(own) <= MAX_PROPERTIES else dict(list(own.items())[:MAX_PROPERTIES])


def _without_urls(value: Any) -> Any:
    if type(value) is dict:
        return {name: _without_urls(one) for name, one in value.items() if name not in _ADDRESSES and not _is_url(one)}
    if type(value) is list:
        return [_without_urls(one) for one in value if not _is_url(one)]
    return value


def _is_url(value: Any) -> bool:
    return type(value) is str and _URL(value) is not None


def context(properties: Mapping[str, Any], dialect: str, *, os: Any, runtime: str | None, version: Any = None) -> Context:
    """Return the context of a program, with the version and architecture from its properties if the SDK has no field for them."""
    where, reason = environment(properties)
    found = text(version) or next((word for name in _VERSIONS if (word := text(properties.get(name)))), None)
    arch = arch_name(properties.get("arch") or properties.get("architecture"))
    return Context(where, reason, dialect, os_name(os), arch, text(runtime), found, **context_in(properties))


def outcome(properties: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a command, from `success` or its exit code."""
    success = properties.get("success")
    if type(success) is not bool:
        code = next((properties[name] for name in _EXIT_CODES if type(properties.get(name)) is int), None)
        if code is None:
            return Outcome.NONE
        success = code == 0
    return Outcome.SUCCESS if success else Outcome.FAILURE


def duration_us(properties: Mapping[str, Any]) -> int | None:
    """The duration of a command in microseconds, from a property in milliseconds."""
    return next((found for name in _DURATIONS if (found := whole_duration(properties.get(name))) is not None), None)
