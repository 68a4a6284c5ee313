"""Each rollup as data: its table, its key, its measures. All measures add up, so one upsert serves every rollup.

The migration makes its tables, the commit its upserts and the recount its comparison from this list. To add a rollup: an entry here, its
lines in `fold.py`, a migration.

Durations are counted in buckets like those of HdrHistogram (Gil Tene, http://hdrhistogram.org): each power of two is cut into 32
equal parts, so a bucket is at most 1/32 wide and its middle within 1.6 % of any value in it. Only integers are used: the same
duration falls into the same bucket in every process and on every engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.event import PEOPLE, Environment

OUTCOMES = ("events", "successes", "failures")
TIMED = (*OUTCOMES, "timed", "duration_us")

_PARTS_BITS = 5
_PARTS = 1 << _PARTS_BITS


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something that events are broken down by. `name` is also the attribute of `Context` that holds it."""

    name: str
    label: str


DIMENSIONS = (
    Dimension("os", "Operating system"),
    Dimension("arch", "Architecture"),
    Dimension("runtime", "Runtime"),
    Dimension("version", "Version"),
    Dimension("package_manager", "Package manager"),
)
# What is known of an install: the newest value of each, as attributes of `Context` and columns of its table.
INSTALL_FIELDS = (*(dimension.name for dimension in DIMENSIONS), "dialect")
PROPERTY_PREFIX = "property:"
OTHER = "(other)"
NO_ERROR_TYPE = ""  # in the dictionary of error types: failures that name no type
VALUES_A_DAY = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """A table of sums, one of a kind. `key` and `measures` name columns; `text` says which key columns hold text, all else are integers.

    `bucket` of a day or hour: days and hours since 1970 in UTC, of the time at which the events occurred.
    """

    table: str
    key: tuple[str, ...]
    measures: tuple[str, ...]
    text: frozenset[str] = frozenset()

    @property
    def period(self) -> str | None:
        """The key column that is a time, `day` or `hour`, or None for totals."""
        return next((column for column in self.key if column in ("day", "hour")), None)


HOURLY = Rollup("rollup_hour", ("project_id", "hour", "name_id", "environment"), TIMED)
# The same for whole days: what long periods are asked about.
DAILY = Rollup("rollup_day", ("project_id", "day", "name_id", "environment"), TIMED)
# Durations of all names together, and by name. Buckets by the hour would be about as many rows as there are events.
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
LEDGER = Rollup("ledger", ("project_id", "day", "entry", "reason"), ("events",), frozenset({"entry", "reason"}))
REFUSALS = Rollup("refusal", ("project_id", "day", "address", "reason"), ("events",), frozenset({"reason"}))

ROLLUPS = (HOURLY, DAILY, DAILY_DURATION, NAME_DURATION, DIMENSION, TARGET_DAY, TARGET_DURATION, TARGET_TOTAL, ERROR)
# Kept and added up in the same way, but no events stand behind them to be counted again.
TALLIES = (LEDGER, REFUSALS)


# Active installs: `server.storage.commit.activity` says why they add up. An audience is who of them counts: all installs, those that ran for people
# (`server.event.PEOPLE`), or those that ran in one environment, under its own number. An install may be in several.
EVERYONE, PEOPLE_ONLY = -1, -2
AUDIENCES_OF = {int(each): (EVERYONE, PEOPLE_ONLY, int(each)) if each in PEOPLE else (EVERYONE, int(each)) for each in Environment}
NEVER = -1  # the earlier day of a first one
NOT_YET = 2**31 - 1
UNKNOWN_LAST = 9  # after every other environment
# Installs active on a day, by the day before it on which they were.
ACTIVE = Rollup("rollup_active", ("project_id", "day", "earlier", "audience"), ("installs",))
# Installs by the day on which they were first seen, and the first day on which they were active in the audience: never an earlier one, and
# NOT_YET for those that a client only reported, which are taken for UNKNOWN.
ARRIVAL = Rollup("rollup_arrival", ("project_id", "first_day", "day", "audience"), ("installs",))
# Installs active in a week, by the week in which they were first seen; each named by its Monday.
COHORT = Rollup("rollup_cohort", ("project_id", "cohort", "week", "audience"), ("installs",))
# Installs by the version that they ran last on a day. Where one ran several in several environments, a person's goes first, then by number.
VERSION_DAY = Rollup("rollup_version", ("project_id", "day", "version", "audience"), ("installs",), frozenset({"version"}))
OF_ACTIVITY = (ACTIVE, ARRIVAL, COHORT, VERSION_DAY)


def week_of(day: int) -> int:
    """The Monday of a day's week; both in days since 1970, which began on a Thursday."""
    return day - (day + 3) % 7


def duration_bucket(duration_us: int) -> int:
    """The bucket of a duration in microseconds (0 or more)."""
    exponent = max(0, duration_us.bit_length() - _PARTS_BITS - 1)
    return (exponent << _PARTS_BITS) + (duration_us >> exponent)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """The durations of a bucket in microseconds: from the first, up to but not including the second."""
    if bucket < 2 * _PARTS:
        return bucket, bucket + 1
    exponent = (bucket >> _PARTS_BITS) - 1
    first = (bucket - (exponent << _PARTS_BITS)) << exponent
    return first, first + (1 << exponent)


def bucket_middle(bucket: int) -> float:
    """The duration in microseconds that stands for a bucket: exact below 64, within 1.6 % above."""
    first, end = bucket_bounds(bucket)
    return (first + end - 1) / 2
