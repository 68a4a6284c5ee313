"""What a question is asked about, as clients say it."""

from __future__ import annotations

import strawberry

from server.admin.scalars import DateTime, now
from server.analytics.filters import Audience, Filter, Period
from server.analytics.folding import WINDOWS
from server.event import DAY, HOUR, Environment, FieldError, Outcome
from server.problems import BadQuery


@strawberry.input(description="A stretch of time: the last days, or from one time to another. Times are widened to full hours.")
class PeriodInput:
    last: int | None = strawberry.field(
        default=None, description="So many days, today as far as it has come among them. 30 if nothing is said."
    )
    from_: DateTime | None = strawberry.field(default=None, name="from", description="From this time on.")
    to: DateTime | None = strawberry.field(default=None, description="Before this time; now if it is left out.")

    def read(self) -> Period:
        """Raises BadQuery, which names the field."""
        if self.last is not None:
            if self.from_ is not None or self.to is not None:
                raise BadQuery(FieldError("period.last", "stands alone, without from and to"))
            if not 1 <= self.last <= 1_830:
                raise BadQuery(FieldError("period.last", "must be from 1 to 1830"))
            return Period.last_days(self.last, now())
        end = (now() // DAY + 1) * DAY if self.to is None else -(-self.to // HOUR) * HOUR
        start = max(0, end - 30 * DAY) if self.from_ is None else self.from_ // HOUR * HOUR
        return Period(start, end)


def window(period: PeriodInput | None) -> Period:
    """A period that anyone may ask about: the last 1, 7, 30, 90 or 365 days, or as many before them. Raises BadQuery for others."""
    asked = (period or PeriodInput()).read()
    for days in WINDOWS:
        last = PeriodInput(last=days).read()
        if asked in (last, last.before):
            return asked
    raise BadQuery(FieldError("period", f"must be the last {', '.join(map(str, WINDOWS))} days, or as many before them, without a login"))


@strawberry.input(description="The id of a target, with its type: ids of different types may be alike.")
class TargetInput:
    type: str = strawberry.field(description="Its type, such as `tool` or `pack`.")
    id: str = strawberry.field(description="Its id, as clients send it.")


@strawberry.input(description="Which events count: those that meet every condition. Texts are compared exactly.")
class EventFilter:
    audience: Audience = strawberry.field(default=Audience.EVERYTHING, description="People only, or everything.")
    environments: list[Environment] = strawberry.field(default_factory=list, description="Any of these environments.")
    names: list[str] = strawberry.field(default_factory=list, description="Any of these names of events.")
    os: str | None = strawberry.field(default=None, description="The operating system.")
    arch: str | None = strawberry.field(default=None, description="The processor architecture.")
    runtime: str | None = strawberry.field(default=None, description="The runtime, such as `node 20`.")
    version: str | None = strawberry.field(default=None, description="The version of the tool.")
    package_manager: str | None = strawberry.field(default=None, description="The package manager.")
    target_type: str | None = strawberry.field(default=None, description="Any target of this type.")
    target: TargetInput | None = strawberry.field(default=None, description="This one target.")
    outcome: Outcome | None = strawberry.field(default=None, description="How it ended.")

    def about(self, project: int, period: PeriodInput | None) -> Filter:
        """The question's filter. Raises BadQuery, which names the field."""
        if self.target is not None and self.target_type is not None:
            raise BadQuery(FieldError("filter.targetType", "is said by target already"))
        if len(self.names) > 100 or len(self.environments) > len(Environment):
            raise BadQuery(FieldError("filter.names", "must be at most 100"))
        return Filter(
            project=project,
            period=(period or PeriodInput()).read(),
            audience=self.audience,
            environments=tuple(self.environments),
            names=tuple(self.names),
            os=self.os,
            arch=self.arch,
            runtime=self.runtime,
            version=self.version,
            package_manager=self.package_manager,
            target=None if self.target is None else (self.target.type, self.target.id),
            target_type=self.target_type,
            outcome=self.outcome,
        )


def number_of(id_: str) -> int | None:
    """The number that an id of ours is; None where it is none."""
    return int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 10 else None


def within(name: str, value: int, most: int) -> int:
    """A number of rows. Raises BadQuery, which names the field."""
    if not 1 <= value <= most:
        raise BadQuery(FieldError(name, f"must be from 1 to {most}"))
    return value
