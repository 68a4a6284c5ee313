"""GraphQL types of the question model: its inputs, and its answers."""

from __future__ import annotations

import strawberry

from server.admin import enums  # noqa: F401 - describes the enums below
from server.admin.answers import field as described
from server.admin.inputs import ConditionInput, PeriodInput
from server.admin.scalars import DateTime
from server.clock import epoch_ms
from server.fields import Kind
from server.questions import question
from server.questions.periods import Step
from server.questions.question import Audience, Compare, Measure, Op, Parts
from server.questions.template import Template


@strawberry.input(description="A field to split by.")
class ByInput:
    field: str = strawberry.field(description="Name of a field, or `properties.` and a property's name.")
    version: Parts | None = strawberry.field(default=None, description="Group versions by their major or minor version.")


@strawberry.input(description="Named conditions, answered beside other segments.")
class SegmentInput:
    name: str = strawberry.field(description="Name of the segment, at most 100 characters.")
    where: list[ConditionInput] = strawberry.field(default_factory=list, description="Conditions, in addition to those of the question.")


@strawberry.input(description="A question about the events of a project.")
class QuestionInput:
    measures: list[Measure] = strawberry.field(default_factory=lambda: [Measure.EVENTS], description="Figures, 1 to 6.")
    where: list[ConditionInput] = strawberry.field(default_factory=list, description="Conditions that an event must meet, all of them.")
    by: list[ByInput] = strawberry.field(default_factory=list, description="Fields to split by, at most two.")
    over: Step | None = strawberry.field(default=None, description="Length of a step. Default: one figure for the whole period.")
    period: PeriodInput | None = strawberry.field(default=None, description="Period. Default: the last 30 days.")
    compare: Compare | None = strawberry.field(default=None, description="Period to compare with.")
    compare_to: PeriodInput | None = strawberry.field(
        default=None,
        description="Explicit period to compare with, by `from` and `to`. Without `to`, it is as long as the period. Cannot be combined with `compare`.",
    )
    segments: list[SegmentInput] = strawberry.field(default_factory=list, description="Segments, at most four.")
    first: int = strawberry.field(
        default=10, description="Number of groups listed, largest by the first measure, from 1 to 200. All others are counted together."
    )
    audience: Audience = strawberry.field(
        default=Audience.EVERYTHING,
        description="Events that rank the groups, and that charts, links and alerts of a saved question show. Answers have the figures of both audiences.",
    )

    def to_template(self) -> Template:
        """Convert the input, without checks."""
        return Template(
            measures=tuple(self.measures),
            where=tuple(each.to_condition() for each in self.where),
            by=tuple(question.By(each.field, each.version) for each in self.by),
            over=self.over,
            period=(self.period or PeriodInput()).relative(),
            compare=self.compare,
            compare_to=None if self.compare_to is None else self.compare_to.relative(),
            segments=tuple(question.Segment(each.name, tuple(one.to_condition() for one in each.where)) for each in self.segments),
            first=self.first,
            audience=self.audience,
        )

    def to_question(self, project: int) -> question.Question:
        """Convert the input. Raises BadQuery that names the invalid field."""
        return self.to_template().at(project, epoch_ms())


@strawberry.type(
    description="One measure of a row, as lists with one entry per step (one entry without steps). Durations are in milliseconds."
)
class Figures:
    measure: Measure = described("The measure.")
    all: list[float | None] = described("Figures of all events. Null if no event provides the figure.")
    people: list[float | None] = described("Figures of the events of people. Events with an unknown environment count as people's.")
    all_before: list[float | None] | None = described("Figures of all events of the compared period.")
    people_before: list[float | None] | None = described("Figures of the events of people in the compared period.")
    all_low: list[float | None] | None = described(
        "Lower bounds of the 95 % intervals of `all`, if sampled events make some figures estimates. Null if all figures are exact."
    )
    all_high: list[float | None] | None = described("Upper bounds of the 95 % intervals of `all`.")
    people_low: list[float | None] | None = described("Lower bounds of the 95 % intervals of `people`.")
    people_high: list[float | None] | None = described("Upper bounds of the 95 % intervals of `people`.")


@strawberry.type(description="The figures of one segment and group.")
class AnswerRow:
    segment: str | None = described("Name of the segment. Null if there are no segments.")
    keys: list[str | None] = described("Values of the fields that the question splits by. Null for events without a value.")
    is_other: bool = described("Whether the row counts all groups that are not listed.")
    figures: list[Figures] = described("The figures, in the order of the measures.")


@strawberry.type(description="A condition that no event of the period meets, or a reason why figures may mislead.")
class QuestionWarning:
    field: str = described("Name of the field; or `where` (all conditions together), `period` or `installs`.")
    message: str = described("Explanation.")
    nearest: list[str] = described("Values that events of the period have.")
    nearest_fields: list[str] = described(
        "Properties that events have, if none has the property of the condition or split: the most similar ones, otherwise the most common ones."
    )


@strawberry.type(description="The answer to a question.")
class Answer:
    starts: list[DateTime] = described("Start of each step. Empty without steps.")
    starts_before: list[DateTime] | None = described("Start of each step of the compared period.")
    from_before: DateTime | None = described(
        "Start of the compared period, which may be within its first step. Null if nothing is compared."
    )
    to_before: DateTime | None = described("End of the compared period, which may be within its last step.")
    partial_step: int | None = described("Index of the step that has not ended yet.")
    rows: list[AnswerRow] = described("The rows, largest group first, all other groups last.")
    since: DateTime | None = described("Time from which on all events are kept. Null if none were deleted.")
    complete: bool = described("Whether all events of the period are kept.")
    complete_before: bool | None = described("Whether all events of the compared period are kept. Null if nothing is compared.")
    source: str = described("Source of the answer: `rollups`, `history` or `events`.")
    warnings: list[QuestionWarning] = described(
        "Conditions that match nothing, if the answer has no events, and reasons why figures may mislead."
    )


@strawberry.type(description="A field that questions can filter and split by.")
class Field:
    name: str = described("Name in conditions and splits.")
    label: str = described("Name for display.")
    description: str = described("Description.")
    kind: Kind = described("Type of its values.")
    ops: list[Op] = described("Comparisons that it accepts.")
    can_split: bool = described("Whether questions can split by it.")
