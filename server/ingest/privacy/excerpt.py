"""Excerpts of rejected bodies, kept for a week: enough to find the error and fix the client, without personal data.

A JSON document keeps its structure, with identifiers masked. Of anything else only the shape is kept, as in `{"name": "Aaaa 000`.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from server.event import CONTEXT_FIELDS
from server.scrubbing.key_rules import KEY_END, rule_for, words
from server.scrubbing.opaque import without_identifiers
from server.scrubbing.patterns import ID, SECRET
from server.scrubbing.scrub import WHOLE_NUMBERS, beginning, scrub_text

STRING_KEPT = 200  # characters
STRING_READ = 4_000  # characters; some secrets are recognized by their end
ITEMS_KEPT = 20  # items of an array
MEMBERS_KEPT = 60  # members of an object
DEPTH_KEPT = 8
SHAPE_READ = 512  # bytes

# Names of fields that clients send. They help an admin to find the invalid field and contain no personal data.
_NAMES = """
data events name id installation_id installationId event_type properties timestamp type session_id sessionId target targetType targetId
kind userId user_id metadata outcome duration_ms durationMs error message packageManager nodeVersion node_version environment ci success
tool_name tool_category status error_type error_message first_seen last_seen metrics config_type file_count
"""
FIELDS = (*CONTEXT_FIELDS, *_NAMES.split())
# Keys of identifiers, in snake_case: the last word decides.
_IDENTIFIER = re.compile(
    r"(?:^|[^a-z])(?:ids?|uuid|guid|ulid|cuid|fingerprint|hash|user|host|hostname|serial|serialnumber|address|addr|ip|mac|mail|email|distinct|anonymous"
    r"|machine|device|client|install|installation|session)[^a-z]*$|(?:_id|uuid|userid|deviceid|machineid|clientid|sessionid|installationid|distinctid)$"
)
# Pages that people visited: only the origin of a URL is kept, and nothing of a path in a field for it.
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,15}://[^\s/?#\"'<>]*)[/?#][^\s\"'<>]+", re.IGNORECASE)
_PAGES = frozenset({"u", "r", "url", "referrer", "referer", "path", "search", "page", "title"})
PAGE = "[page]"
LONG_NUMBER = 10**15  # sixteen digits; epoch milliseconds have thirteen
_SHAPE = re.compile(rf'"(?:{"|".join(FIELDS)})"|([a-z])|([A-Z])|([0-9])|[^\x20-\x7e\t\r\n]')

_encode = msgspec.json.Encoder().encode


def is_identifier_key(key: str) -> bool:
    """Return True if a key names an identifier."""
    return _IDENTIFIER.search(words(key[-KEY_END:])) is not None


def excerpt(body: bytes, document: object | None, limit: int = 2048) -> str:
    """Return at most `limit` characters of a body: JSON if there is a document, else the body's shape. Never raises."""
    if document is None:
        return shape(body)[:limit]
    room = limit
    while room >= 16:
        text = _encode(_Excerpt(room).of(document, 0)).decode()
        if len(text) <= limit:
            return text
        room //= 2
    return '"…"'[:limit]


def shape(body: bytes) -> str:
    """Return the first bytes of a body, with letters and digits replaced by `a`, `A` and `0`, and non-ASCII by `?`. Known field names stay."""
    return _SHAPE.sub(_shape_of, bytes(body[:SHAPE_READ]).decode("latin-1"))


def _shape_of(match: re.Match[str]) -> str:
    if match.lastindex is not None:
        return "aA0"[match.lastindex - 1]
    return match[0] if match[0][0] == '"' else "?"


class _Excerpt:
    """A copy of a document that stops after about `room` characters, so that a large document costs no more than a small one."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: Any, depth: int, *, masked: bool = False) -> Any:
        """Copy a value with identifiers masked. `masked`: its key names an identifier."""
        self._room -= 2
        if isinstance(value, dict):
            return self._object(value, depth, masked) if depth < DEPTH_KEPT else "{…}"
        if isinstance(value, list | tuple):
            return self._array(value, depth, masked) if depth < DEPTH_KEPT else "[…]"
        shown = ID if masked and value is not None and not isinstance(value, bool) else _scalar(value)
        self._room -= len(shown) if isinstance(shown, str) else 8
        return shown

    def _object(self, value: dict[Any, Any], depth: int, masked: bool) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, inner in value.items():
            if len(members) >= MEMBERS_KEPT or self._room <= 0:
                members["…"] = f"{len(value) - len(members)} more"
                break
            name = _text(key if isinstance(key, str) else repr(type(key)))
            self._room -= len(name) + 4
            members[name] = self._member(key, inner, depth + 1, masked)
        return members

    def _member(self, key: Any, value: Any, depth: int, masked: bool) -> Any:
        if not isinstance(key, str):
            return self.of(value, depth, masked=masked)
        rule = rule_for(key[-KEY_END:])
        if rule is not None and rule.marker == SECRET and isinstance(value, str):
            self._room -= len(SECRET)
            return SECRET
        if key in _PAGES and isinstance(value, str) and "://" not in value:
            self._room -= len(PAGE)
            return PAGE
        telling = (rule is not None and not rule.text_only) or is_identifier_key(key)
        return self.of(value, depth, masked=masked or telling)

    def _array(self, value: list[Any] | tuple[Any, ...], depth: int, masked: bool) -> list[Any]:
        items: list[Any] = []
        for inner in value[:ITEMS_KEPT]:
            if self._room <= 0:
                break
            items.append(self.of(inner, depth + 1, masked=masked))
        if len(items) < len(value):
            items.append(f"… {len(value) - len(items)} more")
        return items


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) < LONG_NUMBER:
            return value
        return ID if abs(value) < WHOLE_NUMBERS else "[number]"
    if isinstance(value, float):
        return value if math.isfinite(value) else "[number]"
    return f"[{type(value).__name__}]"


def _text(text: str) -> str:
    text = _URL.sub(r"\1/…", without_identifiers(scrub_text(beginning(text, STRING_READ))))
    return text if len(text) <= STRING_KEPT else f"{text[: STRING_KEPT - 1]}…"
