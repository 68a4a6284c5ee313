"""The versions that a chart shows by name: the newest, those that fail far more often than the others, and the most used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from server.analytics.filters import Filter, to_question
from server.analytics.sources import activity_of, sums_of_values, to_facts
from server.history import History
from server.questions.figures import every_group
from server.questions.question import MAX_CONDITIONS, MAX_VALUES, By, Condition, Measure, Op
from server.questions.rollup_facts import ActivityFacts
from server.questions.sql import listed, read, sql
from server.questions.sql_engines import sql_of
from server.questions.versions import newest_first
from server.storage.engine import Store

NEWEST = 3  # newest versions to name, of those that more than one install ran
FAR_ABOVE = 2.0  # times the failure rate of all other versions
FAR_ABOVE_BY = 0.05  # and at least this difference
ENOUGH = 20  # events with an outcome


Ended = dict[str, tuple[int, int]]  # by version: the events that failed, and those with an outcome


class Rates(NamedTuple):
    """The failure rate of each version (0 to 1, of events with an outcome), and the versions whose rate is far above that of the others."""

    failure: dict[str, float]
    outstanding: list[str]


async def choose(
    store: Store, filter_: Filter, ran: Mapping[tuple[str, int], int], limit: int, history: History | None
) -> tuple[list[str], Rates]:
    """Choose at most `limit` versions, the most used first, and return them with all failure rates. Versions of a single install are excluded.

    `ran` holds the installs of each version and step.
    """
    totals: Counter[str] = Counter()
    for (version, _), installs in ran.items():
        totals[version] += installs
    several = {version for (version, _), installs in ran.items() if installs > 1}
    alone = await _alone(store, filter_, [version for version in totals if version not in several], history)
    ended = await _ended(store, filter_, history)
    ranked = sorted((version for version in totals if version not in alone), key=lambda version: (-totals[version], version))
    rates = _rates(ended)
    candidates = set(ranked)
    newest = newest_first(ranked)[: max(1, min(NEWEST, limit // 3))]
    outstanding = [version for version in rates.outstanding if version in candidates][: max(1, limit // 3)]
    chosen = list(dict.fromkeys([*outstanding, *newest, *ranked]))[:limit]
    return [version for version in ranked if version in chosen], Rates(rates.failure, outstanding)


async def _alone(store: Store, filter_: Filter, versions: list[str], history: History | None) -> set[str | None]:
    """The given versions that only a single install ran."""
    if not versions:
        return set()
    if activity_of(filter_) is ActivityFacts:
        rows = sql(
            "SELECT version, COUNT(DISTINCT install_id) AS installs FROM ", to_facts(ActivityFacts, filter_).source_rows(sql_of(store))
        )
        query = sql(rows, " AND version IN (", listed(versions), ") GROUP BY version")
        return {row["version"] for row in await read(store, query) if row["installs"] == 1}
    is_short = len(versions) <= MAX_VALUES and len(filter_.conditions) < MAX_CONDITIONS
    chosen = filter_.only(Condition("version", Op.IS, tuple(versions))) if is_short else filter_
    groups, _ = await every_group(store, to_question(chosen, Measure.INSTALLS, by=(By("version"),)), history)
    return {version for (version, _), counts in groups.items() if counts.get("installs_all") == 1}


async def _ended(store: Store, filter_: Filter, history: History | None) -> Ended:
    if activity_of(filter_) is ActivityFacts:
        counted = await sums_of_values(store, filter_, "version")
    else:
        groups, _ = await every_group(store, to_question(filter_, Measure.SUCCESSES, Measure.FAILURES, by=(By("version"),)), history)
        counted = {version: counts for (version, _), counts in groups.items() if version is not None}
    ended = {version: [counts.get(f"{name}_all", 0) for name in ("failures", "successes")] for version, counts in counted.items()}
    return {version: (failures, failures + successes) for version, (failures, successes) in ended.items()}


def _rates(ended: Ended) -> Rates:
    all_failures, all_ended = (sum(pair[place] for pair in ended.values()) for place in (0, 1))
    found: dict[str, float] = {}
    excess: dict[str, float] = {}
    for version, (failures, count) in ended.items():
        if not count:
            continue
        rate = found[version] = failures / count
        usual = (all_failures - failures) / (all_ended - count) if all_ended > count else rate
        if count >= ENOUGH and rate >= FAR_ABOVE * usual and rate - usual >= FAR_ABOVE_BY:
            excess[version] = failures - usual * count
    return Rates(found, sorted(excess, key=lambda version: (-excess[version], version)))
