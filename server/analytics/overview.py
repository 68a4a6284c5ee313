"""Figures of a project, at a glance and over time."""

from __future__ import annotations

import asyncio
import bisect
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from server.analytics import active as sums_of_active
from server.analytics import comparison, exact_durations
from server.analytics.active import audiences, countable
from server.analytics.answer_cache import reused
from server.analytics.filters import Filter
from server.analytics.histograms import histogram
from server.analytics.measures import (
    Change,
    DurationChange,
    Installs,
    InstallsChange,
    change,
    duration_change,
    installs,
    installs_change,
    percentiles,
    rate,
)
from server.analytics.population import complete_since, counted_together
from server.analytics.sources import SUMS, TIMED_SUMS, activity, distinct, sums, unique
from server.clock import epoch_ms
from server.event import DAY, HOUR, PEOPLE
from server.problems import TooBroad
from server.questions.periods import Step, starts
from server.questions.sql import read, sql, step_of
from server.storage.engine import Store


class Overview(msgspec.Struct, frozen=True):
    """A period beside the one before it, of the same length. While it has not ended, it is compared with the same time into the one before:
    `compared_until` is where that ends (epoch ms, exclusive), None where there is nothing to compare with. `since`: see `population`.

    `active` had an event in the period, `new` is those of them that were first seen in it. `installs` is all that the project knew at
    the period's end, beside all that it knew at the period's start, whatever the filter says of events. Durations are in microseconds, the success rate is 0 to 1.
    """

    events: Change
    active: InstallsChange
    new: InstallsChange
    installs: InstallsChange
    success_rate: Change
    median_us: DurationChange
    p95_us: DurationChange
    compared_until: int | None = None
    since: int | None = None


class Series(msgspec.Struct, frozen=True):
    """Parallel lists, an entry for each step: where it begins (epoch ms), and what the period has of it. Steps without events are there.

    `duration_us` is the sum over the `timed` events, None where durations were not asked for. `active_all` and `active_people` count
    installs; they are None by the hour, for which no activity is kept.
    """

    starts: list[int]
    events: list[int]
    successes: list[int]
    failures: list[int]
    timed: list[int] | None
    duration_us: list[int] | None
    active_all: list[int] | None
    active_people: list[int] | None
    since: int | None = None


class Figures(msgspec.Struct):
    """The figures of one period."""

    events: int
    success_rate: float | None
    active: Installs
    new: Installs
    known: Installs
    median_us: float | None
    p95_us: float | None
    exact: bool = True


_NOTHING = Figures(0, None, Installs(), Installs(), Installs(), None, None)


@reused
async def overview(store: Store, filter_: Filter) -> Overview:
    """The figures of a period, each with its change."""
    parts = await comparison.before(store, filter_, epoch_ms())
    figures, before = await asyncio.gather(figures_of(store, filter_), _before(store, filter_, parts))
    until = parts[-1].period.end if parts and before is not _NOTHING else None
    return compared(figures, before, until, await complete_since(store, filter_))


def compared(figures: Figures, before: Figures, until: int | None, since: int | None) -> Overview:
    """The figures of a period beside those of the one before, up to a moment of it."""
    exact = figures.exact and before.exact
    return Overview(
        events=change(figures.events, before.events),
        active=installs_change(figures.active, before.active),
        new=installs_change(figures.new, before.new),
        installs=installs_change(figures.known, before.known),
        success_rate=change(figures.success_rate, before.success_rate),
        median_us=duration_change(figures.median_us, before.median_us, exact=exact),
        p95_us=duration_change(figures.p95_us, before.p95_us, exact=exact),
        compared_until=until,
        since=since,
    )


@reused
async def series(store: Store, filter_: Filter, step: Step = Step.DAY, *, timed: bool = False) -> Series:
    """Counts over time. `timed` asks for durations too, which fewer rollups have. Raises BadQuery for too many steps."""
    beginnings = starts(filter_.period, step)
    hourly = step is Step.HOUR
    column, measures = ("hour" if hourly else "day"), (TIMED_SUMS if timed else SUMS)
    facts = sums(store, filter_, timed=timed, hourly=hourly)
    rows = await read(store, sql(f"SELECT {column} AS at, {measures} FROM (", facts, f") AS facts GROUP BY {column}"))
    unit = HOUR if hourly else DAY
    lists = {
        name: _gathered(rows, name, beginnings, unit)
        for name in ("events", "successes", "failures", *(("timed", "duration_us") if timed else ()))
    }
    active = [] if hourly else await active_by_step(store, filter_, step, beginnings)
    return Series(
        starts=beginnings,
        events=lists["events"],
        successes=lists["successes"],
        failures=lists["failures"],
        timed=lists.get("timed"),
        duration_us=lists.get("duration_us"),
        active_all=None if hourly else [count.all for count in active],
        active_people=None if hourly else [count.people for count in active],
        since=await complete_since(store, filter_),
    )


def _gathered(rows: Sequence[dict[str, Any]], name: str, beginnings: list[int], unit: int) -> list[int]:
    """Sums by hour or day, gathered into steps."""
    found = [0] * len(beginnings)
    for row in rows:
        found[bisect.bisect_right(beginnings, row["at"] * unit) - 1] += int(row[name])
    return found


async def active_by_step(store: Store, filter_: Filter, step: Step, beginnings: list[int]) -> list[Installs]:
    """Active installs in each step of a day or longer."""
    if counted := countable(filter_):
        return await sums_of_active.active_by_step(store, filter_, counted, step, beginnings)
    # By days as they are kept: in that order they need no sorting.
    of = "day" if step is Step.DAY else step_of(step, beginnings)
    query = sql(f"SELECT {of} AS step, {distinct()} FROM (", activity(store, filter_), f") AS facts GROUP BY {1 if of != 'day' else 'day'}")
    first = beginnings[0] // DAY if step is Step.DAY else 0
    found = [Installs()] * len(beginnings)
    for row in await read(store, query):
        found[row["step"] - first] = installs(row)
    return found


async def _before(store: Store, filter_: Filter, parts: comparison.Parts) -> Figures:
    """The figures of the period before, as far as it is compared; nothing where its raw events are too many."""
    earlier = filter_.period.before
    if not parts or earlier is None:
        return _NOTHING
    if any([await counted_together(store, part) is not part for part in parts]):
        return _NOTHING  # a part of the period has no raw events any more: nothing to compare with
    try:
        return await figures_of(store, filter_.during(earlier), parts)
    except TooBroad:
        if parts[-1].period.exact:
            return _NOTHING
        raise


async def figures_of(store: Store, filter_: Filter, parts: comparison.Parts = ()) -> Figures:
    """The figures of a filter's period, or of the `parts` of it that are read. Installs are those known at the period's end."""
    together = [await counted_together(store, part) for part in parts or (filter_,)]
    parts = tuple(part for part in together if part is not None)
    totals, histograms = Counter[str](), Counter[int]()
    for part in parts:
        (row,) = await read(store, sql(f"SELECT {SUMS} FROM (", sums(store, part), ") AS facts"))
        totals.update({name: int(row[name] or 0) for name in ("events", "successes", "failures")})
        histograms.update(dict(await histogram(store, part)))
    counted = sorted(histograms.items())
    few = await _few(store, parts, sum(histograms.values()))
    its = percentiles(counted, few)
    active, new = await active_and_new(store, *parts) if parts else (Installs(), Installs())
    return Figures(
        events=totals["events"],
        success_rate=rate(totals["successes"], totals["failures"]),
        active=active,
        new=new,
        known=await _known(store, filter_),
        median_us=its.p50,
        p95_us=its.p95,
        exact=its.exact or not counted,
    )


async def nothing() -> Figures:
    """The figures of no events."""
    return _NOTHING


async def _few(store: Store, parts: comparison.Parts, timed: int) -> list[int] | None:
    """All durations of some parts of a period, ascending, where they are few and kept."""
    if not 0 < timed <= exact_durations.FEW:
        return None
    found: list[int] = []
    for part in parts:
        count = sum(events for _, events in await histogram(store, part))
        few = await exact_durations.durations(store, part, count) if count else []
        if few is None:
            return None
        found += [each.duration_us for each in few]
    return sorted(found)


async def active_and_new(store: Store, *parts: Filter) -> tuple[Installs, Installs]:
    """Installs with an event in the period, and those of them that were first seen in it."""
    if len(parts) == 1 and (counted := countable(parts[0])):
        return await sums_of_active.active(store, parts[0], counted), await sums_of_active.new(store, parts[0], counted)
    came = f"first_seen >= {parts[0].period.start} AND first_seen < {parts[-1].period.end}"
    facts = sql(*(piece for place, part in enumerate(parts) for piece in (" UNION ALL " if place else "", activity(store, part))))
    (row,) = await read(
        store,
        sql(
            "SELECT COUNT(*) AS everyone, COALESCE(SUM(people), 0) AS people,",
            f" COALESCE(SUM(CASE WHEN {came} THEN 1 ELSE 0 END), 0) AS new_everyone,",
            f" COALESCE(SUM(CASE WHEN {came} THEN people ELSE 0 END), 0) AS new_people FROM (",
            unique(facts),
            ") AS active JOIN install ON install.id = active.install_id",
        ),
    )
    return installs(row), installs(row, "new_")


async def _known(store: Store, filter_: Filter) -> Installs:
    """All installs of the project that were seen before the period's end."""
    counted = audiences(filter_) if filter_.period.whole_days else None
    if counted:
        return await sums_of_active.known(store, filter_, counted)
    # By the environment that each was last known to run in. A million installs are looked through in 0.1 s.
    rows = await store.rows(
        "SELECT environment, COUNT(*) AS installs FROM install WHERE project_id = {} AND first_seen < {} GROUP BY environment",
        filter_.project,
        filter_.period.end,
    )
    allowed = filter_.allowed
    found = {row["environment"]: int(row["installs"]) for row in rows if allowed is None or row["environment"] in allowed}
    return Installs(sum(found.values()), sum(found.get(int(environment), 0) for environment in PEOPLE))
