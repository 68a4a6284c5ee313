"""The data of one install: shown to its owner, or erased."""

from __future__ import annotations

from typing import Any

import msgspec

from server.dialects.parsing import iso
from server.event import DAY, Environment
from server.event_id import to_uuid
from server.history import History
from server.storage.engine import Store
from server.storage.history import erasure
from server.transfer import columns

PAGE = 100
MAX_PAGE_SIZE = 1_000


class InstallHeld(msgspec.Struct, kw_only=True):
    """All data of an install. `install`, `days`, `errors` and `events` are rows as in the exports of these names.

    `events` is one page of `total_events`, oldest arrival first; `next` is the cursor of the next page, or null on the last page.
    """

    install: dict[str, Any] | None
    days: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    total_events: int
    events: list[dict[str, Any]]
    next: str | None


class InstallErased(msgspec.Struct, kw_only=True):
    """The numbers of erased events, days of activity and days with an error. `purged` is true if the store's log is empty too."""

    events: int
    days: int
    errors: int
    purged: bool


async def show(store: Store, project: int, install: int, *, after: int = -1, most: int = PAGE) -> InstallHeld | None:
    """Load the data of an install, or None if there is none. `after` is the id of the last event on the previous page."""
    held = await erasure.install_data(store, project, install)
    if not held:
        return None
    rows = await erasure.events_of(store, project, install, after, most + 1)
    shown = rows[:most]
    return InstallHeld(
        install=held.install and dict(zip(columns.INSTALL, columns.install(held.install), strict=True)),
        days=[_day(row) for row in held.activity],
        errors=[_day(row) for row in held.errors],
        total_events=held.events,
        events=[dict(zip(columns.EVENT, columns.event(row), strict=True)) for row in shown],
        next=to_uuid(shown[-1]["id"]) if len(rows) > most else None,
    )


async def erase(history: History, project: int, install: int) -> InstallErased | None:
    """Erase an install from the store and its history. Returns None if there is no data of it."""
    erased = await history.erase(project, install)
    if not erased.known:
        return None
    return InstallErased(events=erased.events, days=erased.days, errors=erased.errors, purged=erased.purged)


def _day(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "day": iso(row["day"] * DAY)[:10],
        "environment": Environment(row["environment"]).word,
        "version": row["version"] or None,
    }
