"""Fields of a project that answer questions of any form. They require the `read` scope."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin import question_types, report_types
from server.admin.inputs import PeriodInput, check_count
from server.admin.question_types import QuestionInput
from server.admin.report_answers import funnel_answer, paths_answer, question_answer, retention_answer
from server.admin.report_types import FunnelInput, PathsInput, RetentionInput
from server.admin.request_context import AnyInfo, reader
from server.clock import epoch_ms
from server.event import FieldError
from server.problems import BadQuery
from server.questions import suggestions
from server.questions.answer import Answer
from server.questions.cohorts import RetentionAnswer
from server.questions.funnel import FunnelAnswer
from server.questions.paths import PathsAnswer
from server.questions.question import Question, find_field
from server.questions.suggestions import KnownField

MAX_VALUES = 200


@strawberry.type(description="Questions of any form about a project.")
class Explore:
    number: strawberry.Private[int]

    @strawberry.field(
        graphql_type=question_types.Answer,
        description="Answers a question: any measures, conditions, splits, steps and comparisons. Requires the `read` scope.",
    )
    async def ask(self, info: AnyInfo, question: Annotated[QuestionInput, argument(description="The question.")]) -> Answer:
        reader(info, self.number)
        return await question_answer(info, question.to_template().at(self.number, epoch_ms()))

    @strawberry.field(
        graphql_type=report_types.FunnelAnswer,
        description="Answers how many installs meet the conditions of several steps, one after the other or in any order, with a split at the"
        " first step. Requires the `read` scope.",
    )
    async def ask_funnel(
        self, info: AnyInfo, funnel: Annotated[FunnelInput, argument(description="The steps, conditions and splits.")]
    ) -> FunnelAnswer:
        reader(info, self.number)
        return await funnel_answer(info, funnel.to_template().at(self.number, epoch_ms()))

    @strawberry.field(
        graphql_type=report_types.RetentionAnswer,
        description="Answers how many of the installs that began in each day, week or month return later, with a split at the event with which"
        " they began. Requires the `read` scope.",
    )
    async def ask_retention(
        self, info: AnyInfo, retention: Annotated[RetentionInput, argument(description="The steps, conditions and splits.")]
    ) -> RetentionAnswer:
        reader(info, self.number)
        return await retention_answer(info, retention.to_template().at(self.number, epoch_ms()))

    @strawberry.field(
        graphql_type=report_types.PathsAnswer,
        description="Answers which events follow or precede a chosen one within a session or a day, with a split at the chosen event."
        " Requires the `read` scope.",
    )
    async def ask_paths(
        self, info: AnyInfo, paths: Annotated[PathsInput, argument(description="The chosen event, conditions and splits.")]
    ) -> PathsAnswer:
        reader(info, self.number)
        return await paths_answer(info, paths.to_template().at(self.number, epoch_ms()))

    @strawberry.field(
        graphql_type=list[question_types.Field],
        description="Fields that questions can filter and split by, with the project's properties. Requires the `read` scope.",
    )
    async def fields(
        self, info: AnyInfo, period: Annotated[PeriodInput | None, argument(description="Period whose properties are listed.")] = None
    ) -> list[KnownField]:
        reader(info, self.number)
        return await suggestions.fields(info.context.store, self.number, (period or PeriodInput()).read())

    @strawberry.field(
        description="Share of the events that the columnar history covers, from 0 to 1, while it is being built. Null once it is complete, or if "
        "it is off. Until then, questions with filters take longer, or exceed the time limit. Requires the `read` scope."
    )
    async def history_progress(self, info: AnyInfo) -> float | None:
        reader(info, self.number)
        history = info.context.history
        return None if history is None else await history.progress()

    @strawberry.field(description="Values of a field in the period, most common first. Requires the `read` scope.")
    async def field_values(
        self,
        info: AnyInfo,
        field: Annotated[str, argument(description="Name of the field.")],
        search: Annotated[str, argument(description="Only values that contain this text, in any case.")] = "",
        period: Annotated[PeriodInput | None, argument(description="Period. Default: the last 30 days.")] = None,
        first: Annotated[int, argument(description="Maximum number of values, from 1 to 200.")] = 50,
    ) -> list[str]:
        reader(info, self.number)
        find_field(field, "field")
        limit = check_count("first", first, MAX_VALUES)
        if len(search) > 100:
            raise BadQuery(FieldError("search", "must be at most 100 characters"))
        question = Question(project=self.number, period=(period or PeriodInput()).read())
        return await suggestions.values(info.context.store, question, field, search=search, limit=limit, history=info.context.history)
