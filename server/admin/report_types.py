"""GraphQL types of the reports that are built on the question model: funnels, retention and paths."""

from __future__ import annotations

import strawberry

from server.admin import enums  # noqa: F401 - describes the enums below
from server.admin.answers import Cohort
from server.admin.answers import field as described
from server.admin.inputs import ConditionInput, PeriodInput
from server.admin.question_types import ByInput, QuestionWarning, SegmentInput
from server.admin.scalars import Count, DateTime
from server.event import HOUR, MINUTE, FieldError
from server.problems import BadQuery
from server.questions.funnel import MAX_WINDOW
from server.questions.paths import Direction, Within
from server.questions.periods import Step
from server.questions.question import Audience, By, Condition, Segment
from server.questions.report_templates import FunnelTemplate, PathsTemplate, RetentionTemplate

_RANKING = "Events that rank the groups, and that a saved report shows. Answers have the figures of both audiences."


def _conditions(inputs: list[ConditionInput]) -> tuple[Condition, ...]:
    return tuple(each.to_condition() for each in inputs)


def _splits(inputs: list[ByInput]) -> tuple[By, ...]:
    return tuple(By(each.field, each.version) for each in inputs)


@strawberry.input(description="A question about a funnel: installs that meet the conditions of several steps.")
class FunnelInput:
    steps: list[SegmentInput] = strawberry.field(description="Steps in order, 2 to 10, each with its conditions.")
    where: list[ConditionInput] = strawberry.field(default_factory=list, description="Conditions that the events of all steps must meet.")
    by: list[ByInput] = strawberry.field(
        default_factory=list,
        description="Fields to split by, at most two, as the first step's event has them. An install that upgrades stays in its row.",
    )
    period: PeriodInput | None = strawberry.field(default=None, description="Period. Default: the last 30 days.")
    within_hours: float = strawberry.field(
        default=24, description="Maximum time from the first step to the last, in hours, from 1/60 (a minute) to 2160."
    )
    ordered: bool = strawberry.field(
        default=True,
        description="Whether the steps must follow each other. Otherwise, an install reaches a step if it met this one and all earlier ones"
        " in any order.",
    )
    first: int = strawberry.field(default=10, description="Number of groups listed, largest first, from 1 to 200.")
    audience: Audience = strawberry.field(default=Audience.EVERYTHING, description=_RANKING)

    def to_template(self) -> FunnelTemplate:
        """Convert the input. Raises BadQuery that names the invalid field."""
        if not MINUTE <= self.within_hours * HOUR <= MAX_WINDOW:
            raise BadQuery(FieldError("withinHours", f"must be from 1/60 (a minute) to {MAX_WINDOW // HOUR}"))
        return FunnelTemplate(
            period=(self.period or PeriodInput()).relative(),
            steps=tuple(Segment(each.name, _conditions(each.where)) for each in self.steps),
            where=_conditions(self.where),
            by=_splits(self.by),
            within=round(self.within_hours * HOUR),
            ordered=self.ordered,
            first=self.first,
            audience=self.audience,
        )


@strawberry.type(description="Distinct installs that reached a step of a funnel.")
class ReachedStep:
    name: str = described("Name of the step.")
    all: Count = described("All installs.")
    people: Count = described("Installs that reached it with events of people.")


@strawberry.type(description="The steps of one group of a funnel.")
class FunnelRow:
    keys: list[str | None] = described("Values of the fields that the funnel splits by, in the first step.")
    is_other: bool = described("Whether the row counts all groups that are not listed.")
    steps: list[ReachedStep] = described("The steps.")


@strawberry.type(description="The answer to a question about a funnel.")
class FunnelAnswer:
    total: list[ReachedStep] = described("The steps of the whole funnel. An install that is in several groups counts once.")
    rows: list[FunnelRow] = described("The groups, largest first, all other groups last.")
    since: DateTime | None = described("Time from which on all events are kept. Null if none were deleted.")
    complete: bool = described("Whether all events of the period are kept.")
    source: str = described("Source of the answer: `history` or `events`.")
    warnings: list[QuestionWarning] = described("Conditions that match nothing, of the first step that no install reached.")


@strawberry.input(
    description="A question about retention: of the installs that began in a step, those that return in it and in later ones."
)
class RetentionInput:
    over: Step = strawberry.field(default=Step.WEEK, description="Length of a step: `DAY`, `WEEK` or `MONTH`. At most 104 steps.")
    where: list[ConditionInput] = strawberry.field(default_factory=list, description="Conditions that all events must meet.")
    start: list[ConditionInput] = strawberry.field(
        default_factory=list,
        description="Conditions of the event with which an install begins: the first one among all events that are kept. Default: an install"
        " begins when it is first seen.",
    )
    back: list[ConditionInput] = strawberry.field(
        default_factory=list, name="return", description="Conditions of the events with which an install returns. Default: any event."
    )
    by: list[ByInput] = strawberry.field(
        default_factory=list,
        description="Fields to split by, at most two, as the event has them with which an install begins. An install that upgrades stays in its row.",
    )
    period: PeriodInput | None = strawberry.field(default=None, description="Period, widened to whole steps. Default: the last 30 days.")
    first: int = strawberry.field(default=10, description="Number of groups listed, largest first, from 1 to 200.")
    audience: Audience = strawberry.field(default=Audience.EVERYTHING, description=_RANKING)

    def to_template(self) -> RetentionTemplate:
        """Convert the input, without checks."""
        return RetentionTemplate(
            period=(self.period or PeriodInput()).relative(),
            over=self.over,
            where=_conditions(self.where),
            start=_conditions(self.start),
            back=_conditions(self.back),
            by=_splits(self.by),
            first=self.first,
            audience=self.audience,
        )


@strawberry.type(description="The cohorts of one group.")
class RetentionGroup:
    keys: list[str | None] = described("Values of the fields that the question splits by, when the installs began. Empty for the total.")
    is_other: bool = described("Whether it counts all groups that are not listed.")
    cohorts: list[Cohort] = described("The cohorts, one for each step.")
    rates_all: list[float | None] = described(
        "Share of the installs that returned after 0, 1, 2 … steps, from 0 to 1, over all cohorts for which that step has ended. Null without"
        " installs."
    )
    rates_people: list[float | None] = described("Only the installs of people.")


@strawberry.type(description="The answer to a question about retention.")
class RetentionAnswer:
    starts: list[DateTime] = described("Start of each step.")
    partial_step: int | None = described("Index of the step that has not ended yet.")
    total: RetentionGroup = described("The cohorts of all installs.")
    rows: list[RetentionGroup] = described("The groups, largest first, all other groups last.")
    since: DateTime | None = described("Time from which on all events are kept. Null if none were deleted.")
    complete: bool = described("Whether all events of the period are kept.")
    source: str = described("Source of the answer: `rollups`, `history` or `events`.")
    warnings: list[QuestionWarning] = described("Conditions that match nothing. Only if no install began, or none returned.")


@strawberry.input(description="A question about paths: the events of the same install that follow or precede a chosen one.")
class PathsInput:
    event: list[ConditionInput] = strawberry.field(description="Conditions of the chosen event. Each event that meets them counts.")
    where: list[ConditionInput] = strawberry.field(default_factory=list, description="Conditions that all events of a path must meet.")
    by: list[ByInput] = strawberry.field(default_factory=list, description="Fields to split by, at most two, as the chosen event has them.")
    direction: Direction = strawberry.field(default=Direction.AFTER, description="Events before or after the chosen one.")
    within: Within = strawberry.field(default=Within.SESSION, description="The session or the day in which a path lies.")
    length: int = strawberry.field(default=3, description="Maximum number of events of a path, from 1 to 5.")
    period: PeriodInput | None = strawberry.field(default=None, description="Period. Default: the last 30 days.")
    first: int = strawberry.field(default=10, description="Number of paths and of groups listed, most frequent first, from 1 to 50.")
    audience: Audience = strawberry.field(default=Audience.EVERYTHING, description=_RANKING)

    def to_template(self) -> PathsTemplate:
        """Convert the input, without checks."""
        return PathsTemplate(
            period=(self.period or PeriodInput()).relative(),
            event=_conditions(self.event),
            where=_conditions(self.where),
            by=_splits(self.by),
            direction=self.direction,
            within=self.within,
            length=self.length,
            first=self.first,
            audience=self.audience,
        )


@strawberry.type(description="Chosen events, and their distinct installs.")
class PathCounts:
    events_all: Count = described("All events.")
    events_people: Count = described("Events of people.")
    installs_all: Count = described("All installs.")
    installs_people: Count = described("Installs with such an event of people.")


@strawberry.type(description="One path.")
class Path:
    names: list[str] = described("Names of its events in the order in which they occurred. Empty if no event follows or precedes.")
    is_other: bool = described("Whether it counts all paths that are not listed.")
    counts: PathCounts = described("The chosen events with this path.")


@strawberry.type(description="The paths of one group.")
class PathGroup:
    keys: list[str | None] = described("Values of the fields that the question splits by, in the chosen event. Empty for the total.")
    is_other: bool = described("Whether it counts all groups that are not listed.")
    counts: PathCounts = described("All chosen events of the group.")
    paths: list[Path] = described("The paths, the same in each group, most frequent first; all other paths last.")


@strawberry.type(description="The answer to a question about paths.")
class PathsAnswer:
    total: PathGroup = described("The paths of all chosen events.")
    rows: list[PathGroup] = described("The groups, largest first, all other groups last.")
    since: DateTime | None = described("Time from which on all events are kept. Null if none were deleted.")
    complete: bool = described("Whether all events of the period are kept.")
    source: str = described("Source of the answer: `history` or `events`.")
    warnings: list[QuestionWarning] = described("Conditions that match nothing. Only for an answer without events.")
