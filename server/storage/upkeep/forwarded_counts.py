"""Counts of forwarded events, by project and day."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.storage.engine import Store


class ForwardedCounts(msgspec.Struct):
    """Events of the requests that a project forwarded on a day: events = accepted + refused + failed + dropped + those that still wait.

    `events` and `stored` are Footfall's own counts. `accepted`, `refused` and `failed` are the other system's: it answered with a success; with
    another status that a retry would not change; or not at all, or with an error of its own. `dropped`: too many waited, the server stopped, or
    the request had a key that only Footfall knows. `error` describes the day's last failure.
    """

    events: int = 0
    stored: int = 0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    dropped: int = 0
    error: str | None = None


COUNTS = tuple(name for name in ForwardedCounts.__struct_fields__ if name != "error")
_ADD = f"""INSERT INTO forwarded_day (project_id, day, {", ".join(COUNTS)}, error) VALUES ({", ".join(["{}"] * (len(COUNTS) + 3))})
    ON CONFLICT (project_id, day) DO UPDATE SET {", ".join(f"{name} = forwarded_day.{name} + excluded.{name}" for name in COUNTS)},
    error = COALESCE(excluded.error, forwarded_day.error)"""


async def add(store: Store, counts: Mapping[tuple[int, int], ForwardedCounts]) -> None:
    """Add counts to those of their project and day."""
    await store.change(*((_ADD, (*key, *msgspec.structs.astuple(found))) for key, found in counts.items()))


async def by_day(store: Store, project: int, first_day: int, last_day: int) -> dict[int, ForwardedCounts]:
    """Return the counts of a project by day, in days since 1970. Days without any are missing."""
    rows = await store.rows(
        f"SELECT day, {', '.join(COUNTS)}, error FROM forwarded_day WHERE project_id = {{}} AND day BETWEEN {{}} AND {{}} ORDER BY day",
        project,
        first_day,
        last_day,
    )
    return {row.pop("day"): ForwardedCounts(**row) for row in map(dict, rows)}
