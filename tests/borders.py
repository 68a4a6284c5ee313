"""Borders of time: where hours begin, and with some of them days, weeks and months in UTC.

A test that sends an event and asks about today fails if the day ends in between. Such tests wait until the hour has turned if it does so soon.
Data that outlives a test, such as that of a fixture of a module, must allow for a border between the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HOUR = 3600  # seconds
_AFTER = 0.05  # seconds; then no clock of this machine is still in the old hour


def hold(seconds: float, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until the hour has turned, if it turns within `seconds`."""
    left = HOUR - clock() % HOUR
    if left < seconds:
        sleep(left + _AFTER)
