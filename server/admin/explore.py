"""Fields of a project that answer questions of any form. They require the `read` scope."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin import question_types, report_types
from server.admin.inputs import PeriodInput, check_count
from server.admin.question_types import QuestionInput
from server.admin.report_types import FunnelInput, PathsInput, RetentionInput
from server.admin.request_context import AnyInfo, reader
from server.event import FieldError
from server.problems import BadQuery
from server.questions import cohorts, suggestions
from server.questions.answer import Answer
from server.questions.ask import ask, size
from server.questions.cohorts import RetentionAnswer
from server.questions.funnel import FunnelAnswer
from server.questions.funnel import funnel as ask_funnel
from server.questions.paths import PathsAnswer
from server.questions.paths import paths as find_paths
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
        asked = question.to_question(self.number)
        info.context.spend(size(asked))
        return await ask(info.context.store, asked, history=info.context.history)

    @strawberry.field(
        graphql_type=report_types.FunnelAnswer,
        description="Answers how many installs meet the conditions of several steps, one after the other or in any order, with a split at the"
        " first step. Requires the `read` scope.",
    )
    async def ask_funnel(
        self, info: AnyInfo, funnel: Annotated[FunnelInput, argument(description="The steps, conditions and splits.")]
    ) -> FunnelAnswer:
        reader(info, self.number)
        return await ask_funnel(info.context.store, funnel.to_funnel(self.number), history=info.context.history)

    @strawberry.field(
        graphql_type=report_types.RetentionAnswer,
        description="Answers how many of the installs that began in each day, week or month return later, with a split at the event with which"
        " they began. Requires the `read` scope.",
    )
    async def ask_retention(
        self, info: AnyInfo, retention: Annotated[RetentionInput, argument(description="The steps, conditions and splits.")]
    ) -> RetentionAnswer:
        reader(info, self.number)
        asked = retention.to_retention(self.number)
        found = await cohorts.retention(info.context.store, asked, history=info.context.history)
        info.context.spend(sum(2 * len(cohort.active_all) for group in (found.total, *found.rows) for cohort in group.cohorts))
        return found

    @strawberry.field(
        graphql_type=report_types.PathsAnswer,
        description="Answers which events follow or precede a chosen one within a session or a day, with a split at the chosen event."
        " Requires the `read` scope.",
    )
    async def ask_paths(
        self, info: AnyInfo, paths: Annotated[PathsInput, argument(description="The chosen event, conditions and splits.")]
    ) -> PathsAnswer:
        reader(info, self.number)
        asked = paths.to_paths(self.number)
        info.context.spend(4 * (asked.first + 2) ** 2 if asked.by else asked.first)
        return await find_paths(info.context.store, asked, history=info.context.history)

    @strawberry.field(
        graphql_type=list[question_types.Field],
        description="Fields that questions can filter and split by, with the project's properties. Requires the `read` scope.",
    )
    async def fields(
        self, info: AnyInfo, period: Annotated[PeriodInput | None, argument(description="Period whose properties are listed.")] = None
    ) -> list[KnownField]:
        reader(info, self.number)
        return await suggestions.fields(info.context.store, self.number, (period or PeriodInput()).read())

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
        asked = Question(project=self.number, period=(period or PeriodInput()).read())
        return await suggestions.values(info.context.store, asked, field, search=search, limit=limit, history=info.context.history)
