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
from server.analytics.filters import Filter, asked
from server.analytics.histograms import histogram
from server.analytics.measures import (
    Change,
    DurationChange,
    Installs,
    InstallsChange,
    by_step,
    change,
    duration_change,
    installs,
    installs_change,
    percentiles,
    rate,
)
from server.analytics.population import complete_since
from server.analytics.sources import SUMS, activity, sums, unique
from server.clock import epoch_ms
from server.event import DAY, HOUR, PEOPLE
from server.history import History
from server.problems import TooBroad
from server.questions import answer, sampled_periods
from server.questions.figures import figures
from server.questions.intervals import Interval
from server.questions.periods import Period, Step, starts
from server.questions.question import Measure
from server.questions.reader import kept_since
from server.questions.sql import read, sql
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

    `active_all` and `active_people` count
    installs; they are None by the hour, for which no activity is kept.
    """

    starts: list[int]
    events: list[int]
    successes: list[int]
    failures: list[int]
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
    events_interval: Interval | None = None
    success_interval: Interval | None = None


_SUMMED = ("events", "successes", "failures")
_NOTHING = Figures(0, None, Installs(), Installs(), Installs(), None, None)


@reused
async def overview(store: Store, filter_: Filter, history: History | None = None) -> Overview:
    """The figures of a period, each with its change."""
    parts = await comparison.before(store, filter_, epoch_ms())
    own, before = await asyncio.gather(figures_of(store, filter_, history=history), _before(store, filter_, parts, history))
    until = parts[-1].period.end if parts and before is not _NOTHING else None
    return compared(own, before, until, await complete_since(store, filter_))


def compared(figures: Figures, before: Figures, until: int | None, since: int | None) -> Overview:
    """The figures of a period beside those of the one before, up to a moment of it."""
    exact = figures.exact and before.exact
    return Overview(
        events=change(figures.events, before.events, figures.events_interval),
        active=installs_change(figures.active, before.active),
        new=installs_change(figures.new, before.new),
        installs=installs_change(figures.known, before.known),
        success_rate=change(figures.success_rate, before.success_rate, figures.success_interval),
        median_us=duration_change(figures.median_us, before.median_us, exact=exact),
        p95_us=duration_change(figures.p95_us, before.p95_us, exact=exact),
        compared_until=until,
        since=since,
    )


@reused
async def series(store: Store, filter_: Filter, step: Step = Step.DAY, history: History | None = None) -> Series:
    """Counts over time. Raises BadQuery for too many steps."""
    beginnings = starts(filter_.period, step)
    hourly = step is Step.HOUR
    if countable(filter_):
        column = "hour" if hourly else "day"
        facts = sums(store, filter_, hourly=hourly)
        rows = await read(store, sql(f"SELECT {column} AS at, {SUMS} FROM (", facts, f") AS facts GROUP BY {column}"))
        lists = [_gathered(rows, name, beginnings, HOUR if hourly else DAY) for name in _SUMMED]
    else:
        found = await figures(store, asked(filter_, *map(Measure, _SUMMED), over=step), history)
        lists = [[int(value or 0) for value in found[Measure(name)].all] for name in _SUMMED]
    active = [] if hourly else await active_by_step(store, filter_, step, beginnings, history)
    events, successes, failures = lists
    return Series(
        starts=beginnings,
        events=events,
        successes=successes,
        failures=failures,
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


async def active_by_step(
    store: Store, filter_: Filter, step: Step, beginnings: list[int], history: History | None = None
) -> list[Installs]:
    """Active installs in each step. With conditions, each step can be an hour."""
    if counted := countable(filter_):
        return await sums_of_active.active_by_step(store, filter_, counted, step, beginnings)
    found = (await figures(store, asked(filter_, Measure.INSTALLS, over=step), history))[Measure.INSTALLS]
    return by_step(found)


async def _before(store: Store, filter_: Filter, parts: comparison.Parts, history: History | None) -> Figures:
    """The figures of the period before, as far as it is compared; nothing where its raw events are too many, or some of them deleted."""
    earlier = filter_.period.before
    raw = [part for part in parts if not countable(part)]
    if not parts or earlier is None or (raw and raw[0].period.start < (await kept_since(store, filter_.project) or 0)):
        return _NOTHING
    try:
        return await figures_of(store, filter_.during(earlier), parts, history)
    except TooBroad:
        if parts[-1].period.exact:
            return _NOTHING
        raise


async def figures_of(store: Store, filter_: Filter, parts: comparison.Parts = (), history: History | None = None) -> Figures:
    """The figures of a filter's period, or of the `parts` of it that are read. Installs are those known at the period's end.

    Counts of a whole period with sampled events have their intervals.
    """
    found = await _read(store, filter_, parts, history)
    if not parts and await sampled_periods.is_sampled(store, filter_.project, filter_.period):
        estimates = await figures(store, asked(filter_, Measure.EVENTS, Measure.FAILURE_RATE), history)
        found.events_interval = _interval(estimates[Measure.EVENTS])
        if (failing := _interval(estimates[Measure.FAILURE_RATE])) is not None:
            found.success_interval = 1 - failing[1], 1 - failing[0]
    return found


def _interval(estimate: answer.Figures) -> Interval | None:
    low, high = (None if bounds is None else bounds[0] for bounds in (estimate.all_low, estimate.all_high))
    return None if low is None or high is None else (low, high)


async def _read(store: Store, filter_: Filter, parts: comparison.Parts, history: History | None) -> Figures:
    parts = parts or (filter_,)
    known = await _known(store, filter_)
    if not countable(filter_):
        period = Period(parts[0].period.start, parts[-1].period.end, exact=parts[-1].period.exact)
        return await _from_model(store, filter_.during(period), known, history)
    totals, histograms = Counter[str](), Counter[int]()
    for part in parts:
        (row,) = await read(store, sql(f"SELECT {SUMS} FROM (", sums(store, part), ") AS facts"))
        totals.update({name: int(row[name] or 0) for name in _SUMMED})
        histograms.update(dict(await histogram(store, part)))
    counted = sorted(histograms.items())
    few = await _few(store, parts, sum(histograms.values()))
    its = percentiles(counted, few)
    active, new = await active_and_new(store, *parts)
    return Figures(
        events=totals["events"],
        success_rate=rate(totals["successes"], totals["failures"]),
        active=active,
        new=new,
        known=known,
        median_us=its.p50,
        p95_us=its.p95,
        exact=its.exact or not counted,
    )


async def _from_model(store: Store, filter_: Filter, known: Installs, history: History | None) -> Figures:
    """Figures of the question model, whose durations are exact. They count the events that are kept."""
    counts = await figures(store, asked(filter_, *map(Measure, _SUMMED), Measure.INSTALLS, Measure.NEW_INSTALLS), history)
    durations = await figures(store, asked(filter_, Measure.P50, Measure.P95), history, people=False)
    values = {measure: (each.all[0] or 0, each.people[0] or 0) for measure, each in counts.items()}
    medians, p95s = durations[Measure.P50].all, durations[Measure.P95].all
    return Figures(
        events=int(values[Measure.EVENTS][0]),
        success_rate=rate(int(values[Measure.SUCCESSES][0]), int(values[Measure.FAILURES][0])),
        active=Installs(*map(int, values[Measure.INSTALLS])),
        new=Installs(*map(int, values[Measure.NEW_INSTALLS])),
        known=known,
        median_us=None if medians[0] is None else round(medians[0] * 1_000),
        p95_us=None if p95s[0] is None else round(p95s[0] * 1_000),
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
