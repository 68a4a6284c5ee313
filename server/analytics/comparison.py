"""The period that a period is compared with: the preceding one, or its corresponding part while the period has not ended.

At 9:00, today is compared with yesterday until 9:00. Whole days come from rollups; of the last day, which is cut to the millisecond, raw events are
read. Events may arrive up to a month late, so all that arrived since then are scanned. If these are too many, a period of several days is compared
with the whole preceding period, as `compared_until` shows.
"""

from __future__ import annotations

from server.analytics.filters import Filter
from server.event import DAY, LedgerEntry
from server.questions.periods import Period
from server.storage.engine import Store

MOST_READ = 400_000  # events: about 0.4 s of one core

Parts = tuple[Filter, ...]


async def before(store: Store, filter_: Filter, now: int) -> Parts:
    """The compared period in parts that are read separately, in order of time; empty if there is no such period. `now` is epoch ms."""
    period, earlier = filter_.period, filter_.period.before
    if earlier is None or period.start >= now:
        return ()
    cut = earlier.start + now - period.start
    day = max(earlier.start, cut // DAY * DAY)
    if cut >= earlier.end or (day > earlier.start and await _arrived(store, filter_.project, day // DAY) > MOST_READ):
        return (filter_.during(earlier),)
    parts = [Period(earlier.start, day)] if day > earlier.start else []
    if cut > day:
        parts.append(Period(day, cut, exact=True))
    return tuple(filter_.during(part) for part in parts)


async def _arrived(store: Store, project: int, day: int) -> int:
    """Count the events that a project has stored since a day (days since 1970)."""
    (row,) = await store.rows(
        "SELECT SUM(events) AS events FROM ledger WHERE project_id = {} AND day >= {} AND entry = {}",
        project,
        day,
        LedgerEntry.STORED.value,
    )
    return int(row["events"] or 0)
