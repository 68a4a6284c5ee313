"""One thing that the doctor has to say."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """`what` is so, and how to `mend` it; where it is well, `mend` may hold a hint. A `problem` keeps Footfall from working, or data from
    being safe; a `warning` may do so later."""

    level: Literal["ok", "warning", "problem"]
    message: str
    fix: str = ""


def size(count: float) -> str:
    """Bytes for people: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
