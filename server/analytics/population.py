"""One population for the figures of one answer: events and installs are counted from the same events.

Rollups outlive raw events. Where a filter needs raw events to count installs, its sums of events would reach further back than its installs;
such an answer begins with the first day of which all raw events are kept.
"""

from __future__ import annotations

import msgspec

from server.analytics.active import countable
from server.analytics.filters import Filter
from server.event import DAY
from server.storage.engine import Store
from server.storage.upkeep.recount import first_whole_day


async def complete_since(store: Store, filter_: Filter) -> int | None:
    """Return the time (epoch ms) from which on all events are kept that a filter needs; None if none of its period were deleted."""
    if countable(filter_):
        return None
    rows = await store.rows(
        "SELECT max(value) AS since FROM note WHERE name IN ({}, {})", f"retained:{filter_.project}", f"deleting:{filter_.project}"
    )
    since = first_whole_day(int(rows[0]["since"] or 0)) * DAY
    return since if filter_.period.start < since else None


async def counted_together(store: Store, filter_: Filter) -> Filter | None:
    """The filter for the part of its period from which both events and installs can be counted; None where there is none."""
    since = await complete_since(store, filter_)
    if since is None:
        return filter_
    period = filter_.period
    return None if period.end <= since else filter_.during(msgspec.structs.replace(period, start=since))
