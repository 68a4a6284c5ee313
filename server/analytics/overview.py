"""Key figures of a project, for a period and over time."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from server.analytics import active as sums_of_active
from server.analytics import comparison, exact_durations, measures
from server.analytics.active import complete_since, countable
from server.analytics.filters import Filter, to_question
from server.analytics.histograms import histogram
from server.analytics.installs import active_by_step
from server.analytics.measures import Change, DurationChange, Installs, InstallsChange, Percentiles, by_step
from server.analytics.sources import activity_of, to_facts
from server.clock import epoch_ms
from server.event import PEOPLE
from server.history import History
from server.problems import TooBroad
from server.questions import answer
from server.questions.answer_cache import reused
from server.questions.counting import SUMS
from server.questions.facts import kept_since
from server.questions.figures import figures
from server.questions.intervals import Interval
from server.questions.periods import Period, Step, starts
from server.questions.question import Measure
from server.questions.rollup_facts import audiences
from server.questions.sql import read, sql
from server.questions.sql_engines import sql_of
from server.storage.engine import Store


class Overview(msgspec.Struct, frozen=True):
    """A period and the preceding one of the same length. A period that has not ended is compared with the corresponding part of the preceding one, up
    to `compared_until` (epoch ms, exclusive; None without a comparison). `since`: see `active.complete_since`.

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
    durations: Percentiles
    events_interval: Interval | None = None
    success_interval: Interval | None = None


NO_DURATIONS = Percentiles(exact=True)
NOTHING = Figures(0, None, Installs(), Installs(), Installs(), NO_DURATIONS)


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
    exact = figures.durations.exact and before.durations.exact
    return Overview(
        events=measures.change(figures.events, before.events, figures.events_interval),
        active=measures.installs_change(figures.active, before.active),
        new=measures.installs_change(figures.new, before.new),
        installs=measures.installs_change(figures.known, before.known),
        success_rate=measures.change(figures.success_rate, before.success_rate, figures.success_interval),
        median_us=measures.duration_change(figures.durations.p50, before.durations.p50, exact=exact),
        p95_us=measures.duration_change(figures.durations.p95, before.durations.p95, exact=exact),
        compared_until=until,
        since=since,
    )


@reused
async def series(store: Store, filter_: Filter, step: Step = Step.DAY, history: History | None = None) -> Series:
    """Counts over time. Raises BadQuery for too many steps."""
    beginnings = starts(filter_.period, step)
    hourly = step is Step.HOUR
    # Two questions: sums outlive raw events, from which installs may have to be counted.
    counted = figures(store, to_question(filter_, *SUMS, over=step), history, intervals=False)
    found, active = (await counted, []) if hourly else await asyncio.gather(counted, active_by_step(store, filter_, step, history))
    events, successes, failures = ([int(value or 0) for value in found[measure].all] for measure in SUMS)
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
    """The figures of the compared part of the preceding period, and its end.

    Both are empty without such a part, and if it has too many raw events, or some of them were deleted.
    """
    parts, earlier = await comparison.before(store, filter_, epoch_ms()), filter_.period.before
    raw = [part for part in parts if not countable(part)]
    if earlier is None or not parts or (raw and raw[0].period.start < (await kept_since(store, filter_.project) or 0)):
        return NOTHING, None
    try:
        return await figures_of(store, filter_.during(earlier), parts, history), parts[-1].period.end
    except TooBroad:
        if parts[-1].period.exact:
            return NOTHING, None
        raise


async def figures_of(store: Store, filter_: Filter, parts: comparison.Parts = (), history: History | None = None) -> Figures:
    """The figures of a filter's period, or of the `parts` of it that are read. Installs are those known at the period's end.

    Counts of a whole period with sampled events have their intervals.
    """
    is_countable, reads = countable(filter_) is not None, parts or (filter_,)
    if not is_countable:
        reads = (filter_.during(Period(reads[0].period.start, reads[-1].period.end, exact=reads[-1].period.exact)),)
    found, known, durations = await asyncio.gather(
        _counts(store, reads, history, intervals=not parts),
        _known(store, filter_),
        _from_histograms(store, reads) if is_countable else _from_model(store, reads[0], history),
    )
    counts = {measure: int(found[measure].all[0] or 0) for measure in SUMS}
    (active,), (new,) = (by_step(found[measure]) for measure in (Measure.INSTALLS, Measure.NEW_INSTALLS))
    success_rate = measures.rate(counts[Measure.SUCCESSES], counts[Measure.FAILURES])
    failing = _interval(found.get(Measure.FAILURE_RATE))
    intervals = _interval(found[Measure.EVENTS]), failing and (1 - failing[1], 1 - failing[0])
    return Figures(counts[Measure.EVENTS], success_rate, active, new, known, durations, *intervals)


def _interval(estimate: answer.Figures | None) -> Interval | None:
    if estimate is None or estimate.all_low is None or estimate.all_high is None:
        return None
    low, high = estimate.all_low[0], estimate.all_high[0]
    return None if low is None or high is None else (low, high)


async def _counts(store: Store, parts: comparison.Parts, history: History | None, *, intervals: bool) -> dict[Measure, answer.Figures]:
    """The counts of events, the installs with an event, and those of them that were first seen in the period."""
    if len(parts) == 1:
        counted = (*SUMS, Measure.FAILURE_RATE, Measure.INSTALLS, Measure.NEW_INSTALLS)
        return await figures(store, to_question(parts[0], *counted), history, intervals=intervals)
    found = [await figures(store, to_question(part, *SUMS), history, intervals=False) for part in parts]
    sums = {measure: answer.Figures(measure, [sum(each[measure].all[0] or 0 for each in found)], []) for measure in SUMS}
    return sums | await _installs_of_parts(store, parts)


async def _from_model(store: Store, filter_: Filter, history: History | None) -> Percentiles:
    found = await figures(store, to_question(filter_, Measure.P50, Measure.P95), history, people=False)
    p50, p95 = (None if value is None else round(value * 1_000) for value in (found[each].all[0] for each in (Measure.P50, Measure.P95)))
    return Percentiles(p50=p50, p95=p95, exact=True)


async def _from_histograms(store: Store, parts: comparison.Parts) -> Percentiles:
    """Percentiles from rollups; exact ones if durations are few and kept."""
    counted = [(part, await histogram(store, part)) for part in parts]
    total: Counter[int] = Counter()
    for _, buckets in counted:
        total.update(dict(buckets))
    if not total:
        return NO_DURATIONS
    exact: list[int] | None = [] if total.total() <= exact_durations.FEW else None
    for part, buckets in counted:
        if exact is not None and buckets:
            few = await exact_durations.durations(store, part, sum(events for _, events in buckets))
            exact = None if few is None else [*exact, *(each.duration_us for each in few)]
    return measures.percentiles(sorted(total.items()), exact and sorted(exact))


async def _installs_of_parts(store: Store, parts: comparison.Parts) -> dict[Measure, answer.Figures]:
    """The installs of `_counts`; an install of both parts counts once."""
    came = f"first_seen >= {parts[0].period.start} AND first_seen < {parts[-1].period.end}"
    facts = (to_facts(activity_of(part), part).sql(sql_of(store)) for part in parts)
    days, hours = (sql("SELECT install_id, people FROM (", each, ") AS facts") for each in facts)
    (row,) = await read(
        store,
        sql(
            "SELECT COUNT(*) AS installs_all, SUM(people) AS installs_people, SUM(is_new) AS new_installs_all, SUM(is_new * people) AS new_installs_people",
            f" FROM (SELECT people, CASE WHEN {came} THEN 1 ELSE 0 END AS is_new FROM (SELECT install_id, MAX(people) AS people FROM (",
            days,
            " UNION ALL ",
            hours,
            ") AS facts WHERE install_id IS NOT NULL GROUP BY install_id) AS active JOIN install ON install.id = active.install_id) AS counted",
        ),
    )
    counts = {
        measure: [[row[f"{measure.value}_{who}"]] for who in ("all", "people")] for measure in (Measure.INSTALLS, Measure.NEW_INSTALLS)
    }
    return {measure: answer.Figures(measure, *each) for measure, each in counts.items()}


async def _known(store: Store, filter_: Filter) -> Installs:
    """All installs of the project that were seen before the period's end."""
    counted = audiences(tuple(each for each in filter_.conditions if each.field == "environment")) if filter_.period.whole_days else None
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
