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


class HeldDay(msgspec.Struct, frozen=True):
    """A day on which an install was active in an environment."""

    day: str
    environment: str
    version: str | None


class HeldError(msgspec.Struct, frozen=True):
    """A day on which an install had a type of error."""

    day: str
    error_type: str | None
    name: str | None
    version: str | None
    environment: str


class InstallHeld(msgspec.Struct, kw_only=True):
    """All data of an install. `install` and `events` are rows as in the exports of installs and events.

    `events` is one page of `total_events`, oldest arrival first; `next` is the cursor of the next page, or null on the last page.
    """

    install: dict[str, Any] | None
    days: list[HeldDay]
    errors: list[HeldError]
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
        days=[HeldDay(_date(each.day), Environment(each.environment).word, each.version or None) for each in held.activity],
        errors=[
            HeldError(_date(each.day), each.error_type, each.name, each.version or None, Environment(each.environment).word)
            for each in held.errors
        ],
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


def _date(day: int) -> str:
    return iso(day * DAY)[:10]
