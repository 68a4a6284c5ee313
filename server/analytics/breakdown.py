"""Events and installs by system, version, environment, target, or a property."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from server.analytics import active as sums_of_active
from server.analytics.active import countable
from server.analytics.answer_cache import shared
from server.analytics.filters import Filter, asked, equals
from server.analytics.measures import Installs, installs, rate
from server.analytics.sources import SUMS, activity, property_sums, sums, unique
from server.event import Environment, FieldError
from server.fields import PROPERTY_PREFIX
from server.history import History
from server.problems import BadQuery
from server.questions.figures import every_group
from server.questions.question import By as Split
from server.questions.question import Measure
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.projects import picked_properties, read_list
from server.storage.rollups import DIMENSIONS, PEOPLE_ONLY, VALUE_KEPT
from server.storage.statements import property_json

_NEWEST = ", ".join(f"install.{dimension.name}" for dimension in DIMENSIONS)
TOOL = "tool"  # the type of target that a tool is


class By(enum.Enum):
    """The field to break down by. `TOOL` is `TARGET` of that type; `PROPERTY` requires the name of a property."""

    OS = "os"
    ARCH = "arch"
    RUNTIME = "runtime"
    VERSION = "version"
    PACKAGE_MANAGER = "package_manager"
    ENVIRONMENT = "environment"
    NAME = "name"
    TARGET = "target"
    TOOL = "tool"
    PROPERTY = "property"


_TELLS_INSTALLS = (By.OS, By.ARCH, By.RUNTIME, By.VERSION, By.PACKAGE_MANAGER, By.ENVIRONMENT)


class Row(msgspec.Struct, frozen=True):
    """One value. None stands for events and installs that do not say.

    `installs` counts each active install once, at the newest value it ever sent; by environment, in each in which it ran. It is None
    where no install is known to have a value of its own: by name, target, tool and property. `success_rate` is 0 to 1. `target_type` is
    that of a target.
    """

    value: str | None
    events: int = 0
    successes: int = 0
    failures: int = 0
    success_rate: float | None = None
    installs: Installs | None = None
    target_type: str | None = None


class Breakdown(msgspec.Struct, frozen=True):
    """The values by their events, most first, and how many more there are before and beyond these, with their events and installs.

    `other_installs` is None where installs have no value of their own. In several environments an install counts in each.
    `since`: see `population`.
    """

    rows: list[Row]
    other_values: int
    other_events: int
    other_installs: Installs | None
    since: int | None = None


async def breakdown(
    store: Store,
    filter_: Filter,
    by: By,
    *,
    property_name: str | None = None,
    limit: int = 50,
    offset: int = 0,
    history: History | None = None,
) -> Breakdown:
    """Events, and installs where they can be told apart, by value. Raises BadQuery where `PROPERTY` comes without a usable name."""
    if by is By.PROPERTY and not property_name:
        raise BadQuery(FieldError("property", "is missing"))
    is_summed = countable(filter_)
    if by is By.TOOL:
        filter_ = filter_.only(*equals(target_type=TOOL))
    tells, since = by in _TELLS_INSTALLS, None
    if not is_summed or (by is By.PROPERTY and property_name not in await picked_properties.counted(store, filter_.project)):
        rows, since = await _from_model(store, filter_, by, property_name, history)
    elif by is By.PROPERTY:
        rows = await _by_property(store, filter_, property_name or "")
    elif by in (By.TARGET, By.TOOL):
        rows = await _by_target(store, filter_)
    elif by is By.NAME:
        rows = await _by_name(store, filter_)
    elif by is By.ENVIRONMENT:
        rows = await _by_environment(store, filter_)
    else:
        rows = await _by_dimension(store, filter_, by.value)
    rows.sort(key=lambda row: (-row.events, -(row.installs.all if row.installs else 0), row.value is None, row.value or ""))
    shown, rest = rows[offset : offset + limit], rows[:offset] + rows[offset + limit :]
    counts = [row.installs for row in rest if row.installs is not None]
    others = Installs(sum(count.all for count in counts), sum(count.people for count in counts)) if tells else None
    return Breakdown(shown, len(rest), sum(row.events for row in rest), others, since)


async def _from_model(
    store: Store, filter_: Filter, by: By, property_name: str | None, history: History | None
) -> tuple[list[Row], int | None]:
    """Groups of the question model. An install counts in each value that one of its events has. The second: `since`."""
    fields = {By.TARGET: ("target", "target_type"), By.TOOL: ("target", "target_type"), By.PROPERTY: (f"{PROPERTY_PREFIX}{property_name}",)}
    tells = by in _TELLS_INSTALLS
    measures = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, *([Measure.INSTALLS] if tells else []))
    try:
        question = asked(filter_, *measures, by=tuple(map(Split, fields.get(by, (by.value,)))))
    except BadQuery as error:
        raise BadQuery(*(FieldError(each.path.replace("by[0].field", "property"), each.message) for each in error.errors)) from None
    found: list[Row] = []
    groups, since = await every_group(store, question, history)
    for (value, target_type), counts in groups.items():
        if value is None and by in (By.TARGET, By.TOOL, By.PROPERTY):
            continue
        totals = {measure.value: counts.get(f"{measure.value}_all", 0) for measure in measures}
        active = Installs(counts.get("installs_all", 0), counts.get("installs_people", 0)) if tells else None
        found.append(_row(value, totals, active, target_type=target_type))
    return found, since


async def _by_dimension(store: Store, filter_: Filter, dimension: str) -> list[Row]:
    """By what the context says: events by what each said, installs by the newest that each said."""
    query = sql(f"SELECT value, {SUMS} FROM (", sums(store, filter_, by=dimension), ") AS facts GROUP BY value")
    facts = await read(store, query)
    counted = await _installs_by(store, filter_, dimension)
    events = {row["value"]: row for row in facts}
    # The rollup has no rows for what events do not say: what is missing of their total in other rollups is that.
    events[None] = await _unsaid(store, filter_, list(events.values()))
    values = {value for value, row in events.items() if int(row["events"])} | counted.keys()
    return [_row(value, events.get(value), counted.get(value, Installs())) for value in values]


async def _installs_by(store: Store, filter_: Filter, dimension: str) -> dict[str | None, Installs]:
    """Active installs by the newest value that each said."""
    found: dict[str | None, Installs] = {}
    for row in await _installs_alike(store, filter_):
        before, more = found.get(row[dimension], Installs()), installs(row)
        found[row[dimension]] = Installs(before.all + more.all, before.people + more.people)
    return found


@shared
async def _installs_alike(store: Store, filter_: Filter) -> list[dict[str, Any]]:
    """Active installs by the newest value of every dimension: a page asks for several, and looking at the installs is what takes long."""
    counted, first = countable(filter_), filter_.period.first_day
    if counted and counted.people == PEOPLE_ONLY and await sums_of_active.newest_day(store, filter_.project) <= filter_.period.last_day:
        # Nothing came after the period: active in it is whose last day is not before it.
        last_day = "people_day" if counted.everyone == PEOPLE_ONLY else "active_day"
        query = sql(
            f"SELECT {_NEWEST}, COUNT(*) AS everyone, SUM(CASE WHEN people_day >= {first} THEN 1 ELSE 0 END) AS people"
            f" FROM install WHERE project_id = {filter_.project} AND {last_day} >= {first} GROUP BY {_NEWEST}"
        )
    else:
        query = sql(
            f"SELECT {_NEWEST}, COUNT(*) AS everyone, SUM(people) AS people FROM (",
            unique(activity(store, filter_)),
            f") AS active JOIN install ON install.id = active.install_id GROUP BY {_NEWEST}",
        )
    return await read(store, query)


async def _unsaid(store: Store, filter_: Filter, said: list[dict[str, Any]]) -> dict[str, int]:
    total = await _total(store, filter_)
    known = [row for row in said if row["value"] is not None]
    return {name: int(total[name] or 0) - sum(int(row[name]) for row in known) for name in ("events", "successes", "failures")}


@shared
async def _total(store: Store, filter_: Filter) -> dict[str, Any]:
    (total,) = await read(store, sql(f"SELECT {SUMS} FROM (", sums(store, filter_), ") AS facts"))
    return total


async def _by_environment(store: Store, filter_: Filter) -> list[Row]:
    facts = await read(store, sql(f"SELECT environment, {SUMS} FROM (", sums(store, filter_), ") AS facts GROUP BY environment"))
    counted = await sums_of_active.by_environment(store, filter_)
    events = {row["environment"]: row for row in facts}
    return [
        _row(Environment(number).word, events.get(number), counted.get(number, Installs()))
        for number in events.keys() | counted.keys()
        if number in counted or int(events[number]["events"])
    ]


async def _by_name(store: Store, filter_: Filter) -> list[Row]:
    query = sql(
        f"SELECT event_name.text AS value, {SUMS} FROM (",
        sums(store, filter_),
        ") AS facts JOIN event_name ON event_name.id = facts.name_id GROUP BY event_name.text",
    )
    return [_row(row["value"], row) for row in await read(store, query) if int(row["events"])]


async def _by_target(store: Store, filter_: Filter) -> list[Row]:
    query = sql(
        f"SELECT target.type, target.external_id AS value, {SUMS} FROM (",
        sums(store, filter_, by="target_id"),
        ") AS facts JOIN target ON target.id = facts.value GROUP BY target.type, target.external_id",
    )
    return [_row(row["value"], row, target_type=row["type"]) for row in await read(store, query) if int(row["events"])]


async def _by_property(store: Store, filter_: Filter, name: str) -> list[Row]:
    rows = await read(store, sql(f"SELECT value, {SUMS} FROM (", property_sums(store, filter_, name), ") AS facts GROUP BY value"))
    return [_row(row["value"], row) for row in rows if int(row["events"])]


async def named_properties(store: Store, project: int) -> list[str]:
    """The properties for which the project keeps counts."""
    rows = await store.rows("SELECT dimensions FROM project WHERE id = {}", project)
    return read_list(rows[0]["dimensions"]) if rows else []


def property_value(store: Store, name: str) -> Sql:
    """An expression over `event` for a property's value as JSON text. Raises BadQuery for a name that cannot be looked up."""
    try:
        expression, argument = property_json(store.engine_type, "event.properties", name)
    except ValueError:
        raise BadQuery(FieldError("property", "must be a name of 1 to 100 characters without quotes")) from None
    return Sql(expression, (argument,))


def property_word(text: str) -> str | None:
    """A property's value, from JSON, as the rollup has it: at most 64 characters of a scalar, None for anything else."""
    value = msgspec.json.decode(text)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:VALUE_KEPT] if isinstance(value, str | int | float) else None


def _row(value: str | None, counts: Mapping[str, Any] | None, active: Installs | None = None, *, target_type: str | None = None) -> Row:
    events, successes, failures = (int(counts[name] or 0) if counts else 0 for name in ("events", "successes", "failures"))
    return Row(value, events, successes, failures, rate(successes, failures), active, target_type)
