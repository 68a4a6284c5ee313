"""Lists of events and installs, a page at a time. Keyset cursors make all pages equally fast."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from server.analytics.filters import Filter
from server.analytics.sources import raw_events
from server.event import DAY, Context, Environment
from server.event_id import first_id, received_at
from server.fields import BY_NAME
from server.questions.facts import WEIGHT
from server.questions.question import Condition, Op
from server.questions.sql import Sql, bound, listed, read, sql
from server.storage.engine import Store
from server.storage.statements import CONTEXT_COLUMNS

MOST = 100  # rows of a page
_EVENT_ONLY = f"""SELECT event.id, event.install_id AS install, event_name.text AS name, event.occurred_at, event.outcome, event.duration_us, event.session,
    event.skewed, event.error_type, event.error_message, event.properties, {WEIGHT} AS weight, target.type AS target_type, target.external_id AS target"""
_EVENT = f"{_EVENT_ONLY}, {', '.join(f'context.{column}' for column in CONTEXT_COLUMNS)}"
_WORDS = """ JOIN event ON event.id = page.id JOIN event_name ON event_name.id = event.name_id JOIN context ON context.id = event.context_id
    LEFT JOIN target ON target.id = event.target_id"""
_INSTALL = "id, first_seen, last_seen, environment, reason, dialect, os, arch, runtime, version, package_manager"


class EventRow(msgspec.Struct, frozen=True):
    """A stored event, with texts in place of dictionary numbers. Times are in epoch ms, durations in microseconds; `install` and `session` are hashes.

    `skewed` is set if the client's clock was implausible. `properties` is JSON text.
    """

    id: int
    install: int | None
    name: str
    occurred_at: int
    outcome: int
    duration_us: int | None
    session: int | None
    skewed: int | None
    error_type: str | None
    error_message: str | None
    properties: str | None
    context: Context
    target_type: str | None
    target: str | None
    weight: int = 1

    @property
    def received_at(self) -> int:
        return received_at(self.id)


def _event_row(row: Mapping[str, Any]) -> EventRow:
    environment, *texts = (row[column] for column in CONTEXT_COLUMNS)
    own = {name: row[name] for name in EventRow.__struct_fields__ if name != "context"}
    return EventRow(context=Context(Environment(environment), *texts), **own)


class InstallRow(msgspec.Struct, frozen=True):
    """An install as its newest events describe it. `id` is its hash; times are in epoch ms."""

    id: int
    first_seen: int
    last_seen: int
    environment: int
    reason: str
    dialect: str | None
    os: str | None
    arch: str | None
    runtime: str | None
    version: str | None
    package_manager: str | None


class EventOrder(enum.Enum):
    """The order of events, by arrival."""

    NEWEST = "newest"
    OLDEST = "oldest"


class InstallOrder(enum.Enum):
    """The order of installs: newest first, except `HASH`."""

    HASH = "id"
    LAST_SEEN = "last_seen"
    FIRST_SEEN = "first_seen"


async def events(
    store: Store,
    filter_: Filter,
    *,
    limit: int,
    order: EventOrder = EventOrder.NEWEST,
    after: int | None = None,
    backwards: bool = False,
) -> list[EventRow]:
    """At most `limit` events that match a filter, in order: those after the event with this id or, backwards, before it. Raises TooBroad."""
    falling = (order is EventOrder.NEWEST) is not backwards
    ordered = f" ORDER BY event.id {'DESC' if falling else 'ASC'}"
    beyond = Sql("") if after is None else sql(f" AND event.id {'<' if falling else '>'} ", bound(after))
    page = sql("SELECT event.id FROM ", raw_events(store, filter_), beyond, f"{ordered} LIMIT {int(limit)}")
    rows = await rows_of(store, page, ordered)
    return rows[::-1] if backwards else rows


async def rows_of(store: Store, page: Sql, end: str = "") -> list[EventRow]:
    """The events whose ids are the rows of a query. `end` may restrict or order them."""
    return [_event_row(row) for row in await read(store, sql(f"{_EVENT} FROM (", page, f") AS page{_WORDS}{end}"))]


async def count_events(store: Store, filter_: Filter) -> int:
    """Count the events that match a filter. Raises TooBroad."""
    rows = await read(store, sql("SELECT count(*) AS n FROM ", raw_events(store, filter_)))
    return int(rows[0]["n"])


async def events_of(store: Store, project: int, installs: Sequence[int], limit: int) -> dict[int, list[EventRow]]:
    """The newest events of each of some installs. Raises TooBroad.

    Events have no index by install, because each event would pay for it. So the newest events of all installs are scanned first, then the older ones,
    for installs with fewer than `limit` events so far.
    """
    found: dict[int, list[EventRow]] = {install: [] for install in installs}
    seen = "SELECT id, first_seen, (SELECT COALESCE(MAX(id), 0) FROM event) AS newest FROM install"
    known = await read(store, sql(f"{seen} WHERE project_id = {int(project)} AND id IN (", listed(installs), ")"))
    firsts = {row["id"]: first_id(row["first_seen"] - DAY) for row in known}  # no event of theirs has a lower id
    newest = known[0]["newest"] if known else 0
    end = newest + 1
    for back in (DAY, 10 * DAY, None):
        start = 0 if back is None else first_id(received_at(newest) - back)
        wanted = [install for install, first in firsts.items() if first < end and len(found[install]) < limit]
        if not wanted:
            break
        within = f" AND event.id >= {max(start, min(firsts[install] for install in wanted))} AND event.id < {end}"
        for row in await rows_of(store, _newest_of(project, wanted, within, limit), " ORDER BY event.id DESC"):
            if row.install is not None and len(found[row.install]) < limit:
                found[row.install].append(row)
        end = start
    return found


def _newest_of(project: int, installs: Sequence[int], within: str, limit: int) -> Sql:
    return sql(
        "SELECT id FROM (SELECT event.id, ROW_NUMBER() OVER (PARTITION BY install_id ORDER BY event.id DESC) AS place FROM event"
        f" WHERE project_id = {int(project)}{within} AND install_id IN (",
        listed(installs),
        f")) AS ranked WHERE place <= {int(limit)}",
        Sql("", raw=True),
    )


async def event_of(store: Store, project: int, event_id: int) -> EventRow | None:
    """One event; None if the project has no event with this id."""
    rows = await rows_of(store, sql("SELECT ", bound(event_id), " AS id"), f" WHERE event.project_id = {int(project)}")
    return rows[0] if rows else None


INSTALL_FIELDS = ("environment", "os", "arch", "runtime", "version", "package_manager")


class InstallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The installs that meet every condition. Times are epoch ms; `seen_to` is exclusive.

    The conditions of `where` are on `INSTALL_FIELDS`, as installs were last known, with the operators IS and IS_NOT.
    """

    project: int
    seen_from: int | None = None
    seen_to: int | None = None
    where: tuple[Condition, ...] = ()


async def installs(
    store: Store,
    filter_: InstallFilter,
    *,
    limit: int,
    order: InstallOrder = InstallOrder.HASH,
    after: tuple[int, int] | None = None,
    backwards: bool = False,
) -> list[InstallRow]:
    """At most `limit` installs in order: those after the given (sort key, hash) or, backwards, before it.

    Raises TooBroad.
    """
    beyond, ordered = _install_order(order, after, backwards)
    rows = await read(
        store,
        sql(f"SELECT {_INSTALL} FROM install WHERE ", _install_conditions(filter_), beyond, f" ORDER BY {ordered} LIMIT {int(limit)}"),
    )
    return [InstallRow(**row) for row in (reversed(rows) if backwards else rows)]


def _install_order(order: InstallOrder, after: tuple[int, int] | None, backwards: bool) -> tuple[Sql, str]:
    """Return the condition for rows beyond a place in an order, and the order itself. Ties are ordered by hash."""
    column, rising = order.value, ("<", "DESC") if backwards else (">", "ASC")
    if order is InstallOrder.HASH:
        return Sql("") if after is None else sql(f" AND id {rising[0]} ", bound(after[1])), f"id {rising[1]}"
    falling = (">", "ASC") if backwards else ("<", "DESC")
    ordered = f"{column} {falling[1]}, id {rising[1]}"
    if after is None:
        return Sql(""), ordered
    seen, hash_ = after
    of_then = sql(f" OR ({column} = ", bound(seen), f" AND id {rising[0]} ", bound(hash_), "))")
    return sql(f" AND ({column} {falling[0]} ", bound(seen), of_then), ordered


async def count_installs(store: Store, filter_: InstallFilter) -> int:
    """Count the installs that match."""
    rows = await read(store, sql("SELECT count(*) AS n FROM install WHERE ", _install_conditions(filter_)))
    return int(rows[0]["n"])


async def installs_by_hash(store: Store, project: int, hashes: Sequence[int]) -> dict[int, InstallRow]:
    """The installs of a project with these hashes, in one statement."""
    rows = await read(store, sql(f"SELECT {_INSTALL} FROM install WHERE project_id = {int(project)} AND id IN (", listed(hashes), ")"))
    return {row["id"]: InstallRow(**row) for row in rows}


def _install_conditions(filter_: InstallFilter) -> Sql:
    parts: list[str | Sql] = [f"project_id = {int(filter_.project)}"]
    for condition in filter_.where:
        words = BY_NAME[condition.field].words
        values = Sql(", ".join(str(words[each]) for each in condition.values)) if words else listed(condition.values)
        parts += [f" AND ({condition.field} IN (", values, ")) IS NOT TRUE" if condition.op is Op.IS_NOT else "))"]
    if filter_.seen_from is not None:
        parts += [" AND last_seen >= ", bound(filter_.seen_from)]
    if filter_.seen_to is not None:
        parts += [" AND first_seen < ", bound(filter_.seen_to)]
    return sql(*parts, Sql("", raw=True))
