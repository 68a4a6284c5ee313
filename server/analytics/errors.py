"""Error types with the installs and versions that they affect, and the newest failed events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from server.analytics.filters import Filter, equals, to_question
from server.analytics.measures import Installs, installs, share
from server.analytics.sources import conditions, distinct, raw_events, within_days
from server.event import DAY, Outcome
from server.event_id import to_uuid
from server.fields import BY_NAME, Place
from server.history import History
from server.questions.answer_cache import reused
from server.questions.facts import WEIGHT, Facts
from server.questions.figures import figures
from server.questions.question import Measure
from server.questions.reader import Reader
from server.questions.sql import Sql, bound, listed, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.rollups import NO_ERROR_TYPE

MOST_VERSIONS = 10  # of one type of error
# Expressions over the columns of `sources.raw_events`: the condition for errors, and their type as in the rollup.
_IS_ERROR = f"(error_type IS NOT NULL OR outcome = {int(Outcome.FAILURE)})"
_TYPE = f"COALESCE(error_type, '{NO_ERROR_TYPE}')"
_UNSEEN = (None, None)

# The parts of an answer that take queries of their own: fields of `ErrorGroup`, and `failures` and `installs` of `Errors`.
PARTS = frozenset({"first_seen", "last_seen", "first_ever", "versions", "names", "sample", "failures", "installs"})

# A function that makes a query of facts about errors, and runs it.
Query = Callable[[Sql], Sql]
Ask = Callable[[Query], Awaitable[list[dict[str, Any]]]]


class ErrorSample(msgspec.Struct, frozen=True):
    """A failed event, with its scrubbed message. `at` is the time at which it occurred, in epoch ms."""

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
    """Failures in one version; the version is None for events without one."""

    version: str | None
    events: int


class ErrorGroup(msgspec.Struct, frozen=True):
    """One error type in the period; `type` is None for failures without one.

    `share` is its share of all failures and events with an error type, from 0 to 1. `first_seen` and `last_seen` (epoch ms) are the times of the
    first and last event counted here, and None if retention has deleted that event. `first_ever` is the first time in the environments of the filter,
    whatever the period. `versions` are the most affected ones. `sample` is the newest event that is kept.
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
    """The error types with the most events first, and the totals of all types.

    `events` and `installs` count failures and events with an error type; `failures` counts the events that failed.
    """

    groups: list[ErrorGroup]
    types: int
    events: int
    failures: int
    installs: Installs


async def errors(
    store: Store, filter_: Filter, *, limit: int = 50, offset: int = 0, parts: frozenset[str] = PARTS, history: History | None = None
) -> Errors:
    """Failures and other events with an error type, by type, with some of the `PARTS` of an answer; the others are empty."""
    found = await _counted(store, filter_, limit, offset, parts - {"sample"}, history)
    if "sample" not in parts or not found.groups:
        return found
    newest = await _newest(store, filter_, [group.type or NO_ERROR_TYPE for group in found.groups])
    groups = [msgspec.structs.replace(group, sample=newest.get(group.type or NO_ERROR_TYPE)) for group in found.groups]
    return msgspec.structs.replace(found, groups=groups)


@reused
async def _counted(store: Store, filter_: Filter, limit: int, offset: int, parts: frozenset[str], history: History | None) -> Errors:
    """The answer without samples. Samples are not cached, because an install that sent one may be erased."""
    raw = _raw_events(store, filter_, history)
    is_summed = _in_rollup(filter_)
    ask = partial(_ask_rollup, store, filter_) if is_summed else raw
    more = "" if is_summed else f", {distinct()}, MIN(occurred_at) AS first, MAX(occurred_at) AS last"
    rows = await ask(lambda facts: sql(f"SELECT error, SUM(events) AS events{more} FROM (", facts, ") AS facts GROUP BY error"))
    rows.sort(key=lambda row: (-int(row["events"]), row["error"]))
    total = sum(int(row["events"]) for row in rows)
    page = rows[offset : offset + limit]
    shown = [row["error"] for row in page]
    failed = (await figures(store, to_question(filter_, Measure.FAILURES), history))[Measure.FAILURES].all[0] if "failures" in parts else 0
    if not shown:
        return Errors([], len(rows), total, int(failed or 0), Installs())
    ask_installs = partial(_ask_installs, store, filter_) if is_summed else raw
    affected = await _affected(ask_installs, shown) if is_summed else {row["error"]: installs(row) for row in page}
    ever = await _ever(store, filter_, shown) if parts & {"first_seen", "last_seen", "first_ever"} else {}
    seen = await _seen(filter_, shown, ever, page, ask, raw) if parts & {"first_seen", "last_seen"} else {}
    versions = await _versions(ask, shown) if "versions" in parts else {}
    names = await _names(store, ask, shown) if "names" in parts else {}
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
            sample=None,
        )
        for type_, row in zip(shown, page, strict=True)
    ]
    return Errors(groups, len(rows), total, int(failed or 0), await _everyone(ask_installs) if "installs" in parts else Installs())


async def failures(store: Store, filter_: Filter, *, error_type: str | None = None, limit: int = 50) -> list[ErrorSample]:
    """The last events that failed, by arrival, newest first. They are raw events, so retention deletes them.

    With an `error_type`, the last events that have it, failed or not. An empty `error_type` stands for failures without a type.
    """
    if error_type:
        return await _samples(store, sql(raw_events(store, filter_), " AND event.error_type = ", bound(error_type)), limit)
    failed = raw_events(store, filter_.only(*equals(outcome=Outcome.FAILURE)))
    return await _samples(store, failed if error_type is None else sql(failed, " AND COALESCE(event.error_type, '') = ''"), limit)


def _in_rollup(filter_: Filter) -> bool:
    return filter_.period.whole_days and conditions(filter_) <= {"version"}


def _raw_events(store: Store, filter_: Filter, history: History | None) -> Ask:
    """SQL for raw events that are errors: error (its type, or empty), version, name, install_id, environment, occurred_at, events."""
    reader = Reader(store, to_question(filter_, Measure.EVENTS), filter_.known_versions, history)

    def facts(source: Facts, engine: SqlEngine) -> Sql:
        version, environment = (source.column(BY_NAME[field]) for field in ("version", "environment"))
        return sql(
            f"SELECT COALESCE(event.error_type, '{NO_ERROR_TYPE}') AS error, {version} AS version, {_name(source)} AS name,"
            f" CASE WHEN event.skewed IS NULL THEN event.install_id END AS install_id, {environment} AS environment,"
            f" event.occurred_at, {WEIGHT} AS events FROM ",
            source.source_rows(engine),
            f" AND (event.error_type IS NOT NULL OR event.outcome = {int(Outcome.FAILURE)})",
        )

    asked_facts = reader.facts(Facts, filter_.period, ())
    return lambda query: reader.read(asked_facts, lambda source, engine: query(facts(source, engine)))


def _name(facts: Facts) -> str:
    """The name of an event, or its number if names are in a dictionary."""
    return f"event.{facts.keys[Place.NAME]}" if Place.NAME in facts.keys else facts.column(BY_NAME["name"])


async def _ask_rollup(store: Store, filter_: Filter, query: Query) -> list[dict[str, Any]]:
    """SQL for sums of errors: error, version, name, day, events."""
    facts = sql(
        "SELECT error_type.text AS error, day, NULLIF(version, '') AS version, name_id AS name, events FROM (",
        "SELECT event.error_id, event.day, event.version, event.name_id, event.events FROM rollup_error AS event WHERE ",
        within_days(store, filter_),
        _of_version(filter_),
        ") AS rows JOIN error_type ON error_type.id = rows.error_id",
    )
    return await read(store, query(facts))


async def _ask_installs(store: Store, filter_: Filter, query: Query) -> list[dict[str, Any]]:
    """SQL for installs with errors by day: error, install_id, environment."""
    facts = sql(
        "SELECT error_type.text AS error, install_id, environment FROM (",
        "SELECT event.error_id, event.install_id, event.environment FROM error_install AS event WHERE ",
        within_days(store, filter_),
        _of_version(filter_),
        ") AS rows JOIN error_type ON error_type.id = rows.error_id",
    )
    return await read(store, query(facts))


def _of_version(filter_: Filter) -> Sql:
    return sql(*(piece for each in filter_.of("version") for piece in (" AND event.version = ", bound(each.values[0]))))


def _only(shown: list[str]) -> Sql:
    return sql(" WHERE error IN (", listed(shown), ")")


async def _affected(ask: Ask, shown: list[str]) -> dict[str, Installs]:
    """Installs by type of error."""
    rows = await ask(lambda facts: sql(f"SELECT error, {distinct()} FROM (", facts, ") AS facts", _only(shown), " GROUP BY error"))
    return {row["error"]: installs(row) for row in rows}


async def _everyone(ask: Ask) -> Installs:
    """Installs with any error."""
    (everyone,) = await ask(lambda facts: sql(f"SELECT {distinct()} FROM (", facts, ") AS facts"))
    return installs(everyone)


async def _seen(
    filter_: Filter, shown: list[str], ever: Mapping[str, tuple[int, int]], page: list[dict[str, Any]], ask: Ask, raw: Ask
) -> dict[str, tuple[int | None, int | None]]:
    """The first and the last time of each type under the filter and in the period.

    The store keeps these times for all events of an environment. Under other conditions, they come from raw events: `page` has them unless it is from
    rollups. Events that retention deleted are detected by their day, which the rollup still has.
    """
    period = filter_.period
    found: dict[str, tuple[int | None, int | None]] = {}
    if not conditions(filter_) and not filter_.of("name"):
        found.update({error: seen for error, seen in ever.items() if seen[0] >= period.start and seen[1] < period.end})
    if ask is raw:
        return {row["error"]: (int(row["first"]), int(row["last"])) for row in page} | found
    missing = [error for error in shown if error not in found]
    if not missing:
        return found
    only = sql(_only(missing), " GROUP BY error")
    days = await ask(lambda facts: sql("SELECT error, MIN(day) AS first_day, MAX(day) AS last_day FROM (", facts, ") AS facts", only))
    ends = "SELECT error, MIN(occurred_at) AS first, MAX(occurred_at) AS last FROM ("
    times = await raw(lambda facts: sql(ends, facts, ") AS facts", only))
    ends_of = {row["error"]: (int(row["first"]), int(row["last"])) for row in times}
    for row in days:
        first, last = ends_of.get(row["error"], _UNSEEN)
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


async def _versions(ask: Ask, shown: list[str]) -> dict[str, list[VersionCount]]:
    counts = "SELECT error, version, SUM(events) AS events FROM ("
    rows = await ask(lambda facts: sql(counts, facts, ") AS facts", _only(shown), " GROUP BY error, version"))
    rows.sort(key=lambda row: (-int(row["events"]), row["version"] or ""))
    found: dict[str, list[VersionCount]] = {}
    for row in rows:
        versions = found.setdefault(row["error"], [])
        if len(versions) < MOST_VERSIONS:
            versions.append(VersionCount(row["version"], int(row["events"])))
    return found


async def _names(store: Store, ask: Ask, shown: list[str]) -> dict[str, list[str]]:
    rows = await ask(lambda facts: sql("SELECT DISTINCT error, name FROM (", facts, ") AS facts", _only(shown)))
    numbers = {row["name"] for row in rows if isinstance(row["name"], int)}
    known = await read(store, sql("SELECT id, text FROM event_name WHERE id IN (", listed(numbers), ")")) if numbers else []
    texts: dict[Any, str] = {row["id"]: row["text"] for row in known}
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["error"], []).append(texts.get(row["name"], str(row["name"])))
    return {error: sorted(names) for error, names in found.items()}


async def _newest(store: Store, filter_: Filter, shown: list[str]) -> dict[str, ErrorSample]:
    """The newest event of each given type. Types beyond the limit of the dictionary share one type that no event has."""
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
        duration_us=row["own_duration_us"],
        environment=row["environment"],
        os=row["os"],
        arch=row["arch"],
        runtime=row["runtime"],
        version=row["version"],
    )
