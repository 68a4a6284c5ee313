"""Ending tasks of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 3.0  # seconds


async def ended(tasks: Iterable[asyncio.Task[Any]], *, again: float = AGAIN) -> None:
    """Cancel tasks and wait until they have ended, in whatever way.

    A cancellation that arrives together with a library's own time-out may be taken for that and be lost, as in asyncio's `wait_for` before
    Python 3.12 (bpo-37658). So whoever has not ended after some time (`again`, seconds, which must be enough to tidy up) hears it again:
    otherwise one such moment could keep a server from stopping for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=again)
        for task in done:
            if not task.cancelled():
                task.exception()  # whoever started it has told of it, or does not care any more
