"""Histograms and percentiles of durations, by event name or by target."""

from __future__ import annotations

import bisect
import enum
from collections import Counter
from typing import Any

import msgspec

from server.analytics import exact_durations
from server.analytics.active import countable
from server.analytics.exact_durations import Timed
from server.analytics.filters import Filter, to_question
from server.analytics.histograms import histogram, histograms
from server.analytics.measures import Percentiles, nearest_rank, percentiles
from server.analytics.sources import conditions, durations, timed_sums
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions.answer_cache import reused
from server.questions.facts import WEIGHT, Facts
from server.questions.figures import figures
from server.questions.periods import Step, starts
from server.questions.question import Measure
from server.questions.reader import Reader
from server.questions.sql import Sql, read, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.rollups import bucket_bounds
from server.storage.statements import duration_bucket

Rows = list[dict[str, Any]]

# The bars of a histogram: four for each power of two, each of eight buckets of the rollup.
_BUCKETS_A_BAR = 8


class Of(enum.Enum):
    """The field by which durations are grouped."""

    NAME = "name"
    TARGET = "target"


# The column by which events are grouped, and the query of its labels.
_WORDS = {
    Of.NAME: ("name_id", "SELECT id, text AS label, NULL AS type FROM event_name WHERE project_id = {}"),
    Of.TARGET: ("target_id", "SELECT id, external_id AS label, type FROM target WHERE project_id = {}"),
}


class Durations(msgspec.Struct, frozen=True):
    """Durations of one event name or target in microseconds, of the period's events with a duration.

    `mean` is exact; `percentiles` are exact while durations are few, else within 2 %. Bar i of the histogram covers `edges[i]` up to but not
    including `edges[i + 1]`, and holds `counts[i]` events; empty bars in between are included. `label` is an event's name or a target's id, None for
    the total.
    """

    label: str | None
    target_type: str | None
    timed: int
    mean: float | None
    percentiles: Percentiles
    edges: list[int]
    counts: list[int]


class Timings(msgspec.Struct, frozen=True):
    """The durations of all events together and of each group, those with the most events first."""

    total: Durations
    groups: list[Durations]


@reused
async def timings(store: Store, filter_: Filter, of: Of = Of.NAME, *, limit: int = 50, history: History | None = None) -> Timings:
    """Durations of all matching events, and by name or target. Groups by target have only events with a target."""
    key, words = _WORDS[of]
    labels = {row["id"]: (row["label"], row["type"]) for row in await store.rows(words, filter_.project)}
    columnar = await _from_history(store, filter_, of, history)
    if columnar is not None:
        numbers = {label: number for number, label in labels.items()}
        sums = buckets = [{**row, "value": numbers.get((row["label"], row["type"]))} for row in columnar]
    else:
        sums, buckets = await read(store, timed_sums(store, filter_, key)), await read(store, durations(store, filter_, key))
    everything = sums, buckets
    if columnar is None and of is Of.TARGET:
        counted = [{"bucket": bucket, "events": events} for bucket, events in await histogram(store, filter_)]
        everything = await read(store, timed_sums(store, filter_)), counted
    by_value, sums_of = _grouped(buckets), _grouped(sums)
    few = await exact_durations.durations(store, filter_, _timed(everything[1]))
    few_of = await exact_durations.durations_of(store, filter_, {value: _timed(rows) for value, rows in by_value.items()}, key)
    total = _durations((None, None), *everything, few)
    found = [
        _durations(labels[value], sums_of.get(value, []), rows, few_of.get(value)) for value, rows in by_value.items() if value in labels
    ]
    found.sort(key=lambda group: (-group.timed, group.target_type or "", group.label or ""))
    return Timings(total, found[:limit])


def _grouped(rows: Rows) -> dict[int, Rows]:
    """Rows by value; those without one are left out."""
    found: dict[int, Rows] = {}
    for row in rows:
        if row["value"] is not None:
            found.setdefault(row["value"], []).append(row)
    return found


def _timed(buckets: Rows) -> int:
    return sum(int(row["events"]) for row in buckets)


async def _from_history(store: Store, filter_: Filter, of: Of, history: History | None) -> Rows | None:
    """Durations by label, type and bucket: events and duration_us. None if rollups have them, or if the history is not ready or would be slower."""
    if filter_.period.whole_days and conditions(filter_) <= (set() if of is Of.NAME else {"target"}):
        return None
    keys = "event.name AS label, NULL AS type" if of is Of.NAME else "event.target_id AS label, event.target_type AS type"
    reader = Reader(store, to_question(filter_, Measure.EVENTS), filter_.known_versions, history)

    def query(facts: Facts, engine: SqlEngine) -> Sql:
        bucket = duration_bucket("event.duration_us", engine.divide)
        return sql(
            f"SELECT {keys}, {bucket} AS bucket, SUM({WEIGHT}) AS events, SUM({WEIGHT} * event.duration_us) AS duration_us FROM ",
            facts.source_rows(engine),
            " AND event.duration_us IS NOT NULL GROUP BY 1, 2, 3",
        )

    return await reader.read_history(reader.facts(Facts, filter_.period, ()), query)


class Medians(msgspec.Struct, frozen=True):
    """Parallel lists: the start of each step (epoch ms), and its median duration in microseconds, None if there are no durations.

    `exact` if durations are few; otherwise each is within 2 %.
    """

    starts: list[int]
    medians: list[float | None]
    exact: bool


@reused
async def medians(store: Store, filter_: Filter, step: Step = Step.DAY, history: History | None = None) -> Medians:
    """The median duration over time, by day or longer steps. Raises BadQuery for hours, and for too many steps."""
    if step is Step.HOUR:
        raise BadQuery(FieldError("step", "must be a day or longer"))
    beginnings = starts(filter_.period, step)
    if not countable(filter_):
        found = (await figures(store, to_question(filter_, Measure.P50, over=step), history, people=False))[Measure.P50]
        return Medians(beginnings, [None if value is None else round(value * 1_000) for value in found.all], exact=True)
    few = await exact_durations.durations(store, filter_, sum(events for _, events in await histogram(store, filter_)))
    if few is not None:
        steps: list[list[int]] = [[] for _ in beginnings]
        for each in few:
            steps[bisect.bisect_right(beginnings, each.day * DAY) - 1].append(each.duration_us)
        return Medians(beginnings, [nearest_rank(each, 0.5) for each in steps], exact=True)
    return Medians(beginnings, [step.percentile(0.5) for step in await histograms(store, filter_, beginnings)], exact=False)


def _durations(label: tuple[str | None, str | None], sums: Rows, buckets: Rows, few: list[Timed] | None) -> Durations:
    events: Counter[int] = Counter()
    for row in buckets:
        events[int(row["bucket"])] += int(row["events"])
    counted, timed = sorted(events.items()), sum(events.values())
    mean = sum(int(row["duration_us"] or 0) for row in sums) / timed if timed else None
    exact = None if few is None else [each.duration_us for each in few]
    return Durations(*label, timed, mean, percentiles(counted, exact), *_histogram(counted))


def _histogram(buckets: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Edges and counts of bars, from the first to the last that has events."""
    if not buckets:
        return [], []
    first, last = buckets[0][0] // _BUCKETS_A_BAR, buckets[-1][0] // _BUCKETS_A_BAR
    counts = [0] * (last - first + 1)
    for bucket, events in buckets:
        counts[bucket // _BUCKETS_A_BAR - first] += events
    return [bucket_bounds(bar * _BUCKETS_A_BAR)[0] for bar in range(first, last + 2)], counts
