"""How many installs get from one event to the next, in order and in time. Reads raw events: no rollup knows what followed what."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.analytics.filters import Filter, equals
from server.analytics.measures import Installs, share
from server.analytics.sources import for_both, raw_events
from server.event import DAY, FieldError
from server.problems import BadQuery
from server.questions.sql import Sql, bound, read, sql
from server.storage.engine import Store

MOST_STEPS = 10
_EVENT = "install_id, occurred_at, place"
_IN_ORDER = "PARTITION BY install_id ORDER BY occurred_at, place"


class FunnelStep(msgspec.Struct, frozen=True):
    """How many installs came as far as this event, all and people's; their share of the first step and of the one before, 0 to 1."""

    name: str
    installs: Installs
    of_first: float | None
    of_before: float | None


async def funnel(store: Store, filter_: Filter, names: Sequence[str], *, within: int = DAY) -> list[FunnelStep]:
    """Installs that had the events `names` one after the other, all of them `within` so many milliseconds of the first.

    Other events may lie between. An install counts as far as its best try comes, whichever of its first steps that began with, as
    ClickHouse's `windowFunnel` has it. At the same millisecond, events are taken in the funnel's order: clients send them at once, and
    they arrive in any. The shares are of all installs. Raises BadQuery for too few or too many steps, TooBroad for too many events.
    """
    if not 2 <= len(names) <= MOST_STEPS:
        raise BadQuery(FieldError("steps", f"must be 2 to {MOST_STEPS} names"))
    if within <= 0:
        raise BadQuery(FieldError("within", "must be more than 0"))
    filter_ = filter_.but("name").only(*equals(names=tuple(dict.fromkeys(names))))
    everyone, people = await for_both(filter_, lambda asked: _reached(store, asked, names, within))
    return [
        FunnelStep(name, Installs(all_, people[step]), share(all_, everyone[0]), share(all_, everyone[max(0, step - 1)]))
        for step, (name, all_) in enumerate(zip(names, everyone, strict=True))
    ]


async def _reached(store: Store, filter_: Filter, names: Sequence[str], within: int) -> list[int]:
    counts = ", ".join(
        f"COUNT(DISTINCT CASE WHEN start{step} IS NOT NULL THEN install_id END) AS reached{step}" for step in range(len(names))
    )
    (row,) = await read(store, sql(f"SELECT {counts} FROM (", _chains(store, filter_, names, within), ") AS chains"))
    return [int(row[f"reached{step}"]) for step in range(len(names))]


def _chains(store: Store, filter_: Filter, names: Sequence[str], within: int) -> Sql:
    """Each event with the latest beginning of a try that it takes to each step: the later it began, the more time is left for the rest.

    start0 is the time of a first step. start(n) is, at an event of step n, the latest start(n - 1) of the install's events before it, if
    that is not too long ago. One window function a step, all in the same order.
    """
    places = [names.index(name) for name in names]  # of a name that comes twice, the first place stands for both
    chain = sql(f"SELECT {_EVENT}, CASE WHEN place = 0 THEN occurred_at END AS start0 FROM (", _tried(store, filter_, names), ") AS events")
    for step in range(1, len(names)):
        kept = ", ".join(f"start{number}" for number in range(step))
        reached = f"CASE WHEN place = {places[step]} AND occurred_at - latest <= {int(within)} THEN latest END"
        chain = sql(
            f"SELECT {_EVENT}, {kept}, {reached} AS start{step} FROM (",
            f"SELECT {_EVENT}, {kept}, MAX(start{step - 1}) OVER ({_IN_ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest",
            " FROM (",
            chain,
            f") AS before{step}) AS chain{step}",
        )
    return chain


def _tried(store: Store, filter_: Filter, names: Sequence[str]) -> Sql:
    """The events that can make a difference.

    Where the same event follows itself, only the first of the row can be the soonest of its step, and the last the latest beginning. Tools
    do the same thing over and over, so this spares most of the work. It holds where no name comes twice.
    """
    events = _events(store, filter_, names)
    if len(set(names)) < len(names):
        return events
    around = f"LAG(place) OVER ({_IN_ORDER}) AS earlier, LEAD(place) OVER ({_IN_ORDER}) AS later"
    return sql(
        f"SELECT {_EVENT} FROM (SELECT {_EVENT}, {around} FROM (",
        events,
        ") AS events) AS neighbours WHERE earlier IS NULL OR later IS NULL OR earlier <> place OR later <> place",
    )


def _events(store: Store, filter_: Filter, names: Sequence[str]) -> Sql:
    """The installs' events of the funnel's names, with the place of each name in the funnel."""
    places = [piece for place, name in enumerate(names) for piece in (" WHEN text = ", bound(name), f" THEN {place}")]
    return sql(
        "SELECT raw.install_id, raw.occurred_at, CASE",
        *places,
        " END AS place FROM (",
        raw_events(store, filter_),
        ") AS raw JOIN event_name ON event_name.id = raw.name_id WHERE raw.install_id IS NOT NULL",
    )
