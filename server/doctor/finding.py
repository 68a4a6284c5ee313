"""The result of a check."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """A `message`, and how to `fix` it; an `ok` finding may have a hint instead.

    A `problem` keeps Footfall from working or puts data at risk; a `warning` may do so later.
    """

    level: Literal["ok", "warning", "problem"]
    message: str
    fix: str = ""


def size(count: float) -> str:
    """Format bytes for people: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
