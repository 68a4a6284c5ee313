"""One combined regular expression for the hints of all patterns, optimized to search for rare characters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_COMMON = 'etaoinsr"cdmlpvu:,_ gh.'  # most common characters in clients' text, in order; all others are rarer
_HEAD = re.compile(r"(?:[a-z0-9_/@~%:& -]|\\[.?\\])+(?![*+?{])")


def union(hints: Iterable[str]) -> re.Pattern[str]:
    """Combine hints into one expression, grouped by the rarest character at the beginning of each: `re` skips to the next of these in one step.

    `token` becomes `k(?<=tok)en`. A plain alternation of the hints takes three times as long.
    """
    tails: dict[str, list[str]] = defaultdict(list)
    for hint in dict.fromkeys(hints):
        anchor, tail = _anchored(hint)
        tails[anchor].append(tail)
    return re.compile("|".join(f"{anchor}(?:{'|'.join(rest)})" for anchor, rest in tails.items()))


def _anchored(hint: str) -> tuple[str, str]:
    """Return the rarest character at the beginning of a hint, and the expression around it."""
    match = _HEAD.match(hint)
    if match is None:
        raise ValueError(f"the hint {hint!r} does not begin with a literal character")
    head = re.findall(r"\\?.", match[0])
    at = max(range(len(head)), key=lambda index: _COMMON.find(head[index]) % 100)  # -1 % 100: a rare character
    before = f"(?<={''.join(head[: at + 1])})" if at else ""
    return head[at], f"{before}{''.join(head[at + 1 :])}{hint[match.end() :]}"
