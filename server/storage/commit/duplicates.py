"""Detection of duplicates: event ids are remembered for 30 days, views for 30 minutes."""

from __future__ import annotations

import msgspec

from server.event import DAY, MINUTE, Event, Receipt
from server.event_id import received_at
from server.storage import statements
from server.storage.commit.writer_connection import Connection

MARK_LIFETIME = 30 * DAY
VIEW_LIFETIME = 30 * MINUTE
FORMER_MARKS_UNTIL = "marks_by_project_until"  # a note of migration 11, see `Event.former`


def refuse_duplicates(connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Record exceptions for events with an id that was seen before, then for views that follow another view too soon."""
    marked = [(place, event.mark, event) for place, event in enumerate(events) if event.mark is not None]
    if any(event.former is not None for _, _, event in marked):
        _refuse_former_marks(connection, events, exceptions)
    _refuse_marked(connection, marked, MARK_LIFETIME, Receipt.DUPLICATE, exceptions)
    viewed = [(place, event.viewer, event) for place, event in enumerate(events) if event.viewer is not None]
    _refuse_marked(connection, viewed, VIEW_LIFETIME, Receipt.DEBOUNCED, exceptions)


def _refuse_former_marks(connection: Connection, events: list[Event], exceptions: dict[int, Receipt]) -> None:
    """Record exceptions for events with an id that was seen before migration 11: those marks have another key."""
    find = f"""SELECT mark.project_id, mark.key, mark.expires_at FROM ({{marks}}) AS these JOIN mark ON mark.project_id = these.project_id
        AND mark.key = these.key WHERE mark.expires_at <= (SELECT value FROM note WHERE name = '{FORMER_MARKS_UNTIL}')"""
    keys = [(event.project, event.former) for event in events if event.former is not None]
    rows = connection.sql.rows(("project_id", "key"), mark="?")
    found = connection.execute(find.format(marks=rows), (msgspec.json.encode(keys).decode(),)).fetchall()
    expires = {(project, key): at for project, key, at in found}
    for place, event in enumerate(events):
        if event.former is not None and place not in exceptions and expires.get((event.project, event.former), 0) > received_at(event.id):
            exceptions[place] = Receipt.DUPLICATE


def _refuse_marked(
    connection: Connection,
    candidates: list[tuple[int, int, Event]],
    lifetime: int,
    receipt: Receipt,
    exceptions: dict[int, Receipt],
) -> None:
    """Record `receipt` for candidates with a mark that is in the store or comes twice, and mark the others for `lifetime` milliseconds."""
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for place, key, event in candidates:
        if place in exceptions:
            continue
        if (event.project, key) in first:
            exceptions[place] = receipt
        else:
            first[event.project, key] = (place, received_at(event.id) + lifetime)
    if first:
        rows = [(project, key, expires_at) for (project, key), (_, expires_at) in first.items()]
        fresh = set(connection.insert_many("mark", statements.MARK_COLUMNS, rows, statements.on_conflict_mark(lifetime)))
        exceptions.update({place: receipt for key, (place, _) in first.items() if key not in fresh})
