"""The rollups as data: table, key and measures of each. All measures are sums, so one upsert serves every rollup.

The first migration creates the tables from this list, the commit derives its upserts, and the recount its comparison. A new rollup needs an
entry here, its lines in `fold.py`, and a migration.

Durations are counted in buckets like those of HdrHistogram (Gil Tene, http://hdrhistogram.org): each power of two is divided
into 32 equal parts, so the width of a bucket is at most 1/32 of its values, and its middle is within 1.6 % of each of them. Only integers are used: the same
duration falls into the same bucket in every process and on every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.event import CONTEXT_FIELDS, PEOPLE, Environment

OUTCOMES = ("events", "successes", "failures")
TIMED = (*OUTCOMES, "timed", "duration_us")
# The largest sum of durations in one row, 9,000 years. Without a bound, a million events of the longest duration exceed 64 bits: PostgreSQL then
# refuses the commit, and SQLite turns the sum into a float.
MAX_SUM = {"duration_us": 1 << 58}

_PARTS_BITS = 5
_PARTS = 1 << _PARTS_BITS


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension by which events are broken down. `name` is also the attribute of `Context` with its value."""

    name: str
    label: str


DIMENSIONS = tuple(Dimension(name, CONTEXT_FIELDS[name].label) for name in ("os", "arch", "runtime", "version", "package_manager"))
# Fields of an install, each with its newest value: attributes of `Context`, and columns of the table `install`.
# `fold.InstallState.add` reads them in this order.
INSTALL_FIELDS = (*(dimension.name for dimension in DIMENSIONS), "dialect")
PROPERTY_PREFIX = "property:"
OTHER = "(other)"
NO_ERROR_TYPE = ""  # in the dictionary of error types: failures without an error type
VALUES_A_DAY = 1_000
VALUE_KEPT = 64  # characters of a property's value
ELEMENTS_KEPT = 50  # values of an array in one event, so that one event adds few rows


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """A table of sums. `key` and `measures` are its columns; the key columns in `text` hold text, all others integers.

    Days and hours count from 1970 in UTC, by the time at which the events occurred.
    """

    table: str
    key: tuple[str, ...]
    measures: tuple[str, ...]
    text: frozenset[str] = frozenset()

    @property
    def period(self) -> str | None:
        """The key column with the time, `day` or `hour`; None for totals."""
        return next((column for column in self.key if column in ("day", "hour")), None)


HOURLY = Rollup("rollup_hour", ("project_id", "hour", "name_id", "environment"), TIMED)
# The sums of `HOURLY` by day, for queries over long periods.
DAILY = Rollup("rollup_day", ("project_id", "day", "name_id", "environment"), TIMED)
# Durations over all names, and by name. By hour, there would be about as many rows as events.
DAILY_DURATION = Rollup("rollup_day_duration", ("project_id", "day", "environment", "bucket"), ("events",))
NAME_DURATION = Rollup("rollup_name_duration", ("project_id", "day", "name_id", "environment", "bucket"), ("events",))
DIMENSION = Rollup(
    "rollup_dimension",
    ("project_id", "day", "name_id", "dimension", "value", "environment"),
    OUTCOMES,
    frozenset({"dimension", "value"}),
)
TARGET_DAY = Rollup("rollup_target_day", ("project_id", "day", "target_id", "name_id", "environment"), TIMED)
TARGET_DURATION = Rollup("rollup_target_duration", ("project_id", "day", "target_id", "name_id", "environment", "bucket"), ("events",))
TARGET_TOTAL = Rollup("rollup_target_total", ("project_id", "target_id", "name_id", "environment"), TIMED)
# Events with an error type, whether they failed or not, and failures without one (`NO_ERROR_TYPE`). An unknown version is empty.
ERROR = Rollup("rollup_error", ("project_id", "day", "error_id", "name_id", "version", "environment"), ("events",), frozenset({"version"}))
# The spread of sums of sampled events: the variance by which they may differ from the real ones; see `fold.spread_of`. Ordinary events have
# none, so these tables are mostly empty.
SPREADS = ("spread", "success_spread", "failure_spread")
HOURLY_SPREAD, DAILY_SPREAD, DIMENSION_SPREAD, TARGET_SPREAD = (
    Rollup(f"{rollup.table}_spread", rollup.key, SPREADS, rollup.text) for rollup in (HOURLY, DAILY, DIMENSION, TARGET_DAY)
)
LEDGER = Rollup("ledger", ("project_id", "day", "entry", "reason"), ("events",), frozenset({"entry", "reason"}))
REFUSALS = Rollup("refusal", ("project_id", "day", "address", "reason"), ("events",), frozenset({"reason"}))

_OF_EVENTS = (HOURLY, DAILY, DAILY_DURATION, NAME_DURATION, DIMENSION, TARGET_DAY, TARGET_DURATION, TARGET_TOTAL, ERROR)
OF_SPREAD = (HOURLY_SPREAD, DAILY_SPREAD, DIMENSION_SPREAD, TARGET_SPREAD)
ROLLUPS = (*_OF_EVENTS, *OF_SPREAD)
# Updated like rollups, but not derived from stored events, so they cannot be recounted.
TALLIES = (LEDGER, REFUSALS)


# Active installs; `server.storage.commit.activity` explains why these sums are exact. An audience is a set of environments: all, those of
# people (`server.event.PEOPLE`), or a single one, which is its own number. An install may be in several audiences.
EVERYONE, PEOPLE_ONLY = -1, -2
AUDIENCES_OF = {int(each): (EVERYONE, PEOPLE_ONLY, int(each)) if each in PEOPLE else (EVERYONE, int(each)) for each in Environment}
NEVER = -1  # the previous day of a first active day
NOT_YET = 2**31 - 1
UNKNOWN_LAST = 9  # after every other environment
# Installs active on a day, by their previous active day.
ACTIVE = Rollup("rollup_active", ("project_id", "day", "earlier", "audience"), ("installs",))
# Installs by the day on which they were first seen and their first active day in the audience, which is never earlier. It is NOT_YET for
# installs that a client only reported; these count in the audiences of UNKNOWN.
ARRIVAL = Rollup("rollup_arrival", ("project_id", "first_day", "day", "audience"), ("installs",))
# Installs active in a week, by the week in which they were first seen. Weeks are named by their Monday.
COHORT = Rollup("rollup_cohort", ("project_id", "cohort", "week", "audience"), ("installs",))
# Installs by the last version that they ran on a day. Of the versions in several environments, that of UNKNOWN comes last, the others in order.
VERSION_DAY = Rollup("rollup_version", ("project_id", "day", "version", "audience"), ("installs",), frozenset({"version"}))
OF_ACTIVITY = (ACTIVE, ARRIVAL, COHORT, VERSION_DAY)


def picked_values(properties: Mapping[str, Any], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the values of the properties that a project counts, each with the name of its property.

    A name is looked up as a whole first, then as a path into nested objects. An array has the distinct values of its elements.
    """
    found: list[tuple[str, str]] = []
    for name in names:
        value = properties.get(name)
        if value is None and "." in name and name not in properties:
            value = _nested(properties, name.split("."))
        if isinstance(value, str | int | float):
            found.append((name, text_of(value)))
        elif isinstance(value, list):
            words = dict.fromkeys(text_of(each) for each in value if isinstance(each, str | int | float))
            found += [(name, word) for word in list(words)[:ELEMENTS_KEPT]]
    return tuple(found)


def _nested(document: Any, parts: list[str]) -> Any:
    for part in parts:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def text_of(value: str | float) -> str:
    """Format a property's scalar as the text that is counted, with booleans as in JSON."""
    return (str(value).lower() if isinstance(value, bool) else str(value))[:VALUE_KEPT]


def week_of(day: int) -> int:
    """Return the Monday of a day's week. Both count in days since 1970-01-01, a Thursday."""
    return day - (day + 3) % 7


def duration_bucket(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds (0 or more)."""
    exponent = max(0, duration_us.bit_length() - _PARTS_BITS - 1)
    return (exponent << _PARTS_BITS) + (duration_us >> exponent)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """Return the durations of a bucket in microseconds, as a half-open interval."""
    if bucket < 2 * _PARTS:
        return bucket, bucket + 1
    exponent = (bucket >> _PARTS_BITS) - 1
    first = (bucket - (exponent << _PARTS_BITS)) << exponent
    return first, first + (1 << exponent)


def bucket_middle(bucket: int) -> float:
    """Return the duration in microseconds that represents a bucket: exact below 64, within 1.6 % above."""
    first, end = bucket_bounds(bucket)
    return (first + end - 1) / 2
