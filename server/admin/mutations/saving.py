"""Mutations of saved questions and of the links that share them."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin import saved_question_types as types
from server.admin.inputs import parse_id
from server.admin.mutations.projects import Slug, find
from server.admin.mutations.result import Result, attempt, record_audit
from server.admin.question_types import QuestionInput
from server.admin.report_types import FunnelInput, PathsInput, RetentionInput
from server.admin.request_context import AnyInfo, admin
from server.clock import epoch_ms
from server.questions import saved
from server.storage.projects import FieldProblem, saved_questions, shares

Name = Annotated[str, argument(description="Name of the question.")]


@strawberry.type(description="Result of saving or renaming a question.")
class SavedQuestionResult(Result):
    saved_question: types.SavedQuestion | None = strawberry.field(default=None, description="The question. Null if there are errors.")


@strawberry.type(description="Result of creating a link.")
class ShareResult(Result):
    share: types.Share | None = strawberry.field(default=None, description="The link. Null if there are errors.")
    path: str | None = strawberry.field(
        default=None,
        description="Path of the link on this server, with its secret, which is not stored and cannot be shown again. Null if there are errors.",
    )


@strawberry.type
class SavedQuestionMutations:
    @strawberry.mutation(description="Save a question or a report under a name. Replaces the question that has this name.")
    async def save_question(
        self,
        info: AnyInfo,
        slug: Slug,
        name: Name,
        question: Annotated[QuestionInput | None, argument(description="A question.")] = None,
        funnel: Annotated[FunnelInput | None, argument(description="A funnel, in place of a question.")] = None,
        retention: Annotated[RetentionInput | None, argument(description="Retention, in place of a question.")] = None,
        paths: Annotated[PathsInput | None, argument(description="Paths, in place of a question.")] = None,
    ) -> SavedQuestionResult:
        async def work() -> SavedQuestionResult:
            project = await find(info, slug)
            inputs = [each for each in (question, funnel, retention, paths) if each is not None]
            if len(inputs) != 1:
                raise FieldProblem("question", "must be given, or else one of `funnel`, `retention` and `paths`; they cannot be combined")
            stored = await saved.save(info.context.store, project.id, name, inputs[0].to_template(), epoch_ms())
            await record_audit(info, admin(info, project.id), "question.save", project.id, f"question {stored.id}")
            return SavedQuestionResult(saved_question=types.of(stored))

        return await attempt(SavedQuestionResult, work)

    @strawberry.mutation(description="Rename a saved question.")
    async def rename_question(
        self, info: AnyInfo, slug: Slug, name: Name, new_name: Annotated[str, argument(description="The new name.")]
    ) -> SavedQuestionResult:
        async def work() -> SavedQuestionResult:
            project = await find(info, slug)
            stored = await saved_questions.rename(info.context.store, project.id, name, new_name, epoch_ms())
            await record_audit(info, admin(info, project.id), "question.rename", project.id, f"question {stored.id}")
            return SavedQuestionResult(saved_question=types.of(stored))

        return await attempt(SavedQuestionResult, work)

    @strawberry.mutation(description="Delete a saved question.")
    async def delete_question(self, info: AnyInfo, slug: Slug, name: Name) -> Result:
        async def work() -> Result:
            project = await find(info, slug)
            await saved_questions.delete(info.context.store, project.id, name)
            await record_audit(info, admin(info, project.id), "question.delete", project.id)
            return Result()

        return await attempt(Result, work)

    @strawberry.mutation(
        description="Create a link that shows the answer of a saved question to everyone who has it. Groups of few installs are folded."
    )
    async def create_share(
        self,
        info: AnyInfo,
        slug: Slug,
        name: Name,
        days: Annotated[int, argument(description="Days until the link expires, from 1 to 365.")] = shares.DAYS,
    ) -> ShareResult:
        async def work() -> ShareResult:
            project = await find(info, slug)
            share, path = await saved.share(info.context.store, project.id, name, days, epoch_ms())
            await record_audit(info, admin(info, project.id), "share.create", project.id, f"share {share.id}: {days} days")
            return ShareResult(share=types.share_of(share), path=info.context.state.settings.base_path + path)

        return await attempt(ShareResult, work)

    @strawberry.mutation(description="Revoke a link. It stops working immediately, on every server.")
    async def revoke_share(
        self, info: AnyInfo, slug: Slug, id: Annotated[strawberry.ID, argument(description="Id of the link.")]
    ) -> Result:
        async def work() -> Result:
            project, number = await find(info, slug), parse_id(id)
            await shares.revoke(info.context.store, project.id, number or 0)
            await record_audit(info, admin(info, project.id), "share.revoke", project.id, f"share {number}")
            return Result()

        return await attempt(Result, work)
