"""Keeps the common versions of a day's active installs and errors, and counts all others as `(other)`.

Clients choose versions freely, and each version is a row. An active install keeps its day; only its version of that day becomes `(other)`, in
`activity` and in the counts derived from it. Errors are kept by their most common pairs of type and version.

Each change is exclusive, so the sums over all versions are correct at every moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from server.event import DAY
from server.storage.changes import Change
from server.storage.engine import Store
from server.storage.rollups import ERROR, OTHER, VALUES_A_DAY, VERSION_DAY
from server.storage.statements import ERROR_INSTALL_COLUMNS, on_conflict_add
from server.storage.upkeep.activity_recount import ActivityFilter, counted

Run = tuple[int, int, str]  # install, environment, version
Pair = tuple[int, str]  # type of error, version

_KEPT = "SELECT value FROM rollup_dimension WHERE project_id = {} AND day = {} AND dimension = 'version'"
_RUN = ("install_id", "environment", "version")
_PAIR = ("error_id", "version")


async def rare_runs(store: Store, project: int, day: int) -> list[Run]:
    """Return the rows of a day's activity with versions that `rollup_dimension` does not keep. Empty if there are few versions."""
    ((several,),) = await _tuples(
        store,
        "SELECT count(DISTINCT version) FROM rollup_version WHERE project_id = {} AND day = {} AND version <> {}",
        project,
        day,
        OTHER,
    )
    if several <= VALUES_A_DAY:
        return []
    return await _tuples(
        store,
        "SELECT install_id, environment, version FROM activity WHERE project_id = {} AND day = {} AND version <> {}"
        f" AND version NOT IN ({_KEPT}) ORDER BY install_id, environment",
        *(project, day, OTHER, project, day),
    )


async def fold_runs(store: Store, project: int, day: int, runs: Sequence[Run]) -> Change:
    """Count installs of a day under `(other)` instead of their versions."""
    installs = _json(sorted({install for install, _, _ in runs}))
    where = f"project_id = {{}} AND day = {{}} AND install_id IN ({store.sql.integers()})"
    query, arguments = counted(VERSION_DAY, ActivityFilter(where, "", (project, day, installs), ()))
    add = "INSERT INTO rollup_version (project_id, day, version, audience, installs) SELECT project_id, day, version, audience, {} FROM ({}) AS these WHERE true {}"
    update = (
        # Not `FROM`, for which SQLite reads the whole day once for each change.
        f"UPDATE activity SET version = '{OTHER}' WHERE project_id = {{}} AND day = {{}}"
        f" AND ({', '.join(_RUN)}) IN ({store.sql.rows(_RUN, ('version',))})"
    )
    return await store.change(
        (add.format("-installs", query, on_conflict_add(VERSION_DAY)), arguments),
        (update, (project, day, _json(runs))),
        (add.format("installs", query, on_conflict_add(VERSION_DAY)), arguments),
        ("DELETE FROM rollup_version WHERE project_id = {} AND day = {} AND installs = 0", (project, day)),
        exclusive=True,
    )


async def rare_errors(store: Store, project: int, day: int) -> list[Pair]:
    """All but the most common pairs of error type and version of a day, ranked by installs (those known before the day first), then by events.

    Failures without a version need no folding.
    """
    place = "WHERE {table}.project_id = {{}} AND {table}.day = {{}} AND {table}.version NOT IN ('', {{}}) GROUP BY 1, 2"
    events = {
        (error, version): int(count)
        for error, version, count in await _tuples(
            store, f"SELECT error_id, version, sum(events) FROM rollup_error {place.format(table='rollup_error')}", project, day, OTHER
        )
    }
    if len(events) <= VALUES_A_DAY:
        return []
    known = f"count(DISTINCT CASE WHEN install.first_seen < {day * DAY} THEN install.id END)"
    rows = await _tuples(
        store,
        f"SELECT error_id, error_install.version, {known} AS known, count(DISTINCT install.id) AS installs FROM error_install"
        f" JOIN install ON install.id = error_install.install_id {place.format(table='error_install')}",
        *(project, day, OTHER),
    )
    installs = {(error, version): (-known, -count) for error, version, known, count in rows}
    ranked = sorted(events, key=lambda pair: (installs.get(pair, (0, 0)), -events[pair], pair[1], pair[0]))
    return ranked[VALUES_A_DAY:]


async def fold_errors(store: Store, project: int, day: int, pairs: Sequence[Pair]) -> Change:
    """Count the events and the installs of some pairs under the version `(other)`."""
    these = store.sql.rows(_PAIR, ("version",))
    where = f"project_id = {{}} AND day = {{}} AND ({', '.join(_PAIR)}) IN ({these})"
    arguments = (project, day, _json(pairs))
    sums, installs = (*ERROR.key, *ERROR.measures), ERROR_INSTALL_COLUMNS
    grouped = ", ".join(column for column in ERROR.key if column != "version")
    add_events = (
        f"INSERT INTO rollup_error ({', '.join(sums)}) SELECT {_as_other(ERROR.key)}, sum(events) FROM rollup_error WHERE {where}"
        f" GROUP BY {grouped} {on_conflict_add(ERROR)}"
    )
    add_installs = (
        f"INSERT INTO error_install ({', '.join(installs)}) SELECT DISTINCT {_as_other(installs)} FROM error_install WHERE {where}"
        " ON CONFLICT DO NOTHING"
    )
    return await store.change(
        (add_events, arguments),
        (f"DELETE FROM rollup_error WHERE {where}", arguments),
        (add_installs, arguments),
        (f"DELETE FROM error_install WHERE {where}", arguments),
        exclusive=True,
    )


def _as_other(columns: Sequence[str]) -> str:
    return ", ".join(f"'{OTHER}' AS version" if column == "version" else column for column in columns)


def _json(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()


async def _tuples(store: Store, sql: str, *arguments: Any) -> list[Any]:
    return [tuple(row.values()) for row in await store.rows(sql, *arguments)]
