"""Histograms and percentiles of durations, by event name or by target."""

from __future__ import annotations

import bisect
import enum
from collections import Counter
from typing import Any

import msgspec

from server.analytics import exact_durations
from server.analytics.active import countable
from server.analytics.filters import Filter, to_question
from server.analytics.histograms import by_day, histogram, histograms
from server.analytics.measures import Percentiles, nearest_rank, percentiles
from server.analytics.sources import conditions, durations, sums
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions.answer_cache import reused
from server.questions.facts import WEIGHT, Facts
from server.questions.figures import figures
from server.questions.periods import Step, starts
from server.questions.question import Measure
from server.questions.reader import Reader
from server.questions.sql import Sql, read, sql, step_of
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.rollups import bucket_bounds, bucket_middle
from server.storage.statements import duration_bucket

# The bars of a histogram: four for each power of two, each of eight buckets of the rollup.
_BUCKETS_A_BAR = 8


class Of(enum.Enum):
    """The field by which durations are grouped."""

    NAME = "name"
    TARGET = "target"


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
    columnar = await _from_history(store, filter_, of, history)
    total = await _all(store, filter_, columnar)
    found = await (_by_name if of is Of.NAME else _by_target)(store, filter_, columnar)
    found.sort(key=lambda group: (-group.timed, group.target_type or "", group.label or ""))
    return Timings(total, found[:limit])


async def _from_history(store: Store, filter_: Filter, of: Of, history: History | None) -> list[dict[str, Any]] | None:
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
    if by_day(filter_):
        return Medians(beginnings, [step.percentile(0.5) for step in await histograms(store, filter_, beginnings)], exact=False)
    facts = sql(
        f"SELECT {step_of(step, beginnings)} AS step, bucket, SUM(events) AS events FROM (",
        durations(store, filter_),
        ") AS facts GROUP BY 1, 2",
    )
    # The bucket of the median by the nearest rank, like `measures.percentile`. In SQL, because there are thousands of buckets.
    middle = sql(
        "SELECT step, MIN(bucket) AS bucket FROM (SELECT step, bucket, SUM(events) OVER (PARTITION BY step ORDER BY bucket) AS up_to,"
        " SUM(events) OVER (PARTITION BY step) AS timed FROM (",
        facts,
        ") AS counted) AS ranked WHERE 2 * up_to >= timed AND timed > 0 GROUP BY step",
    )
    middles: list[float | None] = [None] * len(beginnings)
    for row in await read(store, middle):
        middles[row["step"]] = bucket_middle(row["bucket"])
    return Medians(beginnings, middles, exact=False)


async def _all(store: Store, filter_: Filter, columnar: list[dict[str, Any]] | None) -> Durations:
    if columnar is not None:
        events: Counter[int] = Counter()
        for row in columnar:
            events[int(row["bucket"])] += int(row["events"])
        counted, took = sorted(events.items()), sum(int(row["duration_us"]) for row in columnar)
    else:
        counted = await histogram(store, filter_)
        (sum_,) = await read(store, sql("SELECT SUM(duration_us) AS duration_us FROM (", sums(store, filter_, timed=True), ") AS facts"))
        took = int(sum_["duration_us"] or 0)
    few = await exact_durations.durations(store, filter_, sum(number for _, number in counted))
    return _durations(None, None, counted, took, None if few is None else [each.duration_us for each in few])


async def _by_name(store: Store, filter_: Filter, columnar: list[dict[str, Any]] | None) -> list[Durations]:
    names = await store.rows("SELECT id, text AS label, NULL AS type FROM event_name WHERE project_id = {}", filter_.project)
    if columnar is not None:
        totals = buckets = _numbered(columnar, names)
    else:
        totals = await read(store, _summed("name_id", sums(store, filter_, timed=True)))
        buckets = await read(store, _bucketed(durations(store, filter_, by="name_id")))
    few = await exact_durations.durations_of(store, filter_, "name_id", _timed(buckets))
    return _groups(names, totals, buckets, few)


async def _by_target(store: Store, filter_: Filter, columnar: list[dict[str, Any]] | None) -> list[Durations]:
    targets = await store.rows("SELECT id, external_id AS label, type FROM target WHERE project_id = {}", filter_.project)
    if columnar is not None:
        totals = buckets = _numbered(columnar, targets)
    else:
        totals = await read(store, _summed("value", sums(store, filter_, by="target_id", timed=True)))
        buckets = await read(store, _bucketed(durations(store, filter_, by="target_id")))
    few = await exact_durations.durations_of(store, filter_, "target_id", _timed(buckets))
    return _groups(targets, totals, buckets, few)


def _numbered(columnar: list[dict[str, Any]], words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the history with the number of their name or target."""
    numbers = {(row["label"], row["type"]): row["id"] for row in words}
    return [{**row, "number": numbers.get((row["label"], row["type"]))} for row in columnar]


def _summed(key: str, facts: Sql) -> Sql:
    return sql(f"SELECT {key} AS number, SUM(duration_us) AS duration_us FROM (", facts, f") AS facts GROUP BY {key}")


def _bucketed(facts: Sql) -> Sql:
    return sql("SELECT value AS number, bucket, SUM(events) AS events FROM (", facts, ") AS facts GROUP BY value, bucket")


def _timed(buckets: list[dict[str, Any]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in buckets:
        if row["number"] is not None:
            found[row["number"]] = found.get(row["number"], 0) + int(row["events"])
    return found


def _groups(
    words: list[dict[str, Any]], totals: list[dict[str, Any]], buckets: list[dict[str, Any]], few: dict[int, list[int]]
) -> list[Durations]:
    known = {row["id"]: (row["label"], row["type"]) for row in words}
    took: Counter[int] = Counter()
    for row in totals:
        took[row["number"]] += int(row["duration_us"] or 0)
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in buckets:
        if row["number"] in known:
            grouped.setdefault(row["number"], []).append(row)
    return [_durations(*known[number], _counted(rows), took[number], few.get(number)) for number, rows in grouped.items()]


def _counted(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return sorted((int(row["bucket"]), int(row["events"])) for row in rows)


def _durations(
    label: str | None, target_type: str | None, buckets: list[tuple[int, int]], duration_us: int, exact: list[int] | None
) -> Durations:
    timed = sum(events for _, events in buckets)
    edges, counts = _histogram(buckets)
    return Durations(label, target_type, timed, duration_us / timed if timed else None, percentiles(buckets, exact), edges, counts)


def _histogram(buckets: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Edges and counts of bars, from the first to the last that has events."""
    if not buckets:
        return [], []
    first, last = buckets[0][0] // _BUCKETS_A_BAR, buckets[-1][0] // _BUCKETS_A_BAR
    counts = [0] * (last - first + 1)
    for bucket, events in buckets:
        counts[bucket // _BUCKETS_A_BAR - first] += events
    return [bucket_bounds(bar * _BUCKETS_A_BAR)[0] for bar in range(first, last + 2)], counts
