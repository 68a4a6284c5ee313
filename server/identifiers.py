"""Identifiers as clients send them: the same id however it is padded, and no id at all for a word that stands for a missing one.

Whatever compares or hashes an id of a client's calls `identifier` first, so that ingest, imports and erasure agree.
"""

from __future__ import annotations

MISSING = "unusable_id"  # the ledger's reason for an event that was stored without an install for this

# Blanks, control characters, byte order marks and characters of no width: what editors, shells and files put around an id.
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
_MARK_AS_LATIN_1 = "\xef\xbb\xbf"  # a byte order mark that was read as Latin-1
_ZEROS = "0-{}"  # the nil UUID, with dashes and braces or without
# In lower case.
_WORDS = frozenset(
    (
        *("undefined", "null", "none", "nil", "nan", "n/a", "void", "unknown", "anonymous", "true", "false", "-1"),
        *("[object object]", "[object undefined]", "[object null]", "<nil>", "<null>", "<none>", "(null)", "(nil)", "(none)", "%!s(<nil>)"),
        *("[]", '""', "''", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    )
)
_LONGEST_WORD = max(map(len, _WORDS))


def identifier(raw: str) -> str | None:
    """The id without blanks, control characters and byte order marks around it; None for a word that stands for a missing id."""
    text = strip_padding(raw)
    if not text.strip(_ZEROS) or (len(text) <= _LONGEST_WORD and text.lower() in _WORDS):
        return None
    return text


def may_be_missing(raw: str) -> bool:
    """A quick look: whether an id is worth the question to `identifier`, which most ids of some length are not."""
    return len(raw) < 20 or raw[0] in "0fF{"


def strip_padding(raw: str) -> str:
    """The id without what is around it, also where it is a word that is no id."""
    text = raw.strip(_AROUND)
    if text.isascii():
        return text
    return text.removeprefix(_MARK_AS_LATIN_1).strip(_AROUND)
