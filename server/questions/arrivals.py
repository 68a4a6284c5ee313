"""The installs that are new in a period, for the history, which does not hold them."""

from __future__ import annotations

import msgspec

from server.questions.answer_cache import reused_until_write
from server.questions.periods import Period
from server.storage.engine import Store

MAX_ARRIVALS = 200_000  # new installs that one question lists


class Arrivals(msgspec.Struct, frozen=True):
    """Installs with the time of their first event, as two comma-separated lists of numbers."""

    ids: str = ""
    times: str = ""


NO_ARRIVALS = Arrivals()


@reused_until_write
async def new_installs(store: Store, project: int, period: Period) -> Arrivals | None:
    """Return the installs that are new in a period, or None if there are too many."""
    ids, times = store.sql.in_a_row("id"), store.sql.in_a_row("first_seen")
    (row,) = await store.rows(
        f"SELECT COUNT(*) AS number, {ids} AS ids, {times} AS times FROM (SELECT id, first_seen FROM install"
        " WHERE project_id = {} AND first_seen >= {} AND first_seen < {} LIMIT {}) AS listed",
        *(project, period.start, period.end, MAX_ARRIVALS + 1),
    )
    return None if row["number"] > MAX_ARRIVALS else Arrivals(row["ids"] or "", row["times"] or "")
