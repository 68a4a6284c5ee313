"""Answers of questions and reports within the budget of a GraphQL operation."""

from __future__ import annotations

from server.admin.request_context import AnyInfo
from server.questions.answer import Answer
from server.questions.ask import ask
from server.questions.cohorts import Retention, RetentionAnswer, retention
from server.questions.funnel import Funnel, FunnelAnswer, funnel
from server.questions.paths import Paths, PathsAnswer, paths
from server.questions.question import Question


async def question_answer(info: AnyInfo, question: Question) -> Answer:
    answer = await ask(info.context.store, question, history=info.context.history)
    info.context.spend(answer.length())
    return answer


async def funnel_answer(info: AnyInfo, report: Funnel) -> FunnelAnswer:
    return await funnel(info.context.store, report, history=info.context.history)


async def retention_answer(info: AnyInfo, report: Retention) -> RetentionAnswer:
    found = await retention(info.context.store, report, history=info.context.history)
    info.context.spend(sum(2 * len(cohort.active_all) for group in (found.total, *found.rows) for cohort in group.cohorts))
    return found


async def paths_answer(info: AnyInfo, report: Paths) -> PathsAnswer:
    info.context.spend(4 * (report.first + 2) ** 2 if report.by else report.first)
    return await paths(info.context.store, report, history=info.context.history)
