"""What both engines say of changes, and what a view that stands still can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Change(NamedTuple):
    """What a change did: the rows that each statement touched, and the seconds for which nothing else could be written."""

    rows: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Space:
    """Pages of the store's file: all of them, and those that hold nothing."""

    pages: int
    free: int


class Snapshot(Protocol):
    """The store as it was at one moment, whatever is written meanwhile."""

    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Read, as `Store.rows` does; each row as a tuple, because snapshots are read for what is many."""
        ...
