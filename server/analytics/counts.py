"""How often packs were downloaded."""

from __future__ import annotations

import msgspec

from server.analytics.sources import Sql, bound, read, sql
from server.analytics.targets import visible
from server.storage.engine import Store

# The names that the downloads dialect gives its events and targets.
DOWNLOAD = "download"
PACK = "pack"


class PackCounts(msgspec.Struct, frozen=True):
    """Downloads of one pack: ever, in the last seven days (today and the six before, in UTC), and today."""

    total: int
    last7d: int
    today: int


_NAME = "(SELECT id FROM event_name WHERE project_id = {} AND text = {})"


async def pack_counts(
    store: Store, project: int, today: int, pack: str | None = None, *, listed_only: bool = False
) -> dict[str, PackCounts]:
    """The counts of all packs of a project, or of one, most downloaded first. `today` is days since 1970.

    No private ones, and only public ones where `listed_only`.
    """
    name = Sql(_NAME, (project, DOWNLOAD))
    query = sql(
        "SELECT target.external_id AS pack, total.events AS total, COALESCE(recent.week, 0) AS last7d,",
        " COALESCE(recent.today, 0) AS today FROM (SELECT target_id, SUM(events) AS events FROM rollup_target_total",
        f" WHERE project_id = {project} AND name_id = ",
        name,
        " GROUP BY target_id) AS total JOIN target ON target.id = total.target_id AND target.type = ",
        bound(PACK),
        "" if pack is None else sql(" AND target.external_id = ", bound(pack)),
        f" LEFT JOIN (SELECT target_id, SUM(events) AS week, SUM(CASE WHEN day = {today} THEN events ELSE 0 END) AS today",
        f" FROM rollup_target_day WHERE project_id = {project} AND day BETWEEN {today - 6} AND {today} AND name_id = ",
        name,
        " GROUP BY target_id) AS recent ON recent.target_id = total.target_id",
        f" WHERE {visible(listed_only)} ORDER BY total.events DESC, target.external_id",
    )
    rows = await read(store, query)
    return {row["pack"]: PackCounts(int(row["total"]), int(row["last7d"]), int(row["today"])) for row in rows}
