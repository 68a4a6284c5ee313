"""What a job is, and what it is given."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from server.metrics import Metrics
from server.settings import Settings
from server.storage.engine import Store


class JobError(Exception):
    """A job cannot do its work. The message is for the operator, and holds nothing that a client sent."""


def clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job. `by_hand`: somebody asked for it, and would rather wait than have half of it done.

    `repair` and `day` (days since 1970 in UTC; None for all) are for
    `check_rollups`. `progress` gets a count of what is done.
    """

    store: Store
    settings: Settings
    metrics: Metrics | None = None
    now: Callable[[], int] = clock
    by_hand: bool = False
    repair: bool = False
    day: int | None = None
    progress: Callable[[int], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again, without harm where it is done twice.

    It is due once in each period (milliseconds); periods begin at `at` milliseconds after midnight, or the full hour, in UTC. `work` returns
    what it did, in a few words.
    """

    name: str
    work: Callable[[Run], Awaitable[str]]
    period: int
    at: int
    about: str

    def period_of(self, now: int) -> int:
        """When the period that a time is in began."""
        return (now - self.at) // self.period * self.period + self.at
