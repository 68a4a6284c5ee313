"""Mutations of saved questions and of the links that share them."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin import saved_question_types as types
from server.admin.inputs import parse_id
from server.admin.mutations.projects import Slug, find
from server.admin.mutations.result import Result, attempt, record_audit
from server.admin.question_types import QuestionInput
from server.admin.request_context import AnyInfo, admin
from server.clock import epoch_ms
from server.questions import saved
from server.storage.projects import saved_questions, shares

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
    @strawberry.mutation(description="Save a question under a name, in the place of one that has it.")
    async def save_question(
        self, info: AnyInfo, slug: Slug, name: Name, question: Annotated[QuestionInput, argument(description="The question.")]
    ) -> SavedQuestionResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            stored = await saved.save(info.context.store, row["id"], name, question.to_template(), epoch_ms())
            await record_audit(info, admin(info, row["id"]), "question.save", row["id"], f"question {stored.id}")
            return {"saved_question": types.of(stored)}

        return await attempt(SavedQuestionResult, work)

    @strawberry.mutation(description="Rename a saved question.")
    async def rename_question(
        self, info: AnyInfo, slug: Slug, name: Name, new_name: Annotated[str, argument(description="The new name.")]
    ) -> SavedQuestionResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            stored = await saved_questions.rename(info.context.store, row["id"], name, new_name, epoch_ms())
            await record_audit(info, admin(info, row["id"]), "question.rename", row["id"], f"question {stored.id}")
            return {"saved_question": types.of(stored)}

        return await attempt(SavedQuestionResult, work)

    @strawberry.mutation(description="Delete a saved question.")
    async def delete_question(self, info: AnyInfo, slug: Slug, name: Name) -> Result:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            await saved_questions.delete(info.context.store, row["id"], name)
            await record_audit(info, admin(info, row["id"]), "question.delete", row["id"])
            return {}

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
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            share, path = await saved.share(info.context.store, row["id"], name, days, epoch_ms())
            await record_audit(info, admin(info, row["id"]), "share.create", row["id"], f"share {share.id}: {days} days")
            return {"share": types.share_of(share), "path": info.context.state.settings.base_path + path}

        return await attempt(ShareResult, work)

    @strawberry.mutation(description="Revoke a link. All servers notice within two seconds.")
    async def revoke_share(
        self, info: AnyInfo, slug: Slug, id: Annotated[strawberry.ID, argument(description="Id of the link.")]
    ) -> Result:
        async def work() -> dict[str, Any]:
            row, number = await find(info, slug), parse_id(id)
            await shares.revoke(info.context.store, row["id"], number or 0)
            await record_audit(info, admin(info, row["id"]), "share.revoke", row["id"], f"share {number}")
            return {}

        return await attempt(Result, work)
