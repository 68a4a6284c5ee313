"""Normalization of identifiers that clients send: removes padding, and detects placeholders for a missing id.

Call `identifier` before you compare or hash a client's id, so that ingest, imports and erasure agree.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

MISSING = "unusable_id"  # the ledger's reason for an event that was stored without an install because of its id

# Spaces, control characters, byte order marks and zero-width characters, which editors, shells and files add around an id.
_AROUND = "".join(
    chr(code)
    for code in (
        *range(0x21),
        *range(0x7F, 0xA1),
        *(0x00AD, 0x061C, 0x1680, 0x180E),
        *range(0x2000, 0x2010),
        *range(0x2028, 0x2030),
        *range(0x205F, 0x2070),
        *(0x3000, 0xFEFF, 0xFFFE),
    )
)
_MARK_AS_LATIN_1 = "\xef\xbb\xbf"  # a byte order mark decoded as Latin-1
_ZEROS = "0-{}"  # the nil UUID, with or without dashes and braces
# In lower case.
_WORDS = frozenset(
    (
        *("undefined", "null", "none", "nil", "nan", "n/a", "void", "unknown", "anonymous", "true", "false", "-1"),
        *("[object object]", "[object undefined]", "[object null]", "<nil>", "<null>", "<none>", "(null)", "(nil)", "(none)", "%!s(<nil>)"),
        *("[]", '""', "''", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    )
)
_LONGEST_WORD = max(map(len, _WORDS))
is_ordinary: Callable[[str], object] = re.compile(r"[0-z].{13}[^-0{}fF].{4,}[0-z]", re.DOTALL).fullmatch
"""Match an id that `identifier` returns unchanged, as nearly all ids are: one without padding, of at least 20 characters, with a character that no
placeholder of this length contains at the position of a UUID's version."""


def identifier(raw: str) -> str | None:
    """Strip the padding of an id. Returns None for a placeholder."""
    if is_ordinary(raw):
        return raw
    text = strip_padding(raw)
    if not text.strip(_ZEROS) or (len(text) <= _LONGEST_WORD and text.lower() in _WORDS):
        return None
    return text


def are_uuids(raws: Sequence[Any]) -> bool:
    """Return True if all ids look like UUIDs, which `identifier` returns unchanged: much faster for many ids than `is_ordinary` for each.

    None, which stands for a missing id, makes it False.
    """
    try:
        return (
            set(map(len, raws)) == {_UUID_LENGTH}
            and _EDGES.issuperset(map(_FIRST, raws))
            and _VERSIONS.issuperset(map(_AT_VERSION, raws))
            and _EDGES.issuperset(map(_LAST, raws))
        )
    except TypeError:  # None has no length
        return False


_UUID_LENGTH = 36
_EDGES = frozenset(map(chr, range(ord("0"), ord("z") + 1)))
_VERSIONS = _EDGES - frozenset("0fF")  # versions that no placeholder has
_FIRST, _AT_VERSION, _LAST = operator.itemgetter(0), operator.itemgetter(14), operator.itemgetter(_UUID_LENGTH - 1)


def strip_padding(raw: str) -> str:
    """Strip spaces, control characters and byte order marks around an id."""
    text = raw.strip(_AROUND)
    if text.isascii():
        return text
    return text.removeprefix(_MARK_AS_LATIN_1).strip(_AROUND)
