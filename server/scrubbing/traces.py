"""A client's own identifiers in the text of its events: which are worth looking for, and how they are masked.

An id that nobody could have written by chance (a UUID, a long random text) is masked wherever it occurs. Any other is masked only as a whole
word, so that `export-1` leaves `export-10.csv` alone; and plain words, words with a short counter and short numbers are no traces at all,
because a tool says such things of itself. The id of an install is taken more seriously than those of events and sessions: it stands for a
machine or a person, so it is looked for in all that is kept, and may be as weak as `user-7781`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.identifiers import strip_padding

SHORTEST_ID = 6  # characters: shorter identifiers occur in ordinary words
RANDOM_LENGTH = 16  # characters from which letters and digits together are no word
LETTERS_OF_INSTALL = 15  # in a row, that are a name rather than a command
LETTERS_OF_OTHERS = 24  # that are no word of any language
DIGITS_OF_INSTALL = 8
DIGITS_OF_OTHERS = 16  # milliseconds have thirteen

_COUNTER = re.compile(r"[^\W\d_]*+(?:[\s_.:#/-]++[^\W\d_]++)*+[\s_.:#/-]*+\d{0,5}").fullmatch  # deploy, deploy-prod, export-1, build_2024
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}").fullmatch


def is_random(raw: str) -> bool:
    """Whether an id is one that no text holds by chance. Of letters alone, only those that are traces are asked about."""
    if raw.isalpha():
        return True
    if len(raw) < RANDOM_LENGTH:
        return False
    if raw.isdigit():
        return len(raw) >= DIGITS_OF_OTHERS
    letters = sum(map(str.isalpha, raw))
    digits = sum(map(str.isdigit, raw))
    return _UUID(raw) is not None or (letters > 0 and digits > 0 and not _is_counted(raw))


def is_trace(raw: str, *, of_install: bool) -> bool:
    """Whether an id is looked for in an event's text."""
    if len(raw) < SHORTEST_ID:
        return False
    if raw.isalpha():
        return len(raw) >= (LETTERS_OF_INSTALL if of_install else LETTERS_OF_OTHERS)
    if not any(map(str.isalpha, raw)):  # a number, a date, an address
        return sum(map(str.isdigit, raw)) >= (DIGITS_OF_INSTALL if of_install else DIGITS_OF_OTHERS)
    return of_install or not _is_counted(raw)


def _is_counted(raw: str) -> bool:
    """Whether an id is made of words, and at most a short counter."""
    return len(raw) <= 200 and _COUNTER(raw) is not None


def traces(raw_ids: Iterable[str | None], *, of_install: bool = False) -> list[str]:
    """Those of a client's ids that are looked for in its text."""
    found = (strip_padding(raw) for raw in raw_ids if raw is not None)
    return [raw for raw in found if is_trace(raw, of_install=of_install)]


def replace_words(text: str, word: str, marker: str, *, joined: bool) -> str:
    """The text with a marker in the place of a word, where it stands alone.

    Letters and digits continue a word. With `joined` an underscore does, too, and a dot or a dash before or behind a letter or digit.
    """
    at = text.find(word)
    if at < 0:
        return text
    parts: list[str] = []
    done = 0
    while at >= 0:
        end = at + len(word)
        if _stands_alone(text, at, end, joined=joined):
            parts += (text[done:at], marker)
            done = end
        else:
            end = at + 1
        at = text.find(word, end)
    parts.append(text[done:])
    return "".join(parts)


def _stands_alone(text: str, at: int, end: int, *, joined: bool) -> bool:
    before, behind = text[max(0, at - 2) : at], text[end : end + 2]
    if before[-1:].isalnum() and not (len(before) == 2 and before[0] == "\\" and before[1] in "nrtbf"):  # an escape that was never undone
        return False
    if behind[:1].isalnum():
        return False
    if not joined:
        return True
    if before[-1:] == "_" or behind[:1] == "_":
        return False
    return not (before[-1:] in ".-" and before[:-1].isalnum()) and not (behind[:1] in (".", "-") and behind[1:].isalnum())
