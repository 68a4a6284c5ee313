"""Input types of queries: period, target and filter."""

from __future__ import annotations

import strawberry

from server.admin import enums  # noqa: F401 - describes the enums below
from server.admin.scalars import DateTime
from server.analytics.filters import Filter, equals
from server.analytics.folding import WINDOWS
from server.clock import epoch_ms
from server.event import Environment, FieldError, Outcome
from server.problems import BadQuery
from server.questions.periods import Period, RelativePeriod, ToDate
from server.questions.question import Audience, Condition, Op, check_conditions


@strawberry.input(description="A period: the last days, or a range of times. Times are widened to full hours.")
class PeriodInput:
    last: int | None = strawberry.field(
        default=None, description="Number of days up to now, including today, from 1 to 1830. Cannot be combined with `from` or `to`."
    )
    from_: DateTime | None = strawberry.field(
        default=None, name="from", description="Start of the period. Default: 30 days before its end."
    )
    to: DateTime | None = strawberry.field(default=None, description="End of the period, exclusive. Default: the end of today.")

    to_date: ToDate | None = strawberry.field(
        default=None, description="The current week or month up to and including today. Cannot be combined with `last`, `from` or `to`."
    )

    def relative(self) -> RelativePeriod:
        """Convert the input to a period that moves with the clock."""
        return RelativePeriod(last=self.last, to_date=self.to_date, start=self.from_, end=self.to)

    def read(self) -> Period:
        """Convert the input to a period. Raises BadQuery that names the field."""
        return self.relative().at(epoch_ms())


def window(period: PeriodInput | None) -> Period:
    """Check a period for a caller without a login: the last 1, 7, 30, 90 or 365 days, or the preceding period. Raises BadQuery."""
    requested = (period or PeriodInput()).read()
    for days in WINDOWS:
        last = PeriodInput(last=days).read()
        if requested in (last, last.before):
            return requested
    raise BadQuery(
        FieldError("period", f"must be the last {', '.join(map(str, WINDOWS))} days, or the period before them, without a login")
    )


@strawberry.input(description="A target: its type and its id. Ids are unique only within a type.")
class TargetInput:
    type: str = strawberry.field(description="Type of the target, such as `tool` or `pack`.")
    id: str = strawberry.field(description="Id of the target, as sent by clients.")


@strawberry.input(description="A condition on a field or property.")
class ConditionInput:
    field: str = strawberry.field(
        description="Name of a field (see `Project.fields`), or `properties.` and a property's name, nested by dots."
    )
    op: Op = strawberry.field(default=Op.IS, description="Comparison.")
    values: list[str] = strawberry.field(
        default_factory=list, description="Values to compare with. Any of them suffices. Empty for `EXISTS` and `MISSING`."
    )

    def to_condition(self) -> Condition:
        return Condition(self.field, self.op, tuple(self.values))


_SHORTHANDS = {"name": "names", "environment": "environments", "package_manager": "packageManager", "target_type": "targetType"}


@strawberry.input(description="A filter for events. An event must meet every condition. Texts are compared exactly.")
class EventFilter:
    audience: Audience = strawberry.field(default=Audience.EVERYTHING, description="Events to count, by who ran the tool. Default: all.")
    environments: list[Environment] = strawberry.field(default_factory=list, description="Any of these environments. Default: all.")
    names: list[str] = strawberry.field(default_factory=list, description="Any of these event names, at most 100. Default: all.")
    os: str | None = strawberry.field(default=None, description="Operating system.")
    arch: str | None = strawberry.field(default=None, description="Processor architecture.")
    runtime: str | None = strawberry.field(default=None, description="Runtime, such as `node 20`.")
    version: str | None = strawberry.field(default=None, description="Version of the tool.")
    package_manager: str | None = strawberry.field(default=None, description="Package manager.")
    target_type: str | None = strawberry.field(default=None, description="Any target of this type. Cannot be combined with `target`.")
    target: TargetInput | None = strawberry.field(default=None, description="This target. Cannot be combined with `targetType`.")
    outcome: Outcome | None = strawberry.field(default=None, description="Outcome of the event.")
    where: list[ConditionInput] = strawberry.field(
        default_factory=list, description="Conditions of any form, as in `ask`, in addition to the other fields."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """Convert the input to conditions. Raises BadQuery that names the field."""
        if self.target is not None and self.target_type is not None:
            raise BadQuery(FieldError("filter.targetType", "cannot be combined with `target`"))
        if len(self.names) > 100 or len(self.environments) > len(Environment):
            raise BadQuery(FieldError("filter.names", "must be at most 100"))
        where = tuple(each.to_condition() for each in self.where)
        check_conditions(where, "filter.where")
        single = equals(
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
        for condition in single:
            try:
                condition.check("")
            except BadQuery as error:  # a text with NUL, which PostgreSQL does not read
                path = _SHORTHANDS.get(condition.field, condition.field)
                raise BadQuery(*(FieldError(f"filter.{path}", each.message) for each in error.errors)) from None
        return single + where

    def to_filter(self, project: int, period: PeriodInput | None) -> Filter:
        """Convert the input to a filter. Raises BadQuery that names the field."""
        return Filter(project=project, period=(period or PeriodInput()).read(), audience=self.audience, where=self.conditions())


def parse_id(id_: str) -> int | None:
    """Parse an id of a row; return None for an invalid one."""
    return int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 10 else None


def check_count(name: str, value: int, most: int) -> int:
    """Check a number against its maximum. Raises BadQuery that names the field."""
    if not 1 <= value <= most:
        raise BadQuery(FieldError(name, f"must be from 1 to {most}"))
    return value
