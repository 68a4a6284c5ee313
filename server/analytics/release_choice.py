"""The versions that a chart shows by name: the newest, those that fail far more often than the others, and the most used."""

from __future__ import annotations

from typing import NamedTuple

from server.analytics.filters import Filter, to_question
from server.analytics.sources import SUMS, activity, has_activity, sums
from server.history import History
from server.questions.figures import every_group
from server.questions.question import By, Measure
from server.questions.sql import listed, read, sql
from server.questions.versions import newest_first
from server.storage.engine import Store

NEWEST = 3  # versions that are named for being new, of those that more than one install ran
FAR_ABOVE = 2.0  # times the failure rate of all other versions
FAR_ABOVE_BY = 0.05  # and as much more, at least
ENOUGH = 20  # events that say how they ended


Ended = dict[str, tuple[int, int]]  # by version: the events that failed, and those with an outcome


class Rates(NamedTuple):
    """The failure rate of each version (0 to 1, of events with an outcome), and the versions whose rate is far above that of the others."""

    failure: dict[str, float]
    outstanding: list[str]


async def choose(
    store: Store, filter_: Filter, totals: dict[str, int], highest: dict[str, int], limit: int, history: History | None
) -> tuple[list[str], Rates]:
    """Choose at most `limit` versions, the most used first, and return them with all failure rates. Versions of a single install are excluded.

    `totals` holds each version's installs over all steps, `highest` its installs in the step with the most.
    """
    if has_activity(filter_):
        alone = await _alone(store, filter_, [version for version, most in highest.items() if most == 1])
        ended = await _ended(store, filter_)
    else:
        question = to_question(filter_, Measure.SUCCESSES, Measure.FAILURES, Measure.INSTALLS, by=(By("version"),))
        groups = {
            version: counts for (version, _), counts in (await every_group(store, question, history))[0].items() if version is not None
        }
        alone = {version for version, counts in groups.items() if counts.get("installs_all") == 1}
        failed = {version: (counts.get("failures_all", 0), counts.get("successes_all", 0)) for version, counts in groups.items()}
        ended = {version: (failures, successes + failures) for version, (failures, successes) in failed.items()}
    ranked = sorted((version for version in totals if version not in alone), key=lambda version: (-totals[version], version))
    rates = _rates(ended)
    candidates = set(ranked)
    newest = newest_first(ranked)[: max(1, min(NEWEST, limit // 3))]
    outstanding = [version for version in rates.outstanding if version in candidates][: max(1, limit // 3)]
    chosen = list(dict.fromkeys([*outstanding, *newest, *ranked]))[:limit]
    return [version for version in ranked if version in chosen], Rates(rates.failure, outstanding)


async def _alone(store: Store, filter_: Filter, versions: list[str]) -> set[str]:
    """The given versions that only a single install ran."""
    if not versions:
        return set()
    query = sql(
        "SELECT version, COUNT(DISTINCT install_id) AS installs FROM (",
        activity(store, filter_),
        ") AS facts WHERE version IN (",
        listed(versions),
        ") GROUP BY version",
    )
    return {row["version"] for row in await read(store, query) if row["installs"] == 1}


async def _ended(store: Store, filter_: Filter) -> Ended:
    query = sql(f"SELECT value, {SUMS} FROM (", sums(store, filter_, by="version"), ") AS facts WHERE value IS NOT NULL GROUP BY value")
    return {row["value"]: (int(row["failures"]), int(row["successes"]) + int(row["failures"])) for row in await read(store, query)}


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
