"""Periods relative to the current time, as questions state them: the last days, a range of times, the week or month to date."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

import msgspec

from server.analytics.filters import LONGEST, Period
from server.event import DAY, HOUR, FieldError
from server.problems import BadQuery
from server.storage.rollups import week_of

DAYS = 30  # the default period
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        """Return the period at a time. Raises BadQuery that names the part, as in `period.last`."""
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
