"""The results of changes, and the interface of snapshots, for both engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Change(NamedTuple):
    """The result of a change: the number of rows that each statement affected, and the seconds for which it blocked other writers."""

    rows: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Space:
    """The pages of the store's file: their total number, and how many are free."""

    pages: int
    free: int


class Snapshot(Protocol):
    """A consistent view of the store at one moment, unaffected by later writes."""

    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run a query, as `Store.rows` does, and return tuples: snapshots are for large reads."""
        ...
