"""Counts of downloads by pack."""

from __future__ import annotations

import msgspec

from server.analytics.targets import visible
from server.questions.sql import Sql, bound, read, sql
from server.storage.engine import Store

# The names that the downloads dialect gives its events and targets.
DOWNLOAD = "download"
PACK = "pack"


class PackCounts(msgspec.Struct, frozen=True):
    """Downloads of one pack: over all time, in the last seven days (today and the six before, in UTC), and today."""

    total: int
    last7d: int
    today: int


_NAME = "(SELECT id FROM event_name WHERE project_id = {} AND text = {})"
_TARGET = "(SELECT id FROM target WHERE project_id = {} AND type = {} AND external_id = {})"


async def pack_counts(
    store: Store, project: int, today: int, pack: str | None = None, *, listed_only: bool = False
) -> dict[str, PackCounts]:
    """The counts of all packs of a project, or of one, most downloaded first. `today` is days since 1970.

    Private packs are left out; with `listed_only`, so are all packs that are not public.
    """
    name = Sql(_NAME, (project, DOWNLOAD))
    only = "" if pack is None else sql(" AND target_id = ", Sql(_TARGET, (project, PACK, pack)))
    week = ", ".join(str(day) for day in range(today - 6, today + 1))  # a list of days, so that the rows of a pack are found by their key
    query = sql(
        "SELECT target.external_id AS pack, total.events AS total, COALESCE(recent.week, 0) AS last7d,",
        " COALESCE(recent.today, 0) AS today FROM (SELECT target_id, SUM(events) AS events FROM rollup_target_total",
        f" WHERE project_id = {project} AND name_id = ",
        name,
        only,
        " GROUP BY target_id) AS total JOIN target ON target.id = total.target_id AND target.type = ",
        bound(PACK),
        f" LEFT JOIN (SELECT target_id, SUM(events) AS week, SUM(CASE WHEN day = {today} THEN events ELSE 0 END) AS today",
        f" FROM rollup_target_day WHERE project_id = {project} AND day IN ({week}) AND name_id = ",
        name,
        only,
        " GROUP BY target_id) AS recent ON recent.target_id = total.target_id",
        f" WHERE {visible(listed_only)} ORDER BY total.events DESC, target.external_id",
    )
    rows = await read(store, query)
    return {row["pack"]: PackCounts(int(row["total"]), int(row["last7d"]), int(row["today"])) for row in rows}
