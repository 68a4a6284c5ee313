"""Random identifiers, recognized by their form: letters and digits that do not form words."""

from __future__ import annotations

import re

from server.scrubbing.patterns import ID

SWITCHES = 4  # more than in a name such as create-app-v2Beta; 16 random letters and digits have 7

_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_RUN = re.compile(r"[A-Za-z0-9_=+-]{16,}+")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_RUN_WITH_SLASHES = re.compile(r"[A-Za-z0-9+/]{16,}+={0,2}")  # base64, or a path
_SWITCH = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]")  # from lower to upper case, from letters to digits, …


def without_identifiers(text: str) -> str:
    """Replace UUIDs, and runs of 16 or more letters and digits that do not look like words, with `[id]`."""
    return _RUN_WITH_SLASHES.sub(_unless_words, _RUN.sub(_unless_words, _UUID.sub(ID, text)))


def _unless_words(match: re.Match[str]) -> str:
    run = match[0]
    opaque = _HEX.fullmatch(run) or run.isdigit() or len(_SWITCH.findall(run)) >= SWITCHES
    return ID if opaque else run
