"""Marks of events, by which installs are counted by day without grouping their events.

An install usually has all its events of a day in one context. One of these events then shows whether the install meets conditions on the context,
and counting such events counts installs:

- `ALONE`: the first event of an install that had only one context on the day.
- `REPEATED`: an event that adds no install: a later event of such an install, one without an install, or one of a client with a wrong clock.
- `SEVERAL`: an event of an install that had several contexts on the day.
- `UNMARKED`: an event whose install may have other events on the day, in another file.

A file marks only the days that begin within its range of ids, so only one file marks a day. Late events, events in files that were not merged, and
the tail are unmarked. A file is sorted by these marks, so that a query that needs only some of them skips the others.
"""

from __future__ import annotations

from server.event import DAY
from server.event_id import first_id, received_at
from server.history.event_columns import DAY_MARK, UNMARKED
from server.history.manifest import Segment
from server.storage.statements import CONTEXT_COLUMNS

REPEATED, ALONE, SEVERAL = range(3)


def marked(select: str, files: str, segment: Segment) -> str:
    """Return a query for the rows of `select` with their marks: first ALONE, then the others that count, then REPEATED.

    `files` is a relation with the same events; `segment` has their range of ids.
    """
    first, last = own_days(segment)
    day = f"occurred_at // {DAY}"
    # The hash of a context has 64 bits, like the hash of an install.
    context = f"hash({', '.join(CONTEXT_COLUMNS)})"
    days = f"SELECT min(id) AS id, install_id, project_id, {day} AS day, min({context}) = max({context}) AS is_alone FROM {files}"
    days += " WHERE install_id IS NOT NULL AND skewed IS NULL GROUP BY install_id, project_id, day"
    mark = (
        f"CASE WHEN events.install_id IS NULL OR events.skewed IS NOT NULL THEN {REPEATED} WHEN days.day NOT BETWEEN {first} AND {last} THEN {UNMARKED}"
        f" WHEN NOT days.is_alone THEN {SEVERAL} WHEN days.id = events.id THEN {ALONE} ELSE {REPEATED} END"
    )
    same = f"days.install_id = events.install_id AND days.project_id = events.project_id AND days.day = events.{day}"
    rows = f"SELECT events.* REPLACE (CAST({mark} AS UTINYINT) AS {DAY_MARK}) FROM ({select}) AS events LEFT JOIN days ON {same}"
    parts = (f"SELECT * FROM ({rows}) AS events WHERE {DAY_MARK} {which}" for which in (f"= {ALONE}", f"> {ALONE}", f"= {REPEATED}"))
    return f"WITH days AS MATERIALIZED ({days}) {' UNION ALL '.join(parts)}"


def own_days(segment: Segment) -> tuple[int, int]:
    """Return the first and the last day that begin within a segment's range of ids. The last precedes the first if none does."""
    first = received_at(segment.first) // DAY
    return first + (first_id(first * DAY) < segment.first), received_at(segment.end - 1) // DAY
