"""The known values that are most similar to a mistyped one."""

from __future__ import annotations

import difflib

NEAREST = 3
_LONGEST = 200  # characters that are compared


def nearest(value: str, known: list[str]) -> list[str]:
    """Return at most NEAREST values: those that begin alike, then those that are spelled alike."""
    lowered = value.lower()[:_LONGEST]
    folded = {each.lower()[:_LONGEST]: each for each in reversed(known)}
    alike = [each for text, each in folded.items() if text.startswith(lowered) or (text and lowered.startswith(text))]
    alike.sort(key=lambda each: (abs(len(each) - len(value)), known.index(each)))
    close = [folded[text] for text in difflib.get_close_matches(lowered, folded, NEAREST, 0.6)]
    return list(dict.fromkeys([*alike[:NEAREST], *close]))[:NEAREST]
