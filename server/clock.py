"""The clock of the server. All times in the code are epoch milliseconds in UTC, as integers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]


def epoch_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def utc_day(at: int) -> str:
    """Return the day of a time: `2026-11-29`."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def utc_minute(at: int) -> str:
    """Return a time to the minute: `2026-11-29 15:04`."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
