"""Scrubbing of text and JSON values with the tables in `patterns` and `key_rules`.

Scrubbing is idempotent. Numbers and structure stay; a string changes only if it contains a match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from server.caching import BoundedDict
from server.identifiers import strip_padding
from server.scrubbing.hints import union
from server.scrubbing.key_rules import KEY_END, RULES, KeyRule, rule_for
from server.scrubbing.patterns import CONTROLS_IN_JSON, ID, PATTERNS, REMOVED, SECRET
from server.scrubbing.traces import SHORTEST_ID, is_plain, is_random, replace_words, traces

CUT = "…"  # the mark at the end of a truncated text
PASSES = 3  # a replacement may match another pattern; in practice, the second pass finds nothing
DEPTH = 64  # deeper values are dropped, which keeps the recursion far from Python's limit
WHOLE_NUMBERS = 1 << 64
CLEAN_REMEMBERED = 4_000  # clean texts that are cached
CLEAN_LENGTH = 64  # characters; longer texts are not cached
KEYS_REMEMBERED = 1_000  # characters; longer documents do not fill the cache of `rule_for`

# Matches if lower-case text, plain or as JSON, may contain anything in the table of patterns.
SUSPICIOUS = union([*(hint for pattern in PATTERNS for hint in pattern.hints), CONTROLS_IN_JSON])
# Matches if lower-case JSON text may contain a key in the table of keys.
SENSITIVE_KEYS = union(hint for rule in RULES for hint in rule.hints)

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\r\n?")
_COLORS = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")  # ECMA-48, 5.4: terminal colors and cursor movements
_FOUR_PARTS = re.compile(r"v?[0-9]++(?:\.[0-9]++){3}(?:[-+][\w.+-]*+)?")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Scrubber:
    """Scrubber for the content of one event. Replaces the client's own identifiers with `[id]`.

    `install` holds raw ids of the install; `others` those of the event, its session and its viewer. See `traces` for the rules.
    """

    def __init__(self, install: Iterable[str | None] = (), others: Iterable[str | None] = ()) -> None:
        self._install = _OwnIds(install, of_install=True)
        self._others = _OwnIds(others, of_install=False)

    def text(self, text: str, *, version: bool = False, label: bool = False) -> str:
        """Scrub a text. `version`: four dotted numbers are a version here, not an address.

        `label`: a value that events are counted by, in which only the install's ids are masked.
        """
        text = self._mask(printable(text), label=label)
        if (text, version) in _CLEAN:
            return text
        scrubbed = _scrub(text, version=version)
        if scrubbed == text and len(text) <= CLEAN_LENGTH:
            _CLEAN.keep((text, version), None)
        return scrubbed

    def label(self, text: str | None, *, version: bool = False) -> str | None:
        """Scrub a label, which may be None."""
        return None if text is None else self.text(text, version=version, label=True)

    def json(self, value: Any, depth: int = 0, *, version: bool = False) -> Any:
        """Scrub a JSON value, keeping its structure. A value that JSON cannot represent becomes text."""
        if isinstance(value, str):
            return self._string(value, depth, version=version)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if depth >= DEPTH:
            return "…"
        if isinstance(value, dict):
            return dict(self._member(str(key), inner, depth + 1) for key, inner in value.items())
        if isinstance(value, list | tuple):
            return [self.json(inner, depth + 1, version=version) for inner in value]
        return self.text(str(value))

    def is_own(self, digits: str) -> bool:
        """Return True if a number is one of the identifiers."""
        return digits in self._install.numbers or digits in self._others.numbers

    def _member(self, key: str, value: Any, depth: int) -> tuple[str, Any]:
        name = self.text(key)
        rule = rule_for(key[-KEY_END:]) or rule_for(name[-KEY_END:])
        if rule is not None:
            return name, self._hide(value, rule, depth) if rule.text_only else hide(value, rule)
        return name, self.json(value, depth, version=key[-7:].lower() == "version")

    def _string(self, value: str, depth: int, *, version: bool) -> str:
        """Scrub a string. Strings may contain JSON, which may contain strings with JSON."""
        value = printable(value)
        if value[:1] in ("{", "[") and depth < DEPTH and is_suspicious(value.lower()):
            try:
                inner = _decode(value)
            except (msgspec.DecodeError, RecursionError):
                return self.text(value)
            scrubbed = self.json(inner, depth + 1)
            # `inner` has only the last of duplicate keys; the others are still in the text.
            return value if scrubbed == inner and self.text(value) == value else _encode(scrubbed).decode()
        return self.text(value, version=version)

    def _number(self, value: float) -> Any:
        if isinstance(value, int) and not -WHOLE_NUMBERS < value < WHOLE_NUMBERS:
            return "[number]"
        if not self._install.numbers and not self._others.numbers:
            return value
        return ID if self.is_own(repr(int(value) if type(value) is float and value.is_integer() else value)) else value

    def _hide(self, value: Any, rule: KeyRule, depth: int) -> Any:
        """Replace each string in a value with the rule's marker. Numbers stay."""
        if isinstance(value, dict) and depth < DEPTH:
            return dict(self._hide_member(str(key), inner, rule, depth + 1) for key, inner in value.items())
        if isinstance(value, list | tuple) and depth < DEPTH:
            return [self._hide(inner, rule, depth + 1) for inner in value]
        return self._number(value) if isinstance(value, int | float) and not isinstance(value, bool) else hide(value, rule)

    def _hide_member(self, key: str, value: Any, outer: KeyRule, depth: int) -> tuple[str, Any]:
        name = self.text(key)
        rule = rule_for(key[-KEY_END:]) or rule_for(name[-KEY_END:]) or outer
        return name, self._hide(value, outer, depth) if rule.text_only else hide(value, rule)

    def _mask(self, text: str, *, label: bool) -> str:
        text = self._install.mask(text, joined=False)
        return text if label else self._others.mask(text, joined=True)


def _scrub(text: str, *, version: bool) -> str:
    """Scrub a text that holds none of the client's own ids."""
    lowered = text.lower()
    if version and _FOUR_PARTS.fullmatch(text):
        return text
    if has_long_run(text):
        text = _LONG_RUN.sub(_unless_random, text)
        lowered = text.lower()
    for _ in range(PASSES):
        if not SUSPICIOUS.search(lowered):
            break
        before = text
        for pattern in PATTERNS:
            if pattern.hint.search(lowered):
                text = pattern.regex.sub(pattern.replacement, text)
        if text == before:
            break
        lowered = text.lower()
    return text


# Cache of clean texts: the context of an event and its names are the same for most clients.
_CLEAN: BoundedDict[tuple[str, bool], None] = BoundedDict(CLEAN_REMEMBERED)


class _OwnIds:
    """The ids of one client that are masked in its text. Most texts hold none, so what is needed to mask them is computed when one is found."""

    def __init__(self, raw_ids: Iterable[str | None], *, of_install: bool) -> None:
        self._raw_ids = [raw for raw in raw_ids if raw is not None]
        self._of_install = of_install

    def mask(self, text: str, *, joined: bool) -> str:
        """Mask the ids in a text; see `replace_words` for `joined`."""
        if not self._raw_ids or not self._may_occur(text):
            return text
        return _without_half(_mask_all(text, self._spellings, joined=joined), self._spellings)

    @cached_property
    def numbers(self) -> set[str]:
        """The ids that are numbers."""
        return {raw for raw in self._traces if raw.isdigit()}

    def _may_occur(self, text: str) -> bool:
        """Return False if no spelling of an id is in a text. An id that is not plain may be escaped, and half of one may be cut off."""
        if text.endswith(CUT):
            return True
        lowered = text.lower()
        for plain in self._plain:  # noqa: SIM110 - a generator costs more than the few ids that there are
            if plain is None or plain in lowered:
                return True
        return False

    @cached_property
    def _plain(self) -> list[str | None]:
        """The ids in lower case, None for one that is not plain; without those that are too short to be masked."""
        ids = [raw for raw in map(strip_padding, self._raw_ids) if len(raw) >= SHORTEST_ID]
        return [raw.lower() if is_plain(raw) else None for raw in ids]

    @cached_property
    def _traces(self) -> list[str]:
        return traces(self._raw_ids, of_install=self._of_install)

    @cached_property
    def _spellings(self) -> list[tuple[str, bool]]:
        return _spellings(self._traces)


def _spellings(found: list[str]) -> list[tuple[str, bool]]:
    """Return every spelling of the identifiers, the longest first (one may contain another), with a flag that is set if it is masked within words."""
    written = {
        form: is_random(identifier)
        for identifier in found
        for text in (identifier, escape_json(identifier))
        for form in (text, text.lower(), text.upper())
    }
    return sorted(written.items(), key=lambda each: len(each[0]), reverse=True)


def _without_half(text: str, written: list[tuple[str, bool]]) -> str:
    """Remove the beginning of an identifier before a truncation mark."""
    if not text.endswith(CUT):
        return text
    end = len(text) - len(CUT)
    for identifier, _ in written:
        for length in range(min(len(identifier) - 1, end), SHORTEST_ID - 1, -1):
            if text.startswith(identifier[:length], end - length):
                return f"{text[: end - length]}{ID}{CUT}"
    return text


def _mask_all(text: str, written: list[tuple[str, bool]], *, joined: bool) -> str:
    for identifier, within in written:
        if identifier in text:
            text = text.replace(identifier, ID) if within else replace_words(text, identifier, ID, joined=joined)
    return text


# AWS secret keys have no prefix: forty characters of base64, delimited on both sides. Hexadecimal hashes do not match.
_RUN_LENGTH = 40
_RUN = b"r" * _RUN_LENGTH
_IN_RUN = bytes(ord("r") if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "+/") else ord(" ") for code in range(256))
_LONG_RUN = re.compile(r"(?<![A-Za-z0-9+/=_.~-])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_~-]|\.\w)")
_WORD_IN_RUN = re.compile(r"[a-z]{3,}")
_MOST_IN_WORDS = 14  # characters; random base64 has about six, a path or a name of forty characters about thirty


def has_long_run(text: str) -> bool:
    """Return True if the text has a run of letters, digits, + and / as long as a secret key. Cheaper than a regular expression."""
    return len(text) >= _RUN_LENGTH and _RUN in text.encode("ascii", "replace").translate(_IN_RUN)


def _unless_random(match: re.Match[str]) -> str:
    run = match[0]
    mixed = any(map(str.isdigit, run)) and any(map(str.isupper, run)) and any(map(str.islower, run))
    return SECRET if mixed and sum(map(len, _WORD_IN_RUN.findall(run))) <= _MOST_IN_WORDS else run


def is_suspicious(lowered: str) -> bool:
    """Return True if lower-case JSON text may contain anything in one of the tables."""
    return SUSPICIOUS.search(lowered) is not None or SENSITIVE_KEYS.search(lowered) is not None or has_long_run(lowered)


def has_sensitive_key(properties: dict[str, Any], document: str) -> bool:
    """Return True if properties with clean text may have a sensitive key. `document` is their JSON.

    Keys are usually few and repeated, so each one is looked up; the expression is for nested objects and long texts.
    """
    if document.count("{") > 1 or len(document) > KEYS_REMEMBERED:
        return SENSITIVE_KEYS.search(document.lower()) is not None
    return any(map(rule_for, properties))


def hide(value: Any, rule: KeyRule) -> Any:
    """Return the rule's marker for a value. Booleans, null, empty strings and markers stay."""
    return value if value is None or isinstance(value, bool) or value in ("", SECRET, REMOVED) else rule.marker


def escape_json(text: str) -> str:
    """Escape a text as in JSON, without quotes."""
    return _encode(printable(text)).decode()[1:-1]


def printable(text: str) -> str:
    """Remove control characters, except tabs and line ends, and lone surrogates."""
    if text.isprintable():
        return text
    text = _COLORS.sub("", _LINE_ENDS.sub("\n", text))
    return _CONTROLS.sub("\ufffd", text)


def beginning(text: str, limit: int) -> str:
    """Return at most `limit` characters, cut between two words: half of a secret matches no pattern."""
    if len(text) <= limit:
        return text
    at = max(text.rfind(separator, 0, limit) for separator in (" ", "\n", "\t", ",", ";", "&", '"', "'"))
    return text[: at if at > 0 else max(0, limit - 256)]


_PLAIN = Scrubber()


def scrub_text(text: str) -> str:
    """Replace people, machines and secrets in a text with markers (`[email]`, `[ip]`, `[secret]`, `~` for a home folder, …)."""
    return _PLAIN.text(text)


def scrub_label(text: str) -> str:
    """Scrub the name of a system or a version, in which four dotted numbers are not an address."""
    return _PLAIN.label(text, version=True) or ""


def scrub_json(value: Any) -> Any:
    """Scrub the strings and keys of a JSON value. Values under keys such as `password` and `hostname` are replaced entirely."""
    return _PLAIN.json(value)
