"""Comparison of variants: installs and successes by the value of a property, with confidence intervals. Reads raw events."""

from __future__ import annotations

import math

import msgspec

from server.analytics.filters import Filter, equals
from server.analytics.sources import for_both, raw_events
from server.event import FieldError, Outcome
from server.problems import BadQuery
from server.questions.facts import COUNTED
from server.questions.sql import Sql, read, sql
from server.storage.engine import Store
from server.storage.rollups import text_of

Z = 1.959963984540054  # the normal distribution's quantile that leaves 2.5 % on either side
MOST_VARIANTS = 20
BASELINES = ("control", "baseline", "a", "off", "false")  # usual names of the variant that the others are compared with


class Interval(msgspec.Struct, frozen=True):
    """The 95 % confidence interval of a value."""

    low: float
    high: float


class Result(msgspec.Struct, frozen=True):
    """Success of the `installs` that saw a variant. `rate` is `successes` / `installs`, with its Wilson interval; None if there are no installs.

    `difference` is this rate minus the baseline's, with Newcombe's interval; None for the baseline itself. If the interval does not contain zero, the
    difference is significant at 5 % (for a single comparison: with many variants, one may look significant by chance).
    """

    installs: int
    successes: int
    rate: float | None
    interval: Interval | None
    difference: float | None
    difference_interval: Interval | None


class Variant(msgspec.Struct, frozen=True):
    """One variant, for all installs and for people's."""

    value: str
    all: Result
    people: Result


class Experiment(msgspec.Struct, frozen=True):
    """The variants: the baseline, then the others by their installs, most first. `mixed` installs saw several, and count for their first."""

    baseline: str | None
    variants: list[Variant]
    mixed: int


async def experiment(
    store: Store, filter_: Filter, property_name: str, *, goal: str | None = None, baseline: str | None = None
) -> Experiment:
    """Compare the variants that a property holds. Each install is one trial.

    An install takes part from its first event in the period that has the property. It succeeds if it sends the event `goal` at that time or later in
    the period; without a goal, if one of its events with that variant is a success. `baseline` is the variant to compare with. By default, it is a
    variant named in `BASELINES`, else the one that most installs saw. Raises BadQuery, TooBroad.
    """
    (everyone, mixed), (people, _) = await for_both(filter_, lambda selection: _counts(store, selection, property_name, goal))
    ranked = sorted(everyone, key=lambda variant: (-everyone[variant][0], variant))[:MOST_VARIANTS]
    base = _baseline(ranked, baseline)
    if base is not None:
        ranked = [base, *(variant for variant in ranked if variant != base)]
    return Experiment(base, [Variant(each, _result(everyone, each, base), _result(people, each, base)) for each in ranked], mixed)


def wilson(successes: int, trials: int) -> Interval | None:
    """The 95 % score interval of a rate: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    It is accurate for small numbers and for rates near 0 and 1, unlike the usual normal interval. None if there are no trials.
    """
    if not trials:
        return None
    rate, square = successes / trials, Z * Z
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    half = Z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials)) / (1 + square / trials)
    # At the ends, the formula gives exactly 0 or 1, except for rounding.
    return Interval(0.0 if successes == 0 else middle - half, 1.0 if successes == trials else middle + half)


def newcombe(successes: int, trials: int, base_successes: int, base_trials: int) -> Interval | None:
    """The 95 % interval of the difference of two rates, the second taken from the first: method 10 of Newcombe, "Interval estimation for the
    difference between independent proportions", Statistics in Medicine 17 (1998). None if one of them has no trials.
    """
    one, other = wilson(successes, trials), wilson(base_successes, base_trials)
    if one is None or other is None:
        return None
    rate, base = successes / trials, base_successes / base_trials
    difference = rate - base
    return Interval(
        difference - math.sqrt((rate - one.low) ** 2 + (other.high - base) ** 2),
        difference + math.sqrt((one.high - rate) ** 2 + (base - other.low) ** 2),
    )


async def _counts(store: Store, filter_: Filter, name: str, goal: str | None) -> tuple[dict[str, tuple[int, int]], int]:
    """Installs and successes by variant, and how many installs saw more than one."""
    rows = await read(store, _first_variants(_exposures(store, filter_, name), None if goal is None else _goals(store, filter_, goal)))
    found: dict[str, tuple[int, int]] = {}
    mixed = 0
    for row in rows:
        value = msgspec.json.decode(row["variant"])
        if isinstance(value, str | int | float):
            word = text_of(value)
            installs, successes = found.get(word, (0, 0))
            found[word] = (installs + int(row["installs"]), successes + int(row["successes"]))
            mixed += int(row["mixed"])
    return found, mixed


def _exposures(store: Store, filter_: Filter, name: str) -> Sql:
    """install_id, variant (JSON text), the first time that the install had it, and 1 if an event with it was a success, else 0."""
    try:
        expression, argument = store.sql.property_json("event.properties", name)
    except ValueError:
        raise BadQuery(FieldError("property", "must be a name of 1 to 100 characters without quotes")) from None
    succeeded = f"CASE WHEN event.outcome = {int(Outcome.SUCCESS)} THEN 1 ELSE 0 END AS succeeded"
    return sql(
        "SELECT install_id, variant, MIN(occurred_at) AS since, MAX(succeeded) AS succeeded FROM (SELECT event.install_id, ",
        Sql(expression, (argument,)),
        f" AS variant, event.occurred_at, {succeeded} FROM ",
        raw_events(store, filter_),
        f"{COUNTED}) AS raw WHERE variant IS NOT NULL AND variant <> 'null' GROUP BY install_id, variant",
    )


def _goals(store: Store, filter_: Filter, goal: str) -> Sql:
    """Rows like those of exposures, without a variant: the last goal event of each install. The filter's conditions on the environment of installs
    apply here, too.
    """
    wanted = filter_.but("name", "target", "target_type", "outcome").only(*equals(names=(goal,)))
    last = "SELECT event.install_id, NULL, MAX(event.occurred_at), 0 FROM "
    return sql(last, raw_events(store, wanted), f"{COUNTED} GROUP BY event.install_id")


def _first_variants(exposures: Sql, goals: Sql | None) -> Sql:
    """Installs and successes by each install's first variant, and the `mixed` installs among them, which saw several."""
    windows = (
        "ROW_NUMBER() OVER (PARTITION BY install_id ORDER BY variant IS NULL, since, variant) AS place, COUNT(variant) OVER each AS variants,"
        " MAX(CASE WHEN variant IS NULL THEN since END) OVER each AS reached"
    )
    success = "succeeded" if goals is None else "CASE WHEN reached >= since THEN 1 ELSE 0 END"
    return sql(
        f"SELECT variant, COUNT(*) AS installs, SUM(CASE WHEN variants > 1 THEN 1 ELSE 0 END) AS mixed, SUM({success}) AS successes",
        f" FROM (SELECT variant, since, succeeded, {windows} FROM (",
        # A UNION instead of a join: SQLite would scan all goals for each install.
        exposures,
        "" if goals is None else sql(" UNION ALL ", goals),
        ") AS seen WINDOW each AS (PARTITION BY install_id)) AS ranked WHERE place = 1 AND variant IS NOT NULL GROUP BY variant",
    )


def _baseline(ranked: list[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return wanted if wanted in ranked else None
    lowered = {variant.lower(): variant for variant in reversed(ranked)}
    return next((lowered[name] for name in BASELINES if name in lowered), ranked[0] if ranked else None)


def _result(counts: dict[str, tuple[int, int]], variant: str, base: str | None) -> Result:
    installs, successes = counts.get(variant, (0, 0))
    rate = successes / installs if installs else None
    base_installs, base_successes = counts.get(base, (0, 0)) if base is not None else (0, 0)
    compared = variant != base and rate is not None and base_installs
    return Result(
        installs,
        successes,
        rate,
        wilson(successes, installs),
        rate - base_successes / base_installs if compared and rate is not None else None,
        newcombe(successes, installs, base_successes, base_installs) if compared else None,
    )
