"""Semantic versions: order, ranges such as `>=2.7 <3`, and groups by major or minor version.

Order follows semver.org, section 11: numbers numerically, a pre-release before its release, build metadata ignored. Two parts (`2.7`) and a
leading `v` are accepted, as clients send both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

_VERSION = re.compile(r"[vV]?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:\.\d{1,9})*(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]*)?")
_NUMBER = re.compile(r"\d{1,9}")
_CONDITION = re.compile(r"\s*(>=|<=|>|<|=|\^|~)?\s*([^\s<>=^~]+)")

# Numbers compare numerically and before words; an empty list of identifiers (a release) comes last.
_Identifier = tuple[int, int, str]
Version = tuple[int, int, int, int, tuple[_Identifier, ...]]
_NO_VERSION: Version = (-1, 0, 0, 0, ())


@lru_cache(maxsize=20_000)
def parse(text: str) -> Version | None:
    """Parse a version into a tuple that sorts by precedence; return None for a text that is not a version."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre = match.groups()
    identifiers = tuple(_identifier(part) for part in pre.split(".")) if pre else ()
    return int(major), int(minor or 0), int(patch or 0), 0 if pre else 1, identifiers


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


def group(text: str, parts: int) -> str:
    """Return the major (1 part) or minor (2 parts) version of a text, such as `2.7`. Other texts stay as they are."""
    version = parse(text)
    return text if version is None else ".".join(str(number) for number in version[:parts])


def newest_first(texts: Iterable[str]) -> list[str]:
    """Sort versions by precedence, the newest first; other texts come last. Further numbers (`1.2.3.4`) break ties."""
    return sorted(
        texts, key=lambda text: (parse(text) or _NO_VERSION, [int(number) for number in _NUMBER.findall(text)], text), reverse=True
    )


def matcher(range_: str) -> Callable[[str], bool]:
    """Return a function that checks versions against a range. Raises ValueError for an invalid range.

    A range is one or more conditions that must all hold, separated by spaces or commas: `>=2.7 <3`, `^1.4`, `~2.1.3`, `2`. A bare version
    matches all versions that begin with its parts. A pre-release is in a range if it lies between its ends.
    """
    parts = [part for part in _CONDITION.findall(range_.replace(",", " ")) if part[1]]
    if not parts or len(parts) > 8:
        raise ValueError("must be a range of versions, such as `>=2.7 <3`")
    checks = [_check(operator, text) for operator, text in parts]
    return lambda text: (version := parse(text)) is not None and all(check(version) for check in checks)


def _check(operator: str, text: str) -> Callable[[Version], bool]:
    version = parse(text.removesuffix(".x").removesuffix(".x"))
    if version is None:
        raise ValueError("must be a range of versions, such as `>=2.7 <3`")
    if operator in ("", "=", "^", "~"):
        low, high = version, _end(version, operator, text)
        if high and operator in ("", "="):
            low = (*version[:3], -1, ())  # as the group of that name, which holds the pre-releases of its first version
        return lambda other: low <= other < high if high else other == low
    compare: dict[str, Callable[[Version], bool]] = {
        ">=": lambda other: other >= version,
        ">": lambda other: other > version,
        "<=": lambda other: other <= version,
        "<": lambda other: other < version,
    }
    return compare[operator]


def _end(version: Version, operator: str, text: str) -> Version | None:
    """Return the first version beyond `^1.4`, `~1.4`, `1.4`; None if the range is a single version."""
    major, minor, patch, *_ = version
    given = text.removesuffix(".x").removesuffix(".x").split("-")[0].split("+")[0].count(".") + 1
    first = {"^": 0 if major or given == 1 else 1 if minor or given == 2 else 2, "~": min(given - 1, 1)}.get(operator, given - 1)
    if first > 1 and operator != "^":
        return None
    # Before all pre-releases of that version: below every identifier.
    ends = ((major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1))
    return (*ends[first], -1, ())
