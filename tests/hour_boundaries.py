"""Hour boundaries, with which days, weeks and months in UTC begin, too.

A test that sends an event and asks about today fails if the day ends in between. Such a test waits if an hour is about to end.
Data that several tests share, such as that of a module's fixture, must allow for a boundary between two tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HOUR = 3600  # seconds
_AFTER = 0.05  # seconds, after which no clock of this machine is in the old hour


def wait_for_next_hour(seconds: float, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait for the next hour if it begins within `seconds`."""
    left = HOUR - clock() % HOUR
    if left < seconds:
        sleep(left + _AFTER)
