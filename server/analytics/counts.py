"""How often packs were downloaded."""

from __future__ import annotations

import msgspec

from server.storage.engine import Store

# The names that the downloads dialect gives its events and targets.
DOWNLOAD = "download"
PACK = "pack"


class PackCounts(msgspec.Struct, frozen=True):
    """Downloads of one pack: ever, in the last seven days (today and the six before, in UTC), and today."""

    total: int
    last7d: int
    today: int


_COUNTS = """
    SELECT target.external_id AS pack, total.events AS total, COALESCE(recent.week, 0) AS last7d, COALESCE(recent.today, 0) AS today
    FROM (
        SELECT target_id, SUM(events) AS events FROM rollup_target_total
        WHERE project_id = {} AND name_id = (SELECT id FROM event_name WHERE project_id = {} AND text = {})
        GROUP BY target_id
    ) AS total
    JOIN target ON target.id = total.target_id AND target.type = {} AND ({} IS NULL OR target.external_id = {})
    LEFT JOIN (
        SELECT target_id, SUM(events) AS week, SUM(CASE WHEN day = {} THEN events ELSE 0 END) AS today FROM rollup_target_day
        WHERE project_id = {} AND day BETWEEN {} AND {}
            AND name_id = (SELECT id FROM event_name WHERE project_id = {} AND text = {})
        GROUP BY target_id
    ) AS recent ON recent.target_id = total.target_id
    ORDER BY total.events DESC, target.external_id
"""


async def pack_counts(store: Store, project: int, today: int, pack: str | None = None) -> dict[str, PackCounts]:
    """The counts of all packs of a project, or of one, most downloaded first. `today` is days since 1970."""
    rows = await store.rows(
        _COUNTS, project, project, DOWNLOAD, PACK, pack, pack, today, project, today - 6, today, project, DOWNLOAD
    )  # fmt: skip
    return {row["pack"]: PackCounts(int(row["total"]), int(row["last7d"]), int(row["today"])) for row in rows}
