"""Error types with the installs and versions that they affect, and the newest failed events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from server.analytics import lists
from server.analytics.filters import Filter, equals, to_question
from server.analytics.lists import EventRow
from server.analytics.measures import Installs, installs, share
from server.analytics.sources import conditions, raw_events, within_days
from server.event import DAY, PEOPLE, Outcome
from server.event_id import to_uuid
from server.fields import BY_NAME, Place
from server.history import History
from server.questions.answer_cache import reused
from server.questions.facts import WEIGHT, Facts
from server.questions.figures import figures
from server.questions.question import Condition, Measure, Op
from server.questions.reader import Reader
from server.questions.sql import Sql, bound, listed, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.rollups import NO_ERROR_TYPE

MOST_VERSIONS = 10  # of one type of error
# Expressions over raw events: the condition for errors, and their type as in the rollup.
_IS_ERROR = f"(event.error_type IS NOT NULL OR event.outcome = {int(Outcome.FAILURE)})"
_TYPE = f"COALESCE(event.error_type, '{NO_ERROR_TYPE}')"
_UNSEEN = (None, None)
_SUMMED = "day, NULLIF(version, '') AS version, name_id AS name, events"
# Distinct installs, all and people's, as `measures.installs` reads them.
_DISTINCT = f"""COUNT(DISTINCT install_id) AS everyone,
    COUNT(DISTINCT CASE WHEN environment IN ({", ".join(map(str, map(int, PEOPLE)))}) THEN install_id END) AS people"""

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
    is_summed = filter_.period.whole_days and conditions(filter_) <= {"version"}
    ask = partial(_ask_rollup, store, filter_, "rollup_error", _SUMMED) if is_summed else raw
    ask_installs = partial(_ask_rollup, store, filter_, "error_install", "install_id, environment") if is_summed else raw
    more = "MIN(day) AS first, MAX(day) AS last" if is_summed else f"{_DISTINCT}, MIN(occurred_at) AS first, MAX(occurred_at) AS last"
    rows = await ask(lambda facts: sql(f"SELECT error, SUM(events) AS events, {more} FROM (", facts, ") AS facts GROUP BY error"))
    rows.sort(key=lambda row: (-int(row["events"]), row["error"]))
    total = sum(int(row["events"]) for row in rows)
    page = {row["error"]: row for row in rows[offset : offset + limit]}
    failed = (await figures(store, to_question(filter_, Measure.FAILURES), history))[Measure.FAILURES].all[0] if "failures" in parts else 0
    if not page:
        return Errors([], len(rows), total, int(failed or 0), Installs())
    if is_summed:
        affected = f"SELECT error, {_DISTINCT} FROM ("
        for row in await ask_installs(lambda facts: sql(affected, facts, ") AS facts", _only(page), " GROUP BY error")):
            page[row["error"]] |= row
    ever = await _ever(store, filter_, page) if parts & {"first_seen", "last_seen", "first_ever"} else {}
    seen = await _seen(filter_, ever, page, None if ask is raw else raw) if parts & {"first_seen", "last_seen"} else {}
    versions, names = await _versions_and_names(store, ask, page) if parts & {"versions", "names"} else ({}, {})
    groups = [
        ErrorGroup(
            type=type_ or None,
            events=int(row["events"]),
            share=share(int(row["events"]), total),
            installs=installs(row) if "everyone" in row else Installs(),
            first_seen=seen.get(type_, _UNSEEN)[0],
            last_seen=seen.get(type_, _UNSEEN)[1],
            first_ever=ever.get(type_, _UNSEEN)[0],
            versions=versions.get(type_, []) if "versions" in parts else [],
            names=names.get(type_, []) if "names" in parts else [],
            sample=None,
        )
        for type_, row in page.items()
    ]
    everyone = Installs()
    if "installs" in parts:
        (counted,) = await ask_installs(lambda facts: sql(f"SELECT {_DISTINCT} FROM (", facts, ") AS facts"))
        everyone = installs(counted)
    return Errors(groups, len(rows), total, int(failed or 0), everyone)


async def failures(store: Store, filter_: Filter, *, error_type: str | None = None, limit: int = 50) -> list[ErrorSample]:
    """The last events that failed, by arrival, newest first. They are raw events, so retention deletes them.

    With an `error_type`, the last events that have it, failed or not. An empty `error_type` stands for failures without a type.
    """
    chosen = equals(error_type=error_type) if error_type else equals(outcome=Outcome.FAILURE)
    if error_type == "":
        chosen += (Condition("error_type", Op.MISSING),)
    return [_sample(row) for row in await lists.events(store, filter_.only(*chosen), limit=limit)]


def _raw_events(store: Store, filter_: Filter, history: History | None) -> Ask:
    """SQL for raw events that are errors: error (its type, or empty), version, name, install_id, environment, occurred_at, events."""
    reader = Reader(store, to_question(filter_, Measure.EVENTS), filter_.known_versions, history)

    def facts(source: Facts, engine: SqlEngine) -> Sql:
        version, environment = (source.column(BY_NAME[field]) for field in ("version", "environment"))
        return sql(
            f"SELECT {_TYPE} AS error, {version} AS version, {_name(source)} AS name, {source.counted_install} AS install_id,"
            f" {environment} AS environment, event.occurred_at, {WEIGHT} AS events FROM ",
            source.source_rows(engine),
            f" AND {_IS_ERROR}",
        )

    asked_facts = reader.facts(Facts, filter_.period, ())
    return lambda query: reader.read(asked_facts, lambda source, engine: query(facts(source, engine)))


def _name(facts: Facts) -> str:
    """The name of an event, or its number if names are in a dictionary."""
    return f"event.{facts.keys[Place.NAME]}" if Place.NAME in facts.keys else facts.column(BY_NAME["name"])


async def _ask_rollup(store: Store, filter_: Filter, table: str, columns: str, query: Query) -> list[dict[str, Any]]:
    """SQL for the rows of a rollup with the type of their `error`."""
    versions = (sql(" AND event.version = ", bound(each.values[0])) for each in filter_.of("version"))
    facts = sql(
        f"SELECT error_type.text AS error, {columns} FROM (SELECT event.* FROM {table} AS event WHERE ",
        within_days(store, filter_),
        *versions,
        ") AS rows JOIN error_type ON error_type.id = rows.error_id",
    )
    return await read(store, query(facts))


def _only(shown: Iterable[str]) -> Sql:
    return sql(" WHERE error IN (", listed(shown), ")")


async def _seen(
    filter_: Filter, ever: Mapping[str, tuple[int, int]], page: Mapping[str, dict[str, Any]], raw: Ask | None
) -> dict[str, tuple[int | None, int | None]]:
    """The first and the last time of each type under the filter and in the period.

    The store keeps these times for all events of an environment. Under other conditions, they come from raw events: those of `page`, or of `raw` if
    `page` has days of the rollup. Events that retention deleted are detected by these days.
    """
    found: dict[str, tuple[int | None, int | None]] = {}
    if not conditions(filter_) and not filter_.of("name"):
        found.update({error: seen for error, seen in ever.items() if seen[0] >= filter_.period.start and seen[1] < filter_.period.end})
    if raw is None:
        return {error: (int(row["first"]), int(row["last"])) for error, row in page.items()} | found
    missing = [error for error in page if error not in found]
    if not missing:
        return found
    ends = "SELECT error, MIN(occurred_at) AS first, MAX(occurred_at) AS last FROM ("
    times = await raw(lambda facts: sql(ends, facts, ") AS facts", _only(missing), " GROUP BY error"))
    found.update(dict.fromkeys(missing, _UNSEEN))
    for row in times:
        days = page[row["error"]]
        first, last = (int(row[end]) if int(row[end]) // DAY == days[end] else None for end in ("first", "last"))
        found[row["error"]] = first, last
    return found


async def _ever(store: Store, filter_: Filter, shown: Iterable[str]) -> dict[str, tuple[int, int]]:
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


async def _versions_and_names(store: Store, ask: Ask, shown: Iterable[str]) -> tuple[dict[str, list[VersionCount]], dict[str, list[str]]]:
    """The versions with the most events of each type, and the names of its events."""
    counts = "SELECT error, version, name, SUM(events) AS events FROM ("
    rows = await ask(lambda facts: sql(counts, facts, ") AS facts", _only(shown), " GROUP BY error, version, name"))
    numbers = {row["name"] for row in rows if isinstance(row["name"], int)}
    known = await read(store, sql("SELECT id, text FROM event_name WHERE id IN (", listed(numbers), ")")) if numbers else []
    texts: dict[Any, str] = {row["id"]: row["text"] for row in known}
    versions, names = defaultdict[str, Counter[str | None]](Counter), defaultdict[str, set[str]](set)
    for row in rows:
        versions[row["error"]][row["version"]] += int(row["events"])
        names[row["error"]].add(texts.get(row["name"], str(row["name"])))
    ranked = {error: sorted(counts.items(), key=lambda each: (-each[1], each[0] or "")) for error, counts in versions.items()}
    most = {error: [VersionCount(*each) for each in counts[:MOST_VERSIONS]] for error, counts in ranked.items()}
    return most, {error: sorted(each) for error, each in names.items()}


async def _newest(store: Store, filter_: Filter, shown: list[str]) -> dict[str, ErrorSample]:
    """The newest event of each given type. Types beyond the limit of the dictionary share one type that no event has."""
    failed = sql(raw_events(store, filter_), f" AND {_IS_ERROR} AND {_TYPE} IN (", listed(shown), f") GROUP BY {_TYPE}")
    samples = map(_sample, await lists.rows_of(store, sql("SELECT MAX(event.id) AS id FROM ", failed)))
    return {sample.error_type or NO_ERROR_TYPE: sample for sample in samples}


def _sample(row: EventRow) -> ErrorSample:
    return ErrorSample(
        id=to_uuid(row.id),
        at=row.occurred_at,
        message=row.error_message,
        environment=int(row.context.environment),
        **{name: getattr(row, name) for name in ("name", "target_type", "target", "error_type", "duration_us")},
        **{name: getattr(row.context, name) for name in ("os", "arch", "runtime", "version")},
    )
