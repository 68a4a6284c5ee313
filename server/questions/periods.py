"""Periods and their steps, and periods relative to the current time: the last days, a range of times, the week or month to date."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

import msgspec

from server.event import DAY, HOUR, FieldError
from server.problems import BadQuery
from server.storage.rollups import week_of

DAYS = 30  # the default period
LONGEST = 1_830  # days of a period: five years
MOST_STEPS = 2_500  # of a series: a hundred days by the hour
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Step(enum.Enum):
    """The length of a step: an hour, a day, a week (ISO 8601: from Monday) or a month, in UTC."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


LENGTHS = {Step.HOUR: HOUR, Step.DAY: DAY, Step.WEEK: 7 * DAY}
"""The lengths of the steps that are all of one length, in milliseconds."""


class Period(msgspec.Struct, frozen=True):
    """A period from `start` up to but not including `end`, epoch milliseconds of full hours in UTC. Raises BadQuery that names the field.

    An `exact` period begins and ends at any millisecond, and is read from raw events.
    """

    start: int
    end: int
    exact: bool = False

    def __post_init__(self) -> None:
        for name, moment in (("period.from", self.start), ("period.to", self.end)):
            if moment % HOUR and not self.exact:
                raise BadQuery(FieldError(name, "must be a full hour"))
            if moment < 0:
                raise BadQuery(FieldError(name, "must not be before 1970"))
        if self.start >= self.end:
            raise BadQuery(FieldError("period.to", "must be after the start"))
        if self.end - self.start > LONGEST * DAY:
            raise BadQuery(FieldError("period", f"must have at most {LONGEST} days"))

    @classmethod
    def last_days(cls, days: int, now: int) -> Period:
        """Return the last days up to the end of today. `now` is epoch milliseconds."""
        today = now // DAY
        return cls((today - days + 1) * DAY, (today + 1) * DAY)

    @property
    def before(self) -> Period | None:
        """The preceding period of the same length; None if it begins before 1970."""
        return Period(2 * self.start - self.end, self.start) if 2 * self.start >= self.end else None

    @property
    def whole_days(self) -> bool:
        """True if counts by day can answer it."""
        return not (self.exact or self.start % DAY or self.end % DAY)

    @property
    def first_day(self) -> int:
        """The first day, in days since 1970."""
        return self.start // DAY

    @property
    def last_day(self) -> int:
        """The last day that overlaps the period, in days since 1970."""
        return (self.end - 1) // DAY


def starts(period: Period, step: Step) -> list[int]:
    """Return the start of each step that overlaps the period, in epoch milliseconds. The first may precede the period.

    Raises BadQuery for more than MOST_STEPS.
    """
    if step is Step.MONTH:
        return _months(period)
    length = LENGTHS[step]
    first = week_of(period.first_day) * DAY if step is Step.WEEK else period.start // length * length
    if (period.end - first) // length > MOST_STEPS:
        raise BadQuery(FieldError("step", f"cuts this period into more than {MOST_STEPS} pieces"))
    return list(range(first, period.end, length))


def step_end(start: int, step: Step) -> int:
    """Return the end of the step that begins at `start`. Both are epoch milliseconds."""
    if step is Step.MONTH:
        return _months(Period(start, start + 32 * DAY))[1]  # 32 days reach into the next month
    return start + LENGTHS[step]


def cut_steps(period: Period, step: Step, found: list[int]) -> set[int]:
    """Return the indexes of the steps of a period that extend beyond it: none, the first, the last or both. `found` are their starts."""
    if not found:
        return set()
    last = len(found) - 1
    ends = ((0, found[0] < period.start), (last, step_end(found[last], step) > period.end))
    return {place for place, is_cut in ends if is_cut}


def _months(period: Period) -> list[int]:
    moment = datetime.fromtimestamp(period.start / 1000, UTC)
    year, month, found = moment.year, moment.month, list[int]()
    while (at := (datetime(year, month, 1, tzinfo=UTC) - _UNIX_EPOCH).days * DAY) < period.end:
        found.append(at)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


class ToDate(enum.Enum):
    """The current week (ISO 8601: from Monday) or month in UTC, up to and including today."""

    WEEK = "week"
    MONTH = "month"


class RelativePeriod(msgspec.Struct, frozen=True, omit_defaults=True):
    """A period that moves with the clock unless both its ends are times. Times are epoch milliseconds, widened to full hours.

    `last` is a number of days up to now, including today. `to_date` is the current week or month. Otherwise the period runs from `start` (by
    default 30 days before the end) to `end` (by default the end of today).
    """

    last: int | None = None
    to_date: ToDate | None = None
    start: int | None = msgspec.field(default=None, name="from")
    end: int | None = msgspec.field(default=None, name="to")

    def at(self, now: int) -> Period:
        """Return the period as of `now` (epoch milliseconds). Raises BadQuery that names the part, as in `period.last`."""
        if self.last is not None:
            if self.start is not None or self.end is not None:
                raise BadQuery(FieldError("period.last", "cannot be combined with `from` or `to`"))
            if not 1 <= self.last <= LONGEST:
                raise BadQuery(FieldError("period.last", f"must be from 1 to {LONGEST}"))
        if self.to_date is not None and (self.last, self.start, self.end) != (None, None, None):
            raise BadQuery(FieldError("period.toDate", "cannot be combined with `last`, `from` or `to`"))
        if self.last is not None:
            return Period.last_days(self.last, now)
        tomorrow = (now // DAY + 1) * DAY
        if self.to_date is not None:
            return Period(_first_day(self.to_date, now // DAY) * DAY, tomorrow)
        end = tomorrow if self.end is None else -(-self.end // HOUR) * HOUR
        start = max(0, end - DAYS * DAY) if self.start is None else self.start // HOUR * HOUR
        return Period(start, end)

    def compared_with(self, requested: Period, now: int) -> Period:
        """Return this as the explicit period to compare another one with. Raises BadQuery that names the part, as in `compareTo.from`.

        Without an end, it is as long as the other one, or as the part of it that has passed.
        """
        if self.last is not None or self.to_date is not None:
            raise BadQuery(FieldError("compareTo", "must be `from` and `to`"))
        if self.start is None:
            raise BadQuery(FieldError("compareTo.from", "must be given"))
        start = self.start // HOUR * HOUR
        try:
            if self.end is not None:
                return Period(start, -(-self.end // HOUR) * HOUR)
            return Period(start, start + min(requested.end, max(requested.start + 1, now)) - requested.start, exact=True)
        except BadQuery as error:
            raise BadQuery(*(FieldError("compareTo", each.message) for each in error.errors)) from None

    def start_before(self, now: int) -> int | None:
        """Return the start of the week or month before the current one, or None for periods without a name."""
        if self.to_date is None:
            return None
        return _first_day(self.to_date, _first_day(self.to_date, now // DAY) - 1) * DAY


def _first_day(unit: ToDate, day: int) -> int:
    """The first day of the week or month that has a day, in days since 1970."""
    if unit is ToDate.WEEK:
        return week_of(day)
    moment = datetime.fromtimestamp(day * DAY / 1000, UTC)
    return (datetime(moment.year, moment.month, 1, tzinfo=UTC) - _UNIX_EPOCH).days
