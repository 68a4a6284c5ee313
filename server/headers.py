"""Header lines of a request. Lines of one name are one list (RFC 9110, 5.3), wherever it is read."""

from __future__ import annotations

from collections.abc import Sequence

Line = tuple[bytes, bytes]


def combined(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines, each name once: values of one name are joined in their order, empty and repeated ones left out.

    A name that means one value, such as `Authorization`, so gets a value that is none of a key's where its lines differ: no line is preferred.
    Two of `Host` and `Content-Length` do not come this far.
    """
    if len(dict(lines)) == len(lines):
        return lines
    found: dict[bytes, dict[bytes, None]] = {}
    for name, value in lines:
        found.setdefault(name, {})[value.strip()] = None
    return [(name, (b"; " if name == b"cookie" else b", ").join(filter(None, values))) for name, values in found.items()]
