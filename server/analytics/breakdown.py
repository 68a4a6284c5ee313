"""Events and installs by system, version, environment, target, or a property."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from server.analytics import active as sums_of_active
from server.analytics.active import countable
from server.analytics.filters import Filter, equals, to_question
from server.analytics.measures import Installs, rate
from server.analytics.sources import SUMS, property_sums, sums
from server.event import Environment, FieldError
from server.fields import PROPERTY_PREFIX
from server.history import History
from server.problems import BadQuery, TooBroad
from server.questions.answer_cache import reused, shared
from server.questions.figures import every_group
from server.questions.installs_by_field import Counts, Sums, installs_by_field, sums_by_field
from server.questions.question import By as Split
from server.questions.question import Measure
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.projects import picked_properties, read_list
from server.storage.rollups import DIMENSIONS, VALUE_KEPT

TOOL = "tool"  # the type of targets that are tools


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


_TELLS_INSTALLS = tuple(by for by in By if by is By.ENVIRONMENT or by.value in {dimension.name for dimension in DIMENSIONS})
_ON_TOP = (By.VERSION, By.ARCH)  # fields that a page shows alone, or before the others


class Row(msgspec.Struct, frozen=True):
    """One value; None for events and installs without one.

    `installs` counts the installs that have an event with the value in the period: the number that a filter by the value gives. An install that
    upgrades counts under both versions. It is None by name, target, tool and property, and if `installs_by_field` cannot count. `success_rate` is 0
    to 1. `target_type` is the type of a target.
    """

    value: str | None
    events: int = 0
    successes: int = 0
    failures: int = 0
    success_rate: float | None = None
    installs: Installs | None = None
    target_type: str | None = None


class Breakdown(msgspec.Struct, frozen=True):
    """The values with the most events first, and the number of values before and after these, with their events and installs.

    `other_installs` adds up the installs of the other values; it is None if no row has installs. `since` is the time from which on raw events are
    kept, if the filter or the installs need some that were deleted. Events without conditions count for the whole period.
    """

    rows: list[Row]
    other_values: int
    other_events: int
    other_installs: Installs | None
    since: int | None = None


@reused
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
    """Events by value, and installs for fields that have them. Raises BadQuery for `PROPERTY` without a usable name."""
    if by is By.PROPERTY and not property_name:
        raise BadQuery(FieldError("property", "is missing"))
    is_summed = countable(filter_)
    if by is By.TOOL:
        filter_ = filter_.only(*equals(target_type=TOOL))
    since: int | None = None
    if by is By.PROPERTY and is_summed and property_name in await picked_properties.counted(store, filter_.project):
        rows = await _by_property(store, filter_, property_name or "")
    elif is_summed and by is By.ENVIRONMENT:
        rows = await _by_environment(store, filter_)
    elif is_summed and by in _TELLS_INSTALLS:
        rows, since = await _by_dimension(store, filter_, by.value, history)
    else:
        together, since = await _by_context(store, filter_, _together_with(by), history) if by in _TELLS_INSTALLS else (None, None)
        if together is not None:
            rows = [
                _row(value, counts, Installs(counts["installs_all"], counts["installs_people"]))
                for value, counts in together[by.value].items()
            ]
        else:
            rows, since = await _from_model(store, filter_, by, property_name, history)
    rows.sort(key=lambda row: (-row.events, -(row.installs.all if row.installs else 0), row.value is None, row.value or ""))
    shown, rest = rows[offset : offset + limit], rows[:offset] + rows[offset + limit :]
    counts = [row.installs for row in rest if row.installs is not None]
    tells = any(row.installs is not None for row in rows) or (by in _TELLS_INSTALLS and not rows)
    others = Installs(sum(count.all for count in counts), sum(count.people for count in counts)) if tells else None
    return Breakdown(shown, len(rest), sum(row.events for row in rest), others, since)


async def _from_model(
    store: Store, filter_: Filter, by: By, property_name: str | None, history: History | None
) -> tuple[list[Row], int | None]:
    """Groups of the question model, and `since`."""
    fields = {By.TARGET: ("target", "target_type"), By.TOOL: ("target", "target_type"), By.PROPERTY: (f"{PROPERTY_PREFIX}{property_name}",)}
    tells = by in _TELLS_INSTALLS
    measures = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, *([Measure.INSTALLS] if tells else []))
    try:
        question = to_question(filter_, *measures, by=tuple(map(Split, fields.get(by, (by.value,)))))
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


async def _by_dimension(store: Store, filter_: Filter, dimension: str, history: History | None) -> tuple[list[Row], int | None]:
    """Groups by a field of the context, without conditions, and `since`: events from rollups, installs from raw events."""
    facts = await read(store, sql(f"SELECT value, {SUMS} FROM (", sums(store, filter_, by=dimension), ") AS facts GROUP BY value"))
    by_field, since = await _installs_by_field(store, filter_, history)
    events = {row["value"]: row for row in facts}
    # The rollup has no rows for events without a value: their number is the total of other rollups minus its own.
    events[None] = await _without_value(store, filter_, list(events.values()))
    values = {value: row for value, row in events.items() if int(row["events"])}
    if by_field is None:
        return [_row(value, row) for value, row in values.items()], since
    counted = by_field[dimension]
    return [_row(value, events.get(value), Installs(*counted.get(value, (0, 0)))) for value in values.keys() | counted.keys()], since


@shared
@reused
async def _installs_by_field(store: Store, filter_: Filter, history: History | None) -> tuple[Counts | None, int | None]:
    """The installs of all dimensions. A page with several breakdowns reads the events once."""
    try:
        return await installs_by_field(store, to_question(filter_, Measure.INSTALLS), [dimension.name for dimension in DIMENSIONS], history)
    except TooBroad:
        return None, None


def _together_with(by: By) -> tuple[str, ...]:
    """The fields to read together with a context field: those whose cards a page loads at the same time."""
    return (by.value,) if by in _ON_TOP else tuple(each.value for each in _TELLS_INSTALLS if each not in _ON_TOP)


@shared
@reused
async def _by_context(store: Store, filter_: Filter, fields: tuple[str, ...], history: History | None) -> tuple[Sums | None, int | None]:
    """Installs and events by context fields, under the filter's conditions. A page with several breakdowns reads the history once."""
    return await sums_by_field(store, to_question(filter_, Measure.INSTALLS), fields, history)


async def _without_value(store: Store, filter_: Filter, rows: list[dict[str, Any]]) -> dict[str, int]:
    total = await _total(store, filter_)
    known = [row for row in rows if row["value"] is not None]
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
        expression, argument = store.sql.property_json("event.properties", name)
    except ValueError:
        raise BadQuery(FieldError("property", "must be a name of 1 to 100 characters without quotes")) from None
    return Sql(expression, (argument,))


def property_word(text: str) -> str | None:
    """A property's value, from JSON, in the form that the rollup stores: at most 64 characters of a scalar, None for anything else."""
    value = msgspec.json.decode(text)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:VALUE_KEPT] if isinstance(value, str | int | float) else None


def _row(value: str | None, counts: Mapping[str, Any] | None, active: Installs | None = None, *, target_type: str | None = None) -> Row:
    events, successes, failures = (int(counts[name] or 0) if counts else 0 for name in ("events", "successes", "failures"))
    return Row(value, events, successes, failures, rate(successes, failures), active, target_type)
