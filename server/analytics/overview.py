"""Key figures of a project, for a period and over time."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from server.analytics import active as sums_of_active
from server.analytics import comparison, exact_durations
from server.analytics.active import countable
from server.analytics.filters import Filter, to_question
from server.analytics.histograms import histogram
from server.analytics.installs import active_by_step
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
from server.event import PEOPLE
from server.history import History
from server.problems import TooBroad
from server.questions import answer, sampled_periods
from server.questions.answer_cache import reused
from server.questions.figures import figures
from server.questions.intervals import Interval
from server.questions.periods import Period, Step, starts
from server.questions.question import Measure
from server.questions.reader import kept_since
from server.questions.rollup_facts import audiences
from server.questions.sql import read, sql
from server.storage.engine import Store


class Overview(msgspec.Struct, frozen=True):
    """A period and the preceding one of the same length. A period that has not ended is compared with the corresponding part of the preceding one, up
    to `compared_until` (epoch ms, exclusive; None without a comparison). `since`: see `population`.

    `active` installs have an event in the period; `new` are those of them that were first seen in it. `installs` are all that the project knew at the end of
    the period, compared with its start, whatever conditions the filter has on events. Durations are in microseconds, the success rate is from 0 to 1.
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
    """Parallel lists with an entry for each step: its start (epoch ms), and its figures within the period. Steps without events are included.

    `active_all` and `active_people` count installs; they are None for hours, for which no activity is kept.
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
    # Concurrently, so that reads of the history are shared with the other figures of a page.
    own, (before, until), since = await asyncio.gather(
        figures_of(store, filter_, history=history), _compared(store, filter_, history), complete_since(store, filter_)
    )
    return compared(own, before, until, since)


def compared(figures: Figures, before: Figures, until: int | None, since: int | None) -> Overview:
    """Compare the figures of a period with those of the preceding one, up to a moment of it."""
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
    # Two questions: sums outlive raw events, from which installs may have to be counted.
    counted = figures(store, to_question(filter_, *map(Measure, _SUMMED), over=step), history, intervals=False)
    found, active = (await counted, []) if hourly else await asyncio.gather(counted, active_by_step(store, filter_, step, history))
    events, successes, failures = ([int(value or 0) for value in found[Measure(name)].all] for name in _SUMMED)
    return Series(
        starts=beginnings,
        events=events,
        successes=successes,
        failures=failures,
        active_all=None if hourly else [count.all for count in active],
        active_people=None if hourly else [count.people for count in active],
        since=await complete_since(store, filter_),
    )


async def _compared(store: Store, filter_: Filter, history: History | None) -> tuple[Figures, int | None]:
    """The figures of the compared part of the preceding period, and its end; None without a comparison."""
    parts = await comparison.before(store, filter_, epoch_ms())
    before = await _before(store, filter_, parts, history)
    return before, parts[-1].period.end if parts and before is not _NOTHING else None


async def _before(store: Store, filter_: Filter, parts: comparison.Parts, history: History | None) -> Figures:
    """The figures of the compared part of the preceding period; empty if it has too many raw events, or some of them were deleted."""
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
        estimates = await figures(store, to_question(filter_, Measure.EVENTS, Measure.FAILURE_RATE), history)
        found.events_interval = _interval(estimates[Measure.EVENTS])
        if (failing := _interval(estimates[Measure.FAILURE_RATE])) is not None:
            found.success_interval = 1 - failing[1], 1 - failing[0]
    return found


def _interval(estimate: answer.Figures) -> Interval | None:
    low, high = (None if bounds is None else bounds[0] for bounds in (estimate.all_low, estimate.all_high))
    return None if low is None or high is None else (low, high)


async def _read(store: Store, filter_: Filter, parts: comparison.Parts, history: History | None) -> Figures:
    parts = parts or (filter_,)
    if not countable(filter_):
        period = Period(parts[0].period.start, parts[-1].period.end, exact=parts[-1].period.exact)
        found, known = await asyncio.gather(_from_model(store, filter_.during(period), history), _known(store, filter_))
        return msgspec.structs.replace(found, known=known)
    known = await _known(store, filter_)
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


async def _from_model(store: Store, filter_: Filter, history: History | None) -> Figures:
    """Figures of the question model without known installs. Durations are exact, and all figures count the events that are kept."""
    counts, durations = await asyncio.gather(
        figures(store, to_question(filter_, *map(Measure, _SUMMED), Measure.INSTALLS, Measure.NEW_INSTALLS), history, intervals=False),
        figures(store, to_question(filter_, Measure.P50, Measure.P95), history, people=False),
    )
    values = {measure: (each.all[0] or 0, each.people[0] or 0) for measure, each in counts.items()}
    medians, p95s = durations[Measure.P50].all, durations[Measure.P95].all
    return Figures(
        events=int(values[Measure.EVENTS][0]),
        success_rate=rate(int(values[Measure.SUCCESSES][0]), int(values[Measure.FAILURES][0])),
        active=Installs(*map(int, values[Measure.INSTALLS])),
        new=Installs(*map(int, values[Measure.NEW_INSTALLS])),
        known=Installs(),
        median_us=None if medians[0] is None else round(medians[0] * 1_000),
        p95_us=None if p95s[0] is None else round(p95s[0] * 1_000),
    )


async def nothing() -> Figures:
    """The figures of no events."""
    return _NOTHING


async def _few(store: Store, parts: comparison.Parts, timed: int) -> list[int] | None:
    """All durations of some parts of a period, ascending, if they are few and kept."""
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
    if len(parts) == 1:
        found = await figures(store, to_question(parts[0], Measure.INSTALLS, Measure.NEW_INSTALLS))
        (active,), (new,) = (by_step(found[measure]) for measure in (Measure.INSTALLS, Measure.NEW_INSTALLS))
        return active, new
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
    counted = audiences(filter_.only_of("environment").conditions) if filter_.period.whole_days else None
    if counted:
        return await sums_of_active.known(store, filter_, counted)
    # By the last known environment of each install. A scan of a million installs takes 0.1 s.
    rows = await store.rows(
        "SELECT environment, COUNT(*) AS installs FROM install WHERE project_id = {} AND first_seen < {} GROUP BY environment",
        filter_.project,
        filter_.period.end,
    )
    allowed = filter_.allowed
    found = {row["environment"]: int(row["installs"]) for row in rows if allowed is None or row["environment"] in allowed}
    return Installs(sum(found.values()), sum(found.get(int(environment), 0) for environment in PEOPLE))
