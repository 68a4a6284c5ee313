"""What goes wrong: types of errors with whom and what they affect, and the last events that failed."""

from __future__ import annotations

from typing import Any

import msgspec

from server.analytics.filters import Filter
from server.analytics.measures import Installs, installs, share
from server.analytics.sources import Sql, bound, conditions, distinct, listed, raw_events, read, sql, within_days
from server.event import Outcome
from server.event_id import to_uuid
from server.storage.engine import Store

MOST_VERSIONS = 10  # of one type of error


class ErrorSample(msgspec.Struct, frozen=True):
    """One event that failed, as far as it may be shown: its message was scrubbed on the way in. `at` is when it occurred, epoch ms."""

    id: str
    at: int
    name: str
    target_type: str | None
    target: str | None
    error_type: str | None
    message: str | None
    duration_us: int | None
    environment: int
    os: str | None
    arch: str | None
    runtime: str | None
    version: str | None


class VersionCount(msgspec.Struct, frozen=True):
    """How often something was seen in a version; None where events do not say theirs."""

    version: str | None
    events: int


class ErrorGroup(msgspec.Struct, frozen=True):
    """One type of error in the period.

    `share` is that of all events with a type of error, 0 to 1. `first_seen` and `last_seen` (epoch ms) are the first and last time ever, in
    the environments of the filter. `versions` has the most affected ones. `sample` is the newest event of the type that is still kept.
    """

    type: str
    events: int
    share: float | None
    installs: Installs
    first_seen: int | None
    last_seen: int | None
    versions: list[VersionCount]
    names: list[str]
    sample: ErrorSample | None


class Errors(msgspec.Struct, frozen=True):
    """Types of errors by their events, most first, and what all types have together."""

    groups: list[ErrorGroup]
    types: int
    events: int
    installs: Installs


async def errors(store: Store, filter_: Filter, *, limit: int = 50, samples: bool = True) -> Errors:
    """Errors by type. Only events with a type of error are here; a failure without one is in the failures of every other answer."""
    facts = _facts(filter_)
    rows = await read(store, sql("SELECT error, SUM(events) AS events FROM (", facts, ") AS facts GROUP BY error"))
    rows.sort(key=lambda row: (-int(row["events"]), row["error"]))
    total = sum(int(row["events"]) for row in rows)
    shown = [row["error"] for row in rows[:limit]]
    if not shown:
        return Errors([], 0, 0, Installs())
    affected, everyone = await _affected(store, filter_, shown)
    seen = await _seen(store, filter_, shown)
    versions, names = await _versions(store, facts, shown), await _names(store, facts, shown)
    found = await _newest(store, filter_, shown) if samples else {}
    groups = [
        ErrorGroup(
            type=type_,
            events=int(row["events"]),
            share=share(int(row["events"]), total),
            installs=affected.get(type_, Installs()),
            first_seen=seen.get(type_, (None, None))[0],
            last_seen=seen.get(type_, (None, None))[1],
            versions=versions.get(type_, []),
            names=names.get(type_, []),
            sample=found.get(type_),
        )
        for type_, row in zip(shown, rows, strict=False)
    ]
    return Errors(groups, len(rows), total, everyone)


async def failures(store: Store, filter_: Filter, *, error_type: str | None = None, limit: int = 50) -> list[ErrorSample]:
    """The last events that failed, by arrival, newest first. They are raw events: older ones than the project keeps are gone.

    With an `error_type` the last ones that have it instead, whether they say that they failed or not.
    """
    if error_type is not None:
        return await _samples(store, sql(raw_events(filter_), " AND event.error_type = ", bound(error_type)), limit)
    if filter_.outcome not in (None, Outcome.FAILURE):
        return []
    failed = msgspec.structs.replace(filter_, outcome=Outcome.FAILURE)
    return await _samples(store, raw_events(failed), limit)


def _in_rollup(filter_: Filter) -> bool:
    return filter_.period.whole_days and conditions(filter_) <= {"version"}


def _facts(filter_: Filter) -> Sql:
    """error (its type), version, name_id, events."""
    if not _in_rollup(filter_):
        return sql(
            "SELECT error_type AS error, version, name_id, events FROM (", raw_events(filter_), ") AS raw WHERE error_type IS NOT NULL"
        )
    return sql(
        "SELECT error_type.text AS error, NULLIF(version, '') AS version, name_id, events FROM (",
        "SELECT error_id, version, name_id, events FROM rollup_error WHERE ",
        within_days(filter_),
        _of_version(filter_),
        ") AS rows JOIN error_type ON error_type.id = rows.error_id",
    )


def _of_version(filter_: Filter) -> Sql:
    return Sql("") if filter_.version is None else sql(" AND version = ", bound(filter_.version))


async def _affected(store: Store, filter_: Filter, shown: list[str]) -> tuple[dict[str, Installs], Installs]:
    """Installs by type of error, and those that had any."""
    if _in_rollup(filter_):
        facts = sql(
            "SELECT error_type.text AS error, install_id, environment FROM (SELECT error_id, install_id, environment FROM error_install WHERE ",
            within_days(filter_),
            _of_version(filter_),
            ") AS rows JOIN error_type ON error_type.id = rows.error_id",
        )
    else:
        facts = sql(
            "SELECT error_type AS error, install_id, environment FROM (",
            raw_events(filter_),
            ") AS raw WHERE error_type IS NOT NULL AND install_id IS NOT NULL",
        )
    only = sql(" WHERE error IN (", listed(shown), ")")
    rows = await read(store, sql(f"SELECT error, {distinct()} FROM (", facts, ") AS facts", only, " GROUP BY error"))
    (everyone,) = await read(store, sql(f"SELECT {distinct()} FROM (", facts, ") AS facts"))
    return {row["error"]: installs(row) for row in rows}, installs(everyone)


async def _seen(store: Store, filter_: Filter, shown: list[str]) -> dict[str, tuple[int, int]]:
    environments = filter_.allowed
    allowed = "" if environments is None else f" AND environment IN ({', '.join(str(int(each)) for each in environments) or 'NULL'})"
    query = sql(
        "SELECT text, MIN(first_seen) AS first_seen, MAX(last_seen) AS last_seen",
        " FROM error_seen JOIN error_type ON error_type.id = error_seen.error_id",
        f" WHERE error_seen.project_id = {filter_.project}{allowed} AND text IN (",
        listed(shown),
        ") GROUP BY text",
    )
    return {row["text"]: (int(row["first_seen"]), int(row["last_seen"])) for row in await read(store, query)}


async def _versions(store: Store, facts: Sql, shown: list[str]) -> dict[str, list[VersionCount]]:
    rows = await read(
        store,
        sql(
            "SELECT error, version, SUM(events) AS events FROM (",
            facts,
            ") AS facts WHERE error IN (",
            listed(shown),
            ") GROUP BY error, version",
        ),
    )
    rows.sort(key=lambda row: (-int(row["events"]), row["version"] or ""))
    found: dict[str, list[VersionCount]] = {}
    for row in rows:
        versions = found.setdefault(row["error"], [])
        if len(versions) < MOST_VERSIONS:
            versions.append(VersionCount(row["version"], int(row["events"])))
    return found


async def _names(store: Store, facts: Sql, shown: list[str]) -> dict[str, list[str]]:
    rows = await read(
        store,
        sql(
            "SELECT error, text FROM (SELECT DISTINCT error, name_id FROM (",
            facts,
            ") AS facts WHERE error IN (",
            listed(shown),
            ")) AS pairs JOIN event_name ON event_name.id = pairs.name_id",
        ),
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["error"], []).append(row["text"])
    return {error: sorted(names) for error, names in found.items()}


async def _newest(store: Store, filter_: Filter, shown: list[str]) -> dict[str, ErrorSample]:
    """The newest event of each of some types. What does not fit into the dictionary of types goes by a type that no event has."""
    failed = sql(raw_events(filter_), " AND event.error_type IN (", listed(shown), ")")
    ranked = sql("SELECT failed.*, ROW_NUMBER() OVER (PARTITION BY error_type ORDER BY id DESC) AS place FROM (", failed, ") AS failed")
    samples = await _samples(store, sql("SELECT ranked.* FROM (", ranked, ") AS ranked WHERE place = 1"), len(shown), by="ranked.id")
    return {sample.error_type: sample for sample in samples if sample.error_type is not None}


async def _samples(store: Store, events: Sql, limit: int, by: str = "event.id") -> list[ErrorSample]:
    """The newest of some raw events by arrival."""
    rows = await read(
        store,
        sql(
            "SELECT newest.*, event_name.text AS name, target.type AS target_type, target.external_id AS target FROM (",
            events,
            f" ORDER BY {by} DESC LIMIT {int(limit)}) AS newest JOIN event_name ON event_name.id = newest.name_id",
            " LEFT JOIN target ON target.id = newest.target_id ORDER BY newest.id DESC",
        ),
    )
    return [_error_sample(row) for row in rows]


def _error_sample(row: dict[str, Any]) -> ErrorSample:
    return ErrorSample(
        id=to_uuid(row["id"]),
        at=row["occurred_at"],
        name=row["name"],
        target_type=row["target_type"],
        target=row["target"],
        error_type=row["error_type"],
        message=row["error_message"],
        duration_us=row["duration_us"] if row["timed"] else None,
        environment=row["environment"],
        os=row["os"],
        arch=row["arch"],
        runtime=row["runtime"],
        version=row["version"],
    )
