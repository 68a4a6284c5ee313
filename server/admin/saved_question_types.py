"""GraphQL types of saved questions."""

from __future__ import annotations

from typing import Annotated, TypeVar

import strawberry
from strawberry import argument

from server.admin import question_types, report_types
from server.admin.answers import field as described
from server.admin.report_answers import funnel_answer, paths_answer, question_answer, retention_answer
from server.admin.request_context import AnyInfo, reader
from server.admin.scalars import DateTime
from server.clock import epoch_ms
from server.questions import report_text, saved
from server.questions.answer import Answer
from server.questions.cohorts import RetentionAnswer
from server.questions.funnel import FunnelAnswer
from server.questions.paths import Direction, PathsAnswer, Within
from server.questions.periods import Step, ToDate
from server.questions.question import Audience, Compare, Measure, Op, Parts
from server.questions.report_templates import FunnelTemplate, PathsTemplate, RetentionTemplate
from server.questions.template import Template
from server.storage.projects import saved_questions, shares

T = TypeVar("T")

AUDIENCE = "Events that rank the groups, and that charts, links and alerts show."


@strawberry.type(description="A condition on a field or property.")
class Condition:
    field: str = described("Name of the field or property.")
    op: Op = described("Comparison.")
    values: list[str] = described("Values to compare with.")


@strawberry.type(description="A field that a question splits by.")
class SplitField:
    field: str = described("Name of the field or property.")
    version: Parts | None = described("Part of the version to group by. Null for whole values.")


@strawberry.type(description="Named conditions.")
class Segment:
    name: str = described("Name.")
    where: list[Condition] = described("Conditions.")


@strawberry.type(description="A period that moves with the clock unless both of its ends are times.")
class RelativePeriod:
    last: int | None = described("Number of days up to now, including today.")
    to_date: ToDate | None = described("The current week or month.")
    start: DateTime | None = described("Start of the period.", "from")
    end: DateTime | None = described("End of the period, exclusive.", "to")


@strawberry.type(description="A question without a project. Its fields are those of `QuestionInput`.")
class Question:
    measures: list[Measure] = described("Figures.")
    where: list[Condition] = described("Conditions that an event must meet, all of them.")
    by: list[SplitField] = described("Fields to split by.")
    over: Step | None = described("Length of a step. Null for one figure for the whole period.")
    period: RelativePeriod = described("Period.")
    compare: Compare | None = described("Period to compare with.")
    compare_to: RelativePeriod | None = described("Explicit period to compare with.")
    segments: list[Segment] = described("Segments.")
    first: int = described("Number of groups listed.")
    audience: Audience = described(AUDIENCE)


@strawberry.type(description="A funnel without a project. Its fields are those of `FunnelInput`.")
class SavedFunnel:
    steps: list[Segment] = described("Steps in order, each with its conditions.")
    where: list[Condition] = described("Conditions that the events of all steps must meet.")
    by: list[SplitField] = described("Fields to split by, as the first step's event has them.")
    period: RelativePeriod = described("Period.")
    within_hours: float = described("Maximum time from the first step to the last, in hours.")
    ordered: bool = described("False if an install may meet the steps in any order.")
    first: int = described("Number of groups listed.")
    audience: Audience = described(AUDIENCE)


@strawberry.type(description="A question about retention without a project. Its fields are those of `RetentionInput`.")
class SavedRetention:
    over: Step = described("Length of a step.")
    where: list[Condition] = described("Conditions that all events must meet.")
    start: list[Condition] = described("Conditions of the event with which an install begins.")
    back: list[Condition] = described("Conditions of the events with which an install returns.", "return")
    by: list[SplitField] = described("Fields to split by, as the event has them with which an install begins.")
    period: RelativePeriod = described("Period.")
    first: int = described("Number of groups listed.")
    audience: Audience = described(AUDIENCE)


@strawberry.type(description="A question about paths without a project. Its fields are those of `PathsInput`.")
class SavedPaths:
    event: list[Condition] = described("Conditions of the chosen event.")
    where: list[Condition] = described("Conditions that all events of a path must meet.")
    by: list[SplitField] = described("Fields to split by, as the chosen event has them.")
    direction: Direction = described("Events before or after the chosen one.")
    within: Within = described("The session or the day in which a path lies.")
    length: int = described("Maximum number of events of a path.")
    period: RelativePeriod = described("Period.")
    first: int = described("Number of paths and of groups listed.")
    audience: Audience = described(AUDIENCE)


@strawberry.type(
    description="A question or report that an admin saved under a name. One of `question`, `funnel`, `retention` and `paths` is set, and so is its"
    " answer; the others are null. All are null if there is a `problem`."
)
class SavedQuestion:
    project: strawberry.Private[int]
    stored: strawberry.Private[saved_questions.SavedQuestion]
    name: str = described("Name, unique in the project.")
    created_at: DateTime = described("Time of creation.")
    changed_at: DateTime = described("Time of the last change.")

    @strawberry.field(graphql_type=Question | None, description="The question. Null for a report.")
    def question(self) -> Template | None:
        return self._template_as(Template)

    @strawberry.field(graphql_type=SavedFunnel | None, description="The funnel.")
    def funnel(self) -> FunnelTemplate | None:
        return self._template_as(FunnelTemplate)

    @strawberry.field(graphql_type=SavedRetention | None, description="The question about retention.")
    def retention(self) -> RetentionTemplate | None:
        return self._template_as(RetentionTemplate)

    @strawberry.field(graphql_type=SavedPaths | None, description="The question about paths.")
    def paths(self) -> PathsTemplate | None:
        return self._template_as(PathsTemplate)

    @strawberry.field(
        description="The question as text: its options for `footfall ask` or the command of its report, which are also the query parameters of"
        " the export, as `name=value`. Empty if there is a `problem`."
    )
    def text(self) -> list[str]:
        template = saved.readable_template(self.stored)
        if template is None:
            return []
        return [f"{name}={each}" for name, texts in report_text.form_of(template).written(template).items() for each in texts]

    @strawberry.field(description="Reason why this version cannot read the question, which a newer version may have saved. Null if it can.")
    def problem(self) -> str | None:
        return saved.UNREADABLE if saved.readable_template(self.stored) is None else None

    @strawberry.field(
        description="Reason why no link can share the question: a split by private values, paths, or a `problem`. Null if it can be shared."
    )
    def share_problem(self) -> str | None:
        template = saved.readable_template(self.stored)
        return saved.UNREADABLE if template is None else saved.share_problem(template)

    @strawberry.field(graphql_type=question_types.Answer | None, description="The answer of `question` at this time.")
    async def answer(self, info: AnyInfo) -> Answer | None:
        found = self._template_as(Template)
        return None if found is None else await question_answer(info, found.at(self.project, epoch_ms()))

    @strawberry.field(graphql_type=report_types.FunnelAnswer | None, description="The answer of `funnel` at this time.")
    async def funnel_answer(self, info: AnyInfo) -> FunnelAnswer | None:
        found = self._template_as(FunnelTemplate)
        return None if found is None else await funnel_answer(info, found.at(self.project, epoch_ms()))

    @strawberry.field(graphql_type=report_types.RetentionAnswer | None, description="The answer of `retention` at this time.")
    async def retention_answer(self, info: AnyInfo) -> RetentionAnswer | None:
        found = self._template_as(RetentionTemplate)
        return None if found is None else await retention_answer(info, found.at(self.project, epoch_ms()))

    @strawberry.field(graphql_type=report_types.PathsAnswer | None, description="The answer of `paths` at this time.")
    async def paths_answer(self, info: AnyInfo) -> PathsAnswer | None:
        found = self._template_as(PathsTemplate)
        return None if found is None else await paths_answer(info, found.at(self.project, epoch_ms()))

    def _template_as(self, kind: type[T]) -> T | None:
        found = saved.readable_template(self.stored)
        return found if isinstance(found, kind) else None


@strawberry.type(description="A link that shows the answer of a saved question without a login, until it expires or is revoked.")
class Share:
    id: strawberry.ID = described("Id.")
    question: str = described("Name of the saved question.")
    created_at: DateTime = described("Time of creation.")
    expires_at: DateTime = described("Time at which the link expires.")
    is_expired: bool = described("Whether it has expired.")


def share_of(share: shares.Share) -> Share:
    """Return the type of a link."""
    return Share(
        id=strawberry.ID(str(share.id)),
        question=share.question,
        created_at=DateTime(share.created_at),
        expires_at=DateTime(share.expires_at),
        is_expired=share.expires_at <= epoch_ms(),
    )


def of(stored: saved_questions.SavedQuestion) -> SavedQuestion:
    """Return the type of a stored question."""
    return SavedQuestion(
        project=stored.project,
        stored=stored,
        name=stored.name,
        created_at=DateTime(stored.created_at),
        changed_at=DateTime(stored.changed_at),
    )


@strawberry.type
class SavedQuestions:
    number: strawberry.Private[int]

    @strawberry.field(description="Saved questions by name, at most 100. Requires the `read` scope.")
    async def saved_questions(self, info: AnyInfo) -> list[SavedQuestion]:
        reader(info, self.number)
        return [of(each) for each in await saved_questions.list_saved(info.context.store, self.number)]

    @strawberry.field(description="The saved question with this name. Requires the `read` scope.")
    async def saved_question(
        self, info: AnyInfo, name: Annotated[str, argument(description="Name of the question.")]
    ) -> SavedQuestion | None:
        reader(info, self.number)
        return next((of(each) for each in await saved_questions.list_saved(info.context.store, self.number) if each.name == name), None)

    @strawberry.field(description="Links that share saved questions, newest first, at most 100. Requires the `read` scope.")
    async def shares(self, info: AnyInfo) -> list[Share]:
        reader(info, self.number)
        return [share_of(each) for each in await shares.list_shares(info.context.store, self.number)]
