"""Detection of a client's own identifiers in the text of its events.

An id that cannot occur by chance (a UUID, a long random text) is masked everywhere. Any other id is masked only as a whole word, so that
`export-1` does not change `export-10.csv`. Plain words, words with a short counter and short numbers are never masked, because tools use them in
their own messages. The rules for install ids are stricter than those for events and sessions, because an install stands for a machine or a person:
they apply to all text, and to ids as weak as `user-7781`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.identifiers import strip_padding

SHORTEST_ID = 6  # characters; shorter identifiers occur in ordinary words
RANDOM_LENGTH = 16  # characters; longer runs of letters and digits are not words
LETTERS_OF_INSTALL = 15  # letters in a row; more are a name rather than a command
LETTERS_OF_OTHERS = 24  # letters in a row; no language has longer words
DIGITS_OF_INSTALL = 8
DIGITS_OF_OTHERS = 16  # epoch milliseconds have thirteen

_COUNTER = re.compile(r"[^\W\d_]*+(?:[\s_.:#/-]++[^\W\d_]++)*+[\s_.:#/-]*+\d{0,5}").fullmatch  # deploy, deploy-prod, export-1, build_2024
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}").fullmatch


def is_plain(raw: str) -> bool:
    """Return True if an id is long enough to be searched for in text, and needs no escapes in JSON."""
    return len(raw) >= SHORTEST_ID and raw.isascii() and raw.isprintable() and '"' not in raw and "\\" not in raw


def is_random(raw: str) -> bool:
    """Return True if an id cannot occur in text by chance. For ids of letters only, expects those that `is_trace` accepts."""
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
    """Return True if an id is searched for in an event's text."""
    if len(raw) < SHORTEST_ID:
        return False
    if raw.isalpha():
        return len(raw) >= (LETTERS_OF_INSTALL if of_install else LETTERS_OF_OTHERS)
    if not any(map(str.isalpha, raw)):  # a number, a date, an address
        return sum(map(str.isdigit, raw)) >= (DIGITS_OF_INSTALL if of_install else DIGITS_OF_OTHERS)
    return of_install or not _is_counted(raw)


def _is_counted(raw: str) -> bool:
    """Return True if an id consists of words and at most a short counter."""
    return len(raw) <= 200 and _COUNTER(raw) is not None


def traces(raw_ids: Iterable[str | None], *, of_install: bool = False) -> list[str]:
    """Return the ids that are searched for in the client's text."""
    found = (strip_padding(raw) for raw in raw_ids if raw is not None)
    return [raw for raw in found if is_trace(raw, of_install=of_install)]


def replace_words(text: str, word: str, marker: str, *, joined: bool) -> str:
    """Replace a word with a marker where it stands alone.

    Letters and digits continue a word. With `joined`, an underscore does, too, and so does a dot or a dash next to a letter or digit.
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
