"""Rejected events in a form for a replay: the client's document, scrubbed, with placeholders for its identifiers.

A placeholder has the JSON type and, if possible, the length of the identifier, so that a decoder finds the same errors in the document. The
hashes of the identifier, for each place in which a dialect may use it, are stored next to it. A replay therefore uses the current decoder and
recognizes the install, while no raw identifier is stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from server.dialects.document import whole_characters
from server.event import CONTEXT_FIELDS, DAY, Request
from server.identifiers import identifier
from server.ingest.privacy.conversion import Privacy
from server.ingest.privacy.excerpt import is_identifier_key
from server.scrubbing import Scrubber, scrub_text, without_identifiers
from server.scrubbing.key_rules import KEY_END, KeyRule, rule_for
from server.scrubbing.patterns import ID
from server.scrubbing.scrub import hide

MAX_SEALED = 16 * 1024  # characters of a document; a larger one cannot be replayed
MAX_IDENTIFIERS = 24  # each is hashed several times
DEPTH = 32
INSTALL_KEYS = (
    "installation_id",
    "installationId",
    "install_id",
    "installId",
    "user_id",
    "userId",
    "distinct_id",
    "distinctId",
    "anonymousId",
    "device_id",
    "profileId",
)
_CONTENT = frozenset(
    {"target", "targetId", "target_id", "properties", "metadata", "error", "context"}
)  # the client's identifiers are never among these
# Fields that events are counted by.
_LABELS = (
    "target",
    "name",
    "event_type",
    "type",
    "kind",
    "targetType",
    "targetId",
    "tool_name",
    *CONTEXT_FIELDS,
)
_WRAPPERS = ("data", "events", "payload")
_SHORTEST = 16  # characters of a placeholder
VISITOR, KEY = "visitor", "key"  # scopes of event ids
_LONGEST_NUMBER = 15  # digits


class Hashes(msgspec.Struct, array_like=True, frozen=True):
    """The hashes of one identifier: as an install, as a session, and as an event id by scope (`install 5`, `visitor`, `key`, or empty)."""

    install: int
    session: int
    marks: dict[str, int]


class Sealed(msgspec.Struct, array_like=True, frozen=True):
    """One rejected event. `body` is JSON, or empty if the route has no body; `hashes` are keyed by placeholder."""

    route: str
    dialect: str
    params: tuple[str, ...]
    body: bytes
    headers: dict[str, str]
    hashes: dict[str, Hashes]
    visitor: int


class _Digits(str):
    """A number in its original notation."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object, including duplicate keys."""


class _TooLarge(Exception):
    pass


def exact_document(body: bytes) -> Any:
    """Parse a body with numbers in their original notation and with duplicate keys. Raises ValueError for invalid JSON."""
    try:
        return json.loads(whole_characters(body), object_pairs_hook=Members, parse_int=_Digits, parse_float=_Digits)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def seal(
    privacy: Privacy, project: int, dialect: str, request: Request, document: Any, position: int | None, key: int | None
) -> tuple[bytes, int | None] | None:
    """Return a rejected event in MessagePack and the hash of its install, or None if it is too large or its path is not safe to store.

    `document` is an event or a body, or None if the route has no body. `position` is the event's index in a batch, `key` the number of the
    caller's key.
    """
    if any(without_identifiers(scrub_text(part)) != part for part in request.params):
        return None
    sealing = _Sealing(privacy, project, dialect, document)
    headers = sealing.headers(request, position)
    try:
        text = "" if document is None else sealing.text_of(document)
    except (_TooLarge, RecursionError):
        return None
    body = (text if position is None else f"[{text}]").encode("utf-8", "surrogatepass")
    visitor = privacy.visitor(project, request.visitor(), request.received_at // DAY)
    scopes = {VISITOR: f"visitor {request.visitor()}", **({} if key is None else {KEY: f"key {key}"})}
    sealed = Sealed(request.route, dialect, request.params, body, headers, sealing.all_hashes(scopes), visitor)
    return msgspec.msgpack.encode(sealed), sealing.install


class _Sealing:
    def __init__(self, privacy: Privacy, project: int, dialect: str, document: Any) -> None:
        self._privacy, self._project, self._dialect = privacy, project, dialect
        self._left = MAX_SEALED
        self._raw: dict[str, str] = {}  # by placeholder
        self._installs: list[int] = []
        found = list(_identifiers(document, 0))
        owner = [raw for key, raw in found if key in INSTALL_KEYS]
        self._scrubber = Scrubber(install=owner, others=[raw for key, raw in found if key not in INSTALL_KEYS])

    def headers(self, request: Request, position: int | None) -> dict[str, str]:
        """Return the headers that a dialect reads, with placeholders for their values."""
        headers: dict[str, str] = {}
        if session := identifier(request.header(b"mcp-session-id")):
            headers["mcp-session-id"] = placeholder = self._placeholder(session)
            self._add_identifier(f"session:{placeholder}", f"session:{session}")
        scheme, _, token = (authorization := request.header(b"authorization")).partition(" ")
        if token.strip():
            placeholder = self._placeholder(token)
            headers["authorization"] = f"{'Bearer' if scheme.lower() == 'bearer' else 'Basic'} {placeholder}"
            self._add_identifier(f"key:{headers['authorization']}", f"key:{authorization}")
        if key := identifier(request.header(b"idempotency-key")):
            headers["idempotency-key"] = placeholder = self._placeholder(key)
            if position is not None:
                self._raw[f"{placeholder}:0"] = f"{key}:{position}"
        return headers

    @property
    def install(self) -> int | None:
        """The hash of the install, if the document names one."""
        return self._installs[0] if self._installs else None

    def all_hashes(self, scopes: dict[str, str]) -> dict[str, Hashes]:
        """Return the hashes of all identifiers by placeholder, including event ids in these scopes and in those of each install."""
        within = {"": "", **scopes, **{scope: scope for scope in map("install {}".format, self._installs)}}
        privacy, project = self._privacy, self._project
        return {
            placeholder: Hashes(
                privacy.install(project, raw),
                privacy.session(project, raw),
                {name: privacy.mark(project, self._dialect, raw, scope) for name, scope in within.items()},
            )
            for placeholder, raw in self._raw.items()
        }

    def _add_identifier(self, placeholder: str, raw: str) -> None:
        self._raw[placeholder] = raw
        self._installs.append(self._privacy.install(self._project, raw))

    def text_of(self, value: Any) -> str:
        """Return the document as JSON. Raises _TooLarge."""
        return self._value(value, 0, outer=True, label=False)

    def _value(self, value: Any, depth: int, *, outer: bool, label: bool, version: bool = False) -> str:
        """Return a value as JSON.

        `outer`: the members of an object are the event's own fields, which may be identifiers. `label`: see `Scrubber.text`.
        """
        if depth > DEPTH:
            raise _TooLarge
        if isinstance(value, dict | Members):
            members = value.items() if isinstance(value, dict) else value
            return "{" + ",".join(self._member(key, inner, depth + 1, outer, label) for key, inner in members) + "}"
        if isinstance(value, list | tuple):
            return "[" + ",".join(self._value(inner, depth + 1, outer=outer, label=label, version=version) for inner in value) + "]"
        if isinstance(value, _Digits):
            return self._spend(json.dumps(ID) if self._scrubber.is_own(value) else str(value))
        if isinstance(value, str):
            # Keep NUL characters, because they are the error in some documents.
            return self._spend(json.dumps("\0".join(self._text(part, label=label, version=version) for part in value.split("\0"))))
        return self._spend(json.dumps(self._scrubber.json(value)))

    def _text(self, text: str, *, label: bool, version: bool) -> str:
        if label:
            return self._scrubber.text(text, version=version, label=True)
        scrubbed: str = self._scrubber.json(text, version=version)
        return scrubbed

    def _member(self, key: str, value: Any, depth: int, outer: bool, label: bool) -> str:
        name = "\0".join(map(self._scrubber.text, key.split("\0")))
        if outer and key in _WRAPPERS and isinstance(value, dict | list):
            sealed = self._value(value, depth, outer=True, label=False)
        elif outer and key not in _CONTENT and is_identifier_key(key):
            sealed = self._spend(self._identifier(key, value))
        elif (rule := rule_for(key[-KEY_END:]) or rule_for(name[-KEY_END:])) is not None:
            sealed = self._spend(_under(rule, value))
        else:
            version = key[-7:].lower() == "version" or key == "os"
            sealed = self._value(value, depth, outer=False, label=key in _LABELS if outer else label, version=version)
        return f"{self._spend(json.dumps(name))}:{sealed}"

    def _identifier(self, key: str, value: Any) -> str:
        if isinstance(value, str) and not isinstance(value, _Digits):
            usable = identifier(value)
            if usable is None:
                return json.dumps(value)
            placeholder = self._placeholder(usable, min(len(value), 1_000))
            if key in INSTALL_KEYS:
                self._installs.insert(0, self._privacy.install(self._project, usable))
            return json.dumps(placeholder)
        if isinstance(value, bool) or value is None:
            return json.dumps(value)
        if isinstance(value, int | float | _Digits):
            return self._number(str(value))
        return json.dumps([ID] if isinstance(value, list) and not isinstance(value, Members) else {ID: ID})

    def _number(self, digits: str) -> str:
        hashed = abs(self._privacy.install(self._project, digits)) % 10**_LONGEST_NUMBER
        number = f"1{f'{hashed:0{_LONGEST_NUMBER}d}'[: max(0, min(len(digits), _LONGEST_NUMBER) - 1)]}"
        if not digits.isdigit():
            number += ".5"
        self._raw[number] = digits
        return number

    def _placeholder(self, raw: str, length: int = _SHORTEST) -> str:
        placeholder = f"{self._privacy.install(self._project, raw) & (1 << 64) - 1:016x}".ljust(length, "x")
        self._raw[placeholder] = raw
        return placeholder

    def _spend(self, text: str) -> str:
        self._left -= len(text)
        if self._left < 0 or len(self._raw) > MAX_IDENTIFIERS:
            raise _TooLarge
        return text


def _under(rule: KeyRule, value: Any) -> str:
    """Mask a value whose key marks it as a secret, a person or a machine. Numbers that only count such things stay."""
    if rule.text_only and isinstance(value, int | float | _Digits) and not isinstance(value, bool):
        return str(value) if isinstance(value, _Digits) else json.dumps(value)
    return json.dumps(hide(value, rule))


def _identifiers(document: Any, depth: int) -> Iterable[tuple[str, str]]:
    """Yield the identifiers of an event with their keys, if they are strings or numbers."""
    if depth > 3:
        return
    if isinstance(document, list) and not isinstance(document, Members):
        for item in document[:10]:
            yield from _identifiers(item, depth + 1)
    elif isinstance(document, Mapping | Members):
        for key, value in document.items() if isinstance(document, Mapping) else document:
            if key in _WRAPPERS:
                yield from _identifiers(value, depth + 1)
            elif key not in _CONTENT and is_identifier_key(key) and isinstance(value, str | int) and not isinstance(value, bool):
                yield key, str(value)
