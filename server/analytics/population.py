"""The time from which on the figures of a filter count events, after retention.

Rollups outlive raw events. If a filter needs raw events, its figures begin with the first day of which all raw events are kept.
"""

from __future__ import annotations

from server.analytics.active import countable
from server.analytics.filters import Filter
from server.questions.reader import kept_since
from server.storage.engine import Store


async def complete_since(store: Store, filter_: Filter) -> int | None:
    """Return the time (epoch ms) from which on all events are kept that a filter needs; None if none of its period were deleted."""
    if countable(filter_):
        return None
    since = await kept_since(store, filter_.project) or 0
    return since if filter_.period.start < since else None
