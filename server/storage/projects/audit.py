"""The audit log of changes by admins. It contains no secret, no raw identifier and no address."""

from __future__ import annotations

from dataclasses import dataclass

from server.event import DAY
from server.storage.engine import Store

KEPT = 2 * 365 * DAY  # ms
DETAIL = 500  # characters

_INSERT = "INSERT INTO audit_entry (at, actor, action, project_id, detail) VALUES ({}, {}, {}, {}, {})"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `at` is in epoch ms, `actor` is the key or session that made it (`key 3`, `session 7`), `project` is 0 for the whole server."""

    id: int
    at: int
    actor: str
    action: str
    project: int
    detail: str


async def record(store: Store, *, now: int, actor: str, action: str, project: int = 0, detail: str = "") -> None:
    """Record a change."""
    await store.change((_INSERT, (now, actor, action, project, detail[:DETAIL])))


async def entries(store: Store, *, project: int | None = None, limit: int = 50, before: int | None = None) -> list[Entry]:
    """Return the last changes, newest first, of one project or of the whole server."""
    of = "" if project is None else f" AND project_id = {int(project)}"
    rows = await store.rows(
        f"SELECT id, at, actor, action, project_id AS project, detail FROM audit_entry WHERE id < {{}}{of} ORDER BY id DESC LIMIT {{}}",
        (1 << 31) - 1 if before is None else before,
        limit,
    )
    return [Entry(**row) for row in rows]


async def delete_expired(store: Store, now: int) -> int:
    """Delete entries that are older than `KEPT`. Return their number."""
    change = await store.change(("DELETE FROM audit_entry WHERE at < {}", (now - KEPT,)))
    return change.rows[0]
