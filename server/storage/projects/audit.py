"""The audit log: who changed what, and when. Written beside the change; it holds no secret, no raw identifier and no address."""

from __future__ import annotations

from dataclasses import dataclass

from server.event import DAY
from server.storage.engine import Store

KEPT = 2 * 365 * DAY  # ms
DETAIL = 500  # characters

_INSERT = "INSERT INTO audit_entry (at, actor, action, project_id, detail) VALUES ({}, {}, {}, {}, {})"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `at` is epoch ms, `actor` who made it (`key 3`, `session 7`), `project` 0 where it was about no single one."""

    id: int
    at: int
    actor: str
    action: str
    project: int
    detail: str


async def record(store: Store, *, now: int, actor: str, action: str, project: int = 0, detail: str = "") -> None:
    """Write down a change."""
    await store.change((_INSERT, (now, actor, action, project, detail[:DETAIL])))


async def entries(store: Store, *, project: int | None = None, limit: int = 50, before: int | None = None) -> list[Entry]:
    """The last changes, newest first; of one project, or of everything."""
    of = "" if project is None else f" AND project_id = {int(project)}"
    rows = await store.rows(
        f"SELECT id, at, actor, action, project_id AS project, detail FROM audit_entry WHERE id < {{}}{of} ORDER BY id DESC LIMIT {{}}",
        (1 << 31) - 1 if before is None else before,
        limit,
    )
    return [Entry(**row) for row in rows]


async def delete_expired(store: Store, now: int) -> int:
    """Delete what is older than it is kept; how many."""
    change = await store.change(("DELETE FROM audit_entry WHERE at < {}", (now - KEPT,)))
    return change.rows[0]
