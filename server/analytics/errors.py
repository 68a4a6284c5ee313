"""What goes wrong: types of errors with whom and what they affect, and the last events that failed."""

from __future__ import annotations

from typing import Any

import msgspec

from server.analytics.filters import Filter, equals
from server.analytics.measures import Installs, installs, share
from server.analytics.sources import conditions, distinct, raw_events, sums, within_days
from server.event import DAY, Outcome
from server.event_id import to_uuid
from server.questions.sql import Sql, bound, listed, read, sql
from server.storage.engine import Store
from server.storage.rollups import NO_ERROR_TYPE

MOST_VERSIONS = 10  # of one type of error
# Over the columns of `sources.raw_events`: which events are errors, and their type as the rollup has it.
_IS_ERROR = f"(error_type IS NOT NULL OR outcome = {int(Outcome.FAILURE)})"
_TYPE = f"COALESCE(error_type, '{NO_ERROR_TYPE}')"
_UNSEEN = (None, None)


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
    """One error type in the period; `type` is None for failures that name none.

    `share` is that of all failures and events with an error type, 0 to 1. `first_seen` and `last_seen` (epoch ms) are those of the events
    counted here: of the period, under the filter. They are None where retention has deleted the event that knew. `first_ever` is the first
    time in the environments of the filter, whatever the period. `versions` has the most affected ones. `sample` is the newest kept event.
    """

    type: str | None
    events: int
    share: float | None
    installs: Installs
    first_seen: int | None
    last_seen: int | None
    first_ever: int | None
    versions: list[VersionCount]
    names: list[str]
    sample: ErrorSample | None


class Errors(msgspec.Struct, frozen=True):
    """Error types by their events, most first, and the totals of all of them.

    `events` and `installs` are those of failures and of events with an error type, `failures` the events that failed.
    """

    groups: list[ErrorGroup]
    types: int
    events: int
    failures: int
    installs: Installs


async def errors(store: Store, filter_: Filter, *, limit: int = 50, offset: int = 0, samples: bool = True, times: bool = True) -> Errors:
    """Failures and other events with an error type, by type. `samples` and `times` (first and last seen) read raw events."""
    facts = _facts(store, filter_)
    rows = await read(store, sql("SELECT error, SUM(events) AS events FROM (", facts, ") AS facts GROUP BY error"))
    rows.sort(key=lambda row: (-int(row["events"]), row["error"]))
    total = sum(int(row["events"]) for row in rows)
    page = rows[offset : offset + limit]
    shown = [row["error"] for row in page]
    if not shown:
        return Errors([], len(rows), total, await _failures(store, filter_), Installs())
    affected, everyone = await _affected(store, filter_, shown)
    seen = await _seen(store, filter_, shown, facts) if times else {}
    ever = await _ever(store, filter_, shown)
    versions, names = await _versions(store, facts, shown), await _names(store, facts, shown)
    found = await _newest(store, filter_, shown) if samples else {}
    groups = [
        ErrorGroup(
            type=type_ or None,
            events=int(row["events"]),
            share=share(int(row["events"]), total),
            installs=affected.get(type_, Installs()),
            first_seen=seen.get(type_, _UNSEEN)[0],
            last_seen=seen.get(type_, _UNSEEN)[1],
            first_ever=ever.get(type_, _UNSEEN)[0],
            versions=versions.get(type_, []),
            names=names.get(type_, []),
            sample=found.get(type_),
        )
        for type_, row in zip(shown, page, strict=True)
    ]
    return Errors(groups, len(rows), total, await _failures(store, filter_), everyone)


async def failures(store: Store, filter_: Filter, *, error_type: str | None = None, limit: int = 50) -> list[ErrorSample]:
    """The last events that failed, by arrival, newest first. They are raw events: older ones than the project keeps are gone.

    With an `error_type` the last ones that have it instead, whether they say that they failed or not; an empty one stands for failures
    without a type.
    """
    if error_type:
        return await _samples(store, sql(raw_events(store, filter_), " AND event.error_type = ", bound(error_type)), limit)
    failed = raw_events(store, filter_.only(*equals(outcome=Outcome.FAILURE)))
    return await _samples(store, failed if error_type is None else sql(failed, " AND COALESCE(event.error_type, '') = ''"), limit)


def _in_rollup(filter_: Filter) -> bool:
    return filter_.period.whole_days and conditions(filter_) <= {"version"}


def _facts(store: Store, filter_: Filter) -> Sql:
    """error (its type, empty for failures without one), day, version, name_id, events."""
    if not _in_rollup(filter_):
        return sql(
            f"SELECT {_TYPE} AS error, day, version, name_id, events FROM (", raw_events(store, filter_), f") AS raw WHERE {_IS_ERROR}"
        )
    return sql(
        "SELECT error_type.text AS error, day, NULLIF(version, '') AS version, name_id, events FROM (",
        "SELECT event.error_id, event.day, event.version, event.name_id, event.events FROM rollup_error AS event WHERE ",
        within_days(store, filter_),
        _of_version(filter_),
        ") AS rows JOIN error_type ON error_type.id = rows.error_id",
    )


def _of_version(filter_: Filter) -> Sql:
    return sql(*(piece for each in filter_.of("version") for piece in (" AND event.version = ", bound(each.values[0]))))


async def _affected(store: Store, filter_: Filter, shown: list[str]) -> tuple[dict[str, Installs], Installs]:
    """Installs by type of error, and those that had any."""
    if _in_rollup(filter_):
        facts = sql(
            "SELECT error_type.text AS error, install_id, environment FROM (",
            "SELECT event.error_id, event.install_id, event.environment FROM error_install AS event WHERE ",
            within_days(store, filter_),
            _of_version(filter_),
            ") AS rows JOIN error_type ON error_type.id = rows.error_id",
        )
    else:
        facts = sql(
            f"SELECT {_TYPE} AS error, install_id, environment FROM (",
            raw_events(store, filter_),
            f") AS raw WHERE {_IS_ERROR} AND install_id IS NOT NULL",
        )
    only = sql(" WHERE error IN (", listed(shown), ")")
    rows = await read(store, sql(f"SELECT error, {distinct()} FROM (", facts, ") AS facts", only, " GROUP BY error"))
    (everyone,) = await read(store, sql(f"SELECT {distinct()} FROM (", facts, ") AS facts"))
    return {row["error"]: installs(row) for row in rows}, installs(everyone)


async def _failures(store: Store, filter_: Filter) -> int:
    (row,) = await read(store, sql("SELECT SUM(failures) AS failures FROM (", sums(store, filter_), ") AS facts"))
    return int(row["failures"] or 0)


async def _seen(store: Store, filter_: Filter, shown: list[str], facts: Sql) -> dict[str, tuple[int | None, int | None]]:
    """The first and the last time of each type under the filter and in the period.

    Times are kept for ever and all events of an environment; where that is not what is asked, raw events know. Those that retention
    deleted are noticed by their day, which the rollup still has.
    """
    period = filter_.period
    found: dict[str, tuple[int | None, int | None]] = {}
    if not conditions(filter_) and not filter_.of("name"):
        ever = await _ever(store, filter_, shown)
        found = {error: seen for error, seen in ever.items() if seen[0] >= period.start and seen[1] < period.end}
    missing = [error for error in shown if error not in found]
    if not missing:
        return found
    only = sql(" WHERE error IN (", listed(missing), ") GROUP BY error")
    days = await read(store, sql("SELECT error, MIN(day) AS first_day, MAX(day) AS last_day FROM (", facts, ") AS facts", only))
    raw = sql(f"SELECT {_TYPE} AS error, occurred_at FROM (", raw_events(store, filter_), f") AS raw WHERE {_IS_ERROR}")
    times = await read(store, sql("SELECT error, MIN(occurred_at) AS first, MAX(occurred_at) AS last FROM (", raw, ") AS facts", only))
    kept = {row["error"]: (int(row["first"]), int(row["last"])) for row in times}
    for row in days:
        first, last = kept.get(row["error"], _UNSEEN)
        found[row["error"]] = (
            first if first is not None and first // DAY == row["first_day"] else None,
            last if last is not None and last // DAY == row["last_day"] else None,
        )
    return found


async def _ever(store: Store, filter_: Filter, shown: list[str]) -> dict[str, tuple[int, int]]:
    """The first and the last time of each type in the environments of the filter, whatever the period."""
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
    failed = sql("SELECT raw.* FROM (", raw_events(store, filter_), f") AS raw WHERE {_IS_ERROR} AND {_TYPE} IN (", listed(shown), ")")
    ranked = sql(f"SELECT failed.*, ROW_NUMBER() OVER (PARTITION BY {_TYPE} ORDER BY id DESC) AS place FROM (", failed, ") AS failed")
    samples = await _samples(store, sql("SELECT ranked.* FROM (", ranked, ") AS ranked WHERE place = 1"), len(shown), by="ranked.id")
    return {sample.error_type or NO_ERROR_TYPE: sample for sample in samples}


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
