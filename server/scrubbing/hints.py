"""Hints, cheap expressions that find whatever a pattern may find, as one expression that finds its way by rare characters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_COMMON = 'etaoinsr"cdmlpvu:,_ gh.'  # in what clients send, the commonest first; what is not here is rarer still
_HEAD = re.compile(r"(?:[a-z0-9_/@~%:& -]|\\[.?\\])+(?![*+?{])")


def union(hints: Iterable[str]) -> re.Pattern[str]:
    """One expression for all hints, grouped by the rarest character that each begins with: `re` skips to the next of these in one step.

    `token` becomes `k(?<=tok)en`. Against a plain alternative of the hints this takes a third of the time.
    """
    tails: dict[str, list[str]] = defaultdict(list)
    for hint in dict.fromkeys(hints):
        anchor, tail = _anchored(hint)
        tails[anchor].append(tail)
    return re.compile("|".join(f"{anchor}(?:{'|'.join(rest)})" for anchor, rest in tails.items()))


def _anchored(hint: str) -> tuple[str, str]:
    """The rarest character among the first, and what is left to match once it is found."""
    match = _HEAD.match(hint)
    if match is None:
        raise ValueError(f"the hint {hint!r} does not begin with a literal character")
    head = re.findall(r"\\?.", match[0])
    at = max(range(len(head)), key=lambda index: _COMMON.find(head[index]) % 100)  # -1 % 100: not common at all
    before = f"(?<={''.join(head[: at + 1])})" if at else ""
    return head[at], f"{before}{''.join(head[at + 1 :])}{hint[match.end() :]}"
