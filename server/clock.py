"""The clock of the server. All times in the code are epoch milliseconds in UTC, as integers."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def epoch_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
