"""What a question is asked about: a project, a period, and which of its events count."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

import msgspec

from server.event import DAY, HOUR, PEOPLE, Environment, FieldError, Outcome
from server.problems import BadQuery
from server.storage.rollups import week_of

LONGEST = 1_830  # days of a period: five years
MOST_STEPS = 2_500  # of a series: a hundred days by the hour
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Audience(enum.Enum):
    """Whose events count. `server.event.PEOPLE` says who is one of the people."""

    EVERYTHING = "everything"
    PEOPLE = "people"


class Step(enum.Enum):
    """How a series is cut: by hour, day, week (ISO 8601: from Monday) or month, all in UTC."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(msgspec.Struct, frozen=True):
    """From `start` up to but not including `end`, epoch milliseconds of full hours in UTC. Raises BadQuery, naming the field, for others.

    An `exact` period begins and ends at any millisecond, and is read from raw events.
    """

    start: int
    end: int
    exact: bool = False

    def __post_init__(self) -> None:
        for name, moment in (("period.start", self.start), ("period.end", self.end)):
            if moment % HOUR and not self.exact:
                raise BadQuery(FieldError(name, "must be a full hour"))
            if moment < 0:
                raise BadQuery(FieldError(name, "must not be before 1970"))
        if self.start >= self.end:
            raise BadQuery(FieldError("period.end", "must be after the start"))
        if self.end - self.start > LONGEST * DAY:
            raise BadQuery(FieldError("period", f"must have at most {LONGEST} days"))

    @classmethod
    def last_days(cls, days: int, now: int) -> Period:
        """Today, as far as it has come, and the days before it. `now` is epoch milliseconds."""
        today = now // DAY
        return cls((today - days + 1) * DAY, (today + 1) * DAY)

    @property
    def before(self) -> Period | None:
        """The period of the same length that ends where this one begins; None where that would be before 1970."""
        return Period(2 * self.start - self.end, self.start) if 2 * self.start >= self.end else None

    @property
    def whole_days(self) -> bool:
        """Whether it can be answered from counts by day."""
        return not (self.exact or self.start % DAY or self.end % DAY)

    @property
    def first_day(self) -> int:
        """Days since 1970."""
        return self.start // DAY

    @property
    def last_day(self) -> int:
        """The last day of which some is in the period, in days since 1970."""
        return (self.end - 1) // DAY


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events count: all that meet every condition. What is None or empty is no condition.

    All conditions are about the event itself: `os="linux"` means events that said so. An install counts where one of its events does.
    `target` is a type and an id, `target_type` the type alone. Texts are compared exactly.
    """

    project: int
    period: Period
    audience: Audience = Audience.EVERYTHING
    environments: tuple[Environment, ...] = ()
    names: tuple[str, ...] = ()
    os: str | None = None
    arch: str | None = None
    runtime: str | None = None
    version: str | None = None
    package_manager: str | None = None
    target: tuple[str, str] | None = None
    target_type: str | None = None
    outcome: Outcome | None = None

    @property
    def allowed(self) -> tuple[Environment, ...] | None:
        """The environments that audience and filter leave, None for all of them."""
        if self.audience is Audience.PEOPLE:
            return tuple(each for each in PEOPLE if not self.environments or each in self.environments)
        return self.environments or None

    def during(self, period: Period) -> Filter:
        """The same question about another period."""
        return msgspec.structs.replace(self, period=period)

    def people(self) -> Filter:
        """The same question about people only."""
        return msgspec.structs.replace(self, audience=Audience.PEOPLE)


def starts(period: Period, step: Step) -> list[int]:
    """The beginning of each step that has some of the period in it, epoch milliseconds. The first may lie before the period.

    Raises BadQuery where there would be more than `MOST_STEPS`.
    """
    if step is Step.MONTH:
        return _months(period)
    length = {Step.HOUR: HOUR, Step.DAY: DAY, Step.WEEK: 7 * DAY}[step]
    first = week_of(period.first_day) * DAY if step is Step.WEEK else period.start // length * length
    if (period.end - first) // length > MOST_STEPS:
        raise BadQuery(FieldError("step", f"cuts this period into more than {MOST_STEPS} pieces"))
    return list(range(first, period.end, length))


def _months(period: Period) -> list[int]:
    moment = datetime.fromtimestamp(period.start / 1000, UTC)
    year, month, found = moment.year, moment.month, list[int]()
    while (at := (datetime(year, month, 1, tzinfo=UTC) - _UNIX_EPOCH).days * DAY) < period.end:
        found.append(at)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
