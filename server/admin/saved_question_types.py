"""GraphQL types of saved questions."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin import question_types
from server.admin.answers import field as described
from server.admin.request_context import AnyInfo, reader
from server.admin.scalars import DateTime
from server.clock import epoch_ms
from server.questions import saved, text
from server.questions.answer import Answer
from server.questions.ask import ask, size
from server.questions.periods import Step, ToDate
from server.questions.question import Compare, Measure, Op, Parts
from server.questions.template import Template
from server.storage.projects import saved_questions, shares


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


@strawberry.type(description="A question that an admin saved under a name.")
class SavedQuestion:
    project: strawberry.Private[int]
    stored: strawberry.Private[saved_questions.SavedQuestion]
    name: str = described("Name, unique in the project.")
    created_at: DateTime = described("Time of creation.")
    changed_at: DateTime = described("Time of the last change.")

    @strawberry.field(graphql_type=Question, description="The question.")
    def question(self) -> Template:
        return saved.template_of(self.stored)

    @strawberry.field(
        description="The options of `footfall ask` and the query parameters of `/v1/export/ask` that ask it, as `name=value`."
    )
    def text(self) -> list[str]:
        return [f"{name}={each}" for name, texts in text.written(saved.template_of(self.stored)).items() for each in texts]

    @strawberry.field(description="Reason why no link can share the question: a split by private values. Null if it can be shared.")
    def share_problem(self) -> str | None:
        return saved.share_problem(saved.template_of(self.stored))

    @strawberry.field(graphql_type=question_types.Answer, description="The answer at this time.")
    async def answer(self, info: AnyInfo) -> Answer:
        asked = saved.template_of(self.stored).at(self.project, epoch_ms())
        info.context.spend(size(asked))
        return await ask(info.context.store, asked, history=info.context.history)


@strawberry.type(description="A link that shows the answer of a saved question without a login, until it expires or is revoked.")
class Share:
    id: strawberry.ID = described("Id.")
    question: str = described("Name of the saved question.")
    created_at: DateTime = described("Time of creation.")
    expires_at: DateTime = described("Time from which on it shows nothing.")
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
