"""A job and the context of one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from server.clock import Clock, epoch_ms
from server.history import History
from server.metrics import Metrics
from server.settings import Settings
from server.storage.engine import Store


class JobError(Exception):
    """A job cannot do its work. The message is for the operator and contains no client data."""


@dataclass(frozen=True, slots=True)
class Run:
    """The context of one run. `by_hand`: an operator started the job and expects it to do all of its work.

    `repair` and `day` (days since 1970 in UTC; None for all) apply to `check_rollups`. `progress` receives the number of completed steps.
    `history` is that of the running server, if there is one.
    """

    store: Store
    settings: Settings
    metrics: Metrics | None = None
    now: Clock = epoch_ms
    by_hand: bool = False
    repair: bool = False
    day: int | None = None
    progress: Callable[[int], None] = field(default=lambda _: None)
    history: History | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A recurring, idempotent task.

    It is due once in each period (milliseconds). Periods begin `at` milliseconds after midnight, or after the full hour, in UTC. `work` returns a
    short summary. With `each_server`, every server runs it for its own local data. A run with an empty summary had nothing to do, and is not
    recorded.
    """

    name: str
    work: Callable[[Run], Awaitable[str]]
    period: int
    at: int
    about: str
    each_server: bool = False

    def period_of(self, now: int) -> int:
        """The start of the period that contains a time."""
        return (now - self.at) // self.period * self.period + self.at
