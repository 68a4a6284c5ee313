"""Events and installs by system, version, environment, target, or a property."""

from __future__ import annotations

import enum

import msgspec

from server.analytics import active as sums_of_active
from server.analytics.active import countable
from server.analytics.filters import Filter, equals, to_question
from server.analytics.measures import Installs, rate, total
from server.analytics.sources import sums_of_values
from server.event import FieldError
from server.fields import PROPERTY_PREFIX
from server.history import History
from server.problems import BadQuery, TooBroad
from server.questions.answer_cache import reused, shared
from server.questions.counting import SUMS, Keys
from server.questions.figures import Counts, every_group, figures
from server.questions.installs_by_field import Counts as ByField
from server.questions.installs_by_field import counts_by_field
from server.questions.question import By as Split
from server.questions.question import Measure
from server.storage import rollups
from server.storage.engine import Store
from server.storage.projects import picked_properties, read_list

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


# For each value and type of target its counts, and the time from which on they count events.
Groups = dict[Keys, Counts]
Found = tuple[Groups, int | None]
_NO_INSTALLS = {"installs_all": 0, "installs_people": 0}
_TELLS_INSTALLS = tuple(by for by in By if by is By.ENVIRONMENT or by.value in {dimension.name for dimension in rollups.DIMENSIONS})
_ON_TOP = (By.VERSION, By.ARCH)  # fields that a page shows alone, or before the others


class Row(msgspec.Struct, frozen=True):
    """One value; None for events and installs without one.

    `installs` counts the installs that have an event with the value in the period: the number that a filter by the value gives. An install that
    upgrades counts under both versions. It is None by name, target, tool and property, and if there are too many events to count. `success_rate` is 0
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
    groups, since = await _groups(store, filter_, by, property_name or "", history)
    rows = [_row(*keys, counts) for keys, counts in groups.items()]
    rows.sort(key=lambda row: (-row.events, -(row.installs.all if row.installs else 0), row.value is None, row.value or ""))
    shown, rest = rows[offset : offset + limit], rows[:offset] + rows[offset + limit :]
    tells = any(row.installs is not None for row in rows) or (by in _TELLS_INSTALLS and not rows)
    others = (total(row.installs for row in rest) or Installs()) if tells else None
    return Breakdown(shown, len(rest), sum(row.events for row in rest), others, since)


def _row(value: str | None, target_type: str | None, counts: Counts) -> Row:
    events, successes, failures = (counts.get(f"{measure.value}_all", 0) for measure in SUMS)
    active = Installs(counts["installs_all"], counts["installs_people"]) if "installs_all" in counts else None
    return Row(value, events, successes, failures, rate(successes, failures), active, target_type)


async def _groups(store: Store, filter_: Filter, by: By, property_name: str, history: History | None) -> Found:
    """The counts of each value, and of each type of target, from the cheapest source."""
    if by is By.TOOL:
        filter_ = filter_.only(*equals(target_type=TOOL))
    elif countable(filter_):
        if by is By.PROPERTY and property_name in await picked_properties.counted(store, filter_.project):
            sums = await sums_of_values(store, filter_, f"{rollups.PROPERTY_PREFIX}{property_name}")
            return {(value, None): counts for value, counts in sums.items()}, None
        if by is By.ENVIRONMENT:
            return await _by_environment(store, filter_), None
        if by in _TELLS_INSTALLS:
            return await _by_dimension(store, filter_, by.value, history)
    if by in _TELLS_INSTALLS:
        together, since = await _by_field(store, filter_, _together_with(by), history, sums=True)
        if together is not None:
            return {(value, None): counts for value, counts in together[by.value].items()}, since
    return await _from_model(store, filter_, by, property_name, history)


async def _from_model(store: Store, filter_: Filter, by: By, property_name: str, history: History | None) -> Found:
    fields = {By.TARGET: ("target", "target_type"), By.TOOL: ("target", "target_type"), By.PROPERTY: (f"{PROPERTY_PREFIX}{property_name}",)}
    tells = by in _TELLS_INSTALLS
    measures = (*SUMS, Measure.INSTALLS) if tells else SUMS
    try:
        question = to_question(filter_, *measures, by=tuple(map(Split, fields.get(by, (by.value,)))))
    except BadQuery as error:
        raise BadQuery(*(FieldError(each.path.replace("by[0].field", "property"), each.message) for each in error.errors)) from None
    groups, since = await every_group(store, question, history)
    if tells:
        return {keys: _NO_INSTALLS | counts for keys, counts in groups.items()}, since
    return {keys: counts for keys, counts in groups.items() if keys[0] is not None}, since


async def _by_environment(store: Store, filter_: Filter) -> Groups:
    groups, _ = await every_group(store, to_question(filter_, *SUMS, by=(Split("environment"),)))
    for word, active in (await sums_of_active.by_environment(store, filter_)).items():
        groups.setdefault((word, None), {}).update(installs_all=active.all, installs_people=active.people)
    return {keys: _NO_INSTALLS | counts for keys, counts in groups.items()}


async def _by_dimension(store: Store, filter_: Filter, dimension: str, history: History | None) -> Found:
    """Groups by a field of the context, without conditions: events from rollups, installs from raw events."""
    sums = dict[str | None, Counts]((await sums_of_values(store, filter_, dimension)).items())
    # The rollup has no rows for events without a value: their number is that of all events minus its own.
    everything = await figures(store, to_question(filter_, *SUMS), intervals=False)
    total = {f"{measure.value}_all": int(found.all[0] or 0) for measure, found in everything.items()}
    sums[None] = {name: count - sum(counts[name] for counts in sums.values()) for name, count in total.items()}
    by_field, since = await _by_field(store, filter_, tuple(each.name for each in rollups.DIMENSIONS), history)
    installs: dict[str | None, Counts] = {} if by_field is None else by_field[dimension]
    nothing: Counts = {} if by_field is None else _NO_INSTALLS
    values = {value for value, counts in sums.items() if counts["events_all"]} | installs.keys()
    return {(value, None): nothing | sums.get(value, {}) | installs.get(value, {}) for value in values}, since


def _together_with(by: By) -> tuple[str, ...]:
    """The fields to read together with a context field: those whose cards a page loads at the same time."""
    return (by.value,) if by in _ON_TOP else tuple(each.value for each in _TELLS_INSTALLS if each not in _ON_TOP)


@shared
@reused
async def _by_field(
    store: Store, filter_: Filter, fields: tuple[str, ...], history: History | None, *, sums: bool = False
) -> tuple[ByField | None, int | None]:
    """Installs by context fields, or with `sums` also events, from the history only. A page with several breakdowns reads the events once."""
    try:
        return await counts_by_field(store, to_question(filter_, Measure.INSTALLS), fields, history, sums=sums)
    except TooBroad:
        if sums:
            raise
        return None, None


async def named_properties(store: Store, project: int) -> list[str]:
    """The properties for which the project keeps counts."""
    rows = await store.rows("SELECT dimensions FROM project WHERE id = {}", project)
    return read_list(rows[0]["dimensions"]) if rows else []
