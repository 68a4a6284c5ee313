"""Alerts, jobs and erasure."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin.inputs import number_of
from server.admin.mutations.projects import Slug, find
from server.admin.mutations.result import Result, attempt, wrote
from server.admin.project import Alert, alert_of
from server.admin.rejected_replay import replay_tray
from server.admin.request_context import AnyInfo, admin, admin_of_any
from server.admin.scalars import Count, Hash, now
from server.event_id import from_uuid
from server.identifiers import identifier
from server.jobs import Run, Runner, rules
from server.jobs import find as find_job
from server.jobs.rules import Draft
from server.jobs.webhooks import Webhooks
from server.storage.history import erasure
from server.storage.projects import FieldProblem, ProblemKind
from server.storage.upkeep.alert_rules import Kind, Rule


@strawberry.input(description="A rule that tells a webhook when something is out of the ordinary.")
class AlertInput:
    kind: Kind = strawberry.field(description="What it watches.")
    url: str = strawberry.field(description="The webhook, https://…")
    name: str = strawberry.field(default="", description="What people call it.")
    threshold: float | None = strawberry.field(default=None, description="In percent; that of its kind if it is left out.")
    window_minutes: int = strawberry.field(default=60, description="The minutes that it looks at, in full hours.")
    minimum_events: int = strawberry.field(default=20, description="Events without which it tells nothing.")
    cooldown_minutes: int = strawberry.field(default=60, description="Minutes between two alerts.")


@strawberry.input(description="What to change of an alert. What is left out stays.")
class AlertChanges:
    enabled: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether it is looked at.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What people call it.")
    threshold: float | None = strawberry.field(default=strawberry.UNSET, description="In percent.")
    window_minutes: int | None = strawberry.field(default=strawberry.UNSET, description="The minutes that it looks at, in full hours.")
    minimum_events: int | None = strawberry.field(default=strawberry.UNSET, description="Events without which it tells nothing.")
    cooldown_minutes: int | None = strawberry.field(default=strawberry.UNSET, description="Minutes between two alerts.")

    def columns(self) -> dict[str, Any]:
        """What is to be changed, by the names of the store."""
        return {name: getattr(self, name) for name in type(self).__annotations__ if getattr(self, name) not in (strawberry.UNSET, None)}


@strawberry.type(description="An alert that was made or changed.")
class AlertResult(Result):
    alert: Alert | None = strawberry.field(default=None, description="The alert.")
    secret: str | None = strawberry.field(default=None, description="What signs its messages. It is shown once, when it is made.")


@strawberry.type(description="What an alert finds now, and how its webhook took a test.")
class TryResult(Result):
    finding: str | None = strawberry.field(default=None, description="What it finds; null for nothing.")
    answered: int | None = strawberry.field(default=None, description="The status that the webhook answered with.")
    delivery_error: str | None = strawberry.field(default=None, description="Why the test could not be delivered.")


@strawberry.type(description="What was erased of an install.")
class EraseResult(Result):
    events: Count = strawberry.field(default=Count(0), description="Events.")
    days: Count = strawberry.field(default=Count(0), description="Days of activity.")


@strawberry.type(description="What became of refused events that were tried again.")
class ReplayResult(Result):
    stored: Count = strawberry.field(default=Count(0), description="Stored now.")
    duplicates: Count = strawberry.field(default=Count(0), description="Known by now.")
    refused: Count = strawberry.field(default=Count(0), description="Refused again.")


@strawberry.type
class OperationMutations:
    @strawberry.mutation(description="Make an alert.")
    async def create_alert(self, info: AnyInfo, slug: Slug, alert: Annotated[AlertInput, argument(description="The rule.")]) -> AlertResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            draft = Draft(
                alert.kind, alert.url, alert.name, alert.threshold, alert.window_minutes, alert.minimum_events, alert.cooldown_minutes
            )
            number, secret = await rules.create(
                info.context.store, slug, draft, now=now(), private=info.context.state.settings.alert_private
            )
            await wrote(info, admin(info, row["id"]), "alert.create", row["id"], f"alert {number}: {alert.kind.value}")
            return {"alert": alert_of(await rules.find_rule(info.context.store, number), None), "secret": secret}

        return await attempt(AlertResult, work)

    @strawberry.mutation(
        description="Change an alert, or have it looked at no more for a while. Its webhook and what signs its messages stay."
    )
    async def update_alert(
        self,
        info: AnyInfo,
        id: Annotated[strawberry.ID, argument(description="Its number.")],
        changes: Annotated[AlertChanges, argument(description="What to change.")],
    ) -> AlertResult:
        async def work() -> dict[str, Any]:
            rule, columns = await _rule(info, id), changes.columns()
            await rules.change(info.context.store, rule.id, **columns)
            await wrote(info, admin(info, rule.project), "alert.update", rule.project, f"alert {rule.id}: {', '.join(sorted(columns))}")
            last = await rules.last_of(info.context.store, rule.id)
            return {"alert": alert_of(await rules.find_rule(info.context.store, rule.id), last or None)}

        return await attempt(AlertResult, work)

    @strawberry.mutation(description="Delete an alert.")
    async def delete_alert(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Its number.")]) -> Result:
        async def work() -> dict[str, Any]:
            rule = await _rule(info, id)
            await rules.delete(info.context.store, rule.id)
            await wrote(info, admin(info, rule.project), "alert.delete", rule.project, f"alert {rule.id}")
            return {}

        return await attempt(Result, work)

    @strawberry.mutation(description="Say what an alert finds now, and send its webhook a test.")
    async def try_alert(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Its number.")]) -> TryResult:
        async def work() -> dict[str, Any]:
            rule = await _rule(info, id)
            tried = await rules.try_rule(
                info.context.store, rule.id, Webhooks(private=info.context.state.settings.alert_private), now=now()
            )
            await wrote(info, admin(info, rule.project), "alert.try", rule.project, f"alert {rule.id}")
            return {
                "finding": tried.finding and tried.finding.message,
                "answered": tried.delivered.answered,
                "delivery_error": tried.delivered.error,
            }

        return await attempt(TryResult, work)

    @strawberry.mutation(description="Start a job. `jobs` says how it went.")
    async def run_job(self, info: AnyInfo, name: Annotated[str, argument(description="Its name.")]) -> Result:
        viewer = admin(info)

        async def work() -> dict[str, Any]:
            job = find_job(name)
            if job is None:
                raise FieldProblem("name", "is that of no job", ProblemKind.UNKNOWN)
            state = info.context.state
            run = Run(info.context.store, state.settings, state.metrics, by_hand=True)
            state.scheduler.look_after(Runner(run).run(job))
            await wrote(info, viewer, "job.run", detail=job.name)
            return {}

        return await attempt(Result, work)

    @strawberry.mutation(
        description="Replay refused events, each once: through the decoder of today, and with the targets that the project accepts today. "
        "Those that are stored move from rejected to stored in the ledger, others stay in the tray."
    )
    async def replay_rejected(
        self,
        info: AnyInfo,
        slug: Slug,
        ids: Annotated[
            list[strawberry.ID] | None, argument(description="Ids of refused events; all that can be replayed where it is left out.")
        ] = None,
    ) -> ReplayResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            viewer, state = admin(info, row["id"]), info.context.state
            project = next((each for each in state.projects.all() if each.id == row["id"]), None)
            if project is None:
                raise FieldProblem("slug", "is that of an archived project")
            replayed = await replay_tray(state, project, None if ids is None else _numbers(ids))
            await wrote(info, viewer, "rejected.replay", row["id"], f"{replayed.tried - replayed.refused} of {replayed.tried} events")
            return {
                "stored": Count(replayed.stored),
                "duplicates": Count(replayed.duplicates),
                "refused": Count(replayed.refused),
            }

        return await attempt(ReplayResult, work)

    @strawberry.mutation(
        description="Erase an install: its events, its days of activity, its row. Counts stay, and nothing in them leads to it."
    )
    async def erase_install(
        self,
        info: AnyInfo,
        slug: Slug,
        installation_id: Annotated[str | None, argument(description="The id that its client sends; or else its hash.")] = None,
        hash: Annotated[Hash | None, argument(description="The hash that stands for it, as lists show it.")] = None,
    ) -> EraseResult:
        async def work() -> dict[str, Any]:
            row = await find(info, slug)
            if (installation_id is None) is (hash is None):
                raise FieldProblem("installationId", "must be said, or else the hash")
            if installation_id is not None and (not 1 <= len(installation_id) <= 200 or "\0" in installation_id):
                raise FieldProblem("installationId", "must have 1 to 200 characters")
            if installation_id is not None and identifier(installation_id) is None:
                raise FieldProblem("installationId", "is a word for a missing id, and no id")
            number = hash if installation_id is None else info.context.state.privacy.install(row["id"], installation_id)
            assert number is not None
            erased = await erasure.erase(info.context.store, row["id"], number)
            if not erased.known:
                raise FieldProblem(
                    "hash" if installation_id is None else "installationId", "is that of no install of this project", ProblemKind.UNKNOWN
                )
            await wrote(info, admin(info, row["id"]), "install.erase", row["id"], f"{erased.events} events")
            return {"events": Count(erased.events), "days": Count(erased.days)}

        return await attempt(EraseResult, work)


def _numbers(ids: list[strawberry.ID]) -> list[int]:
    try:
        return [from_uuid(str(id_)) for id_ in ids]
    except ValueError:
        raise FieldProblem("ids", "has one that is no id of a rejected event") from None


async def _rule(info: AnyInfo, id_: str) -> Rule:
    viewer = admin_of_any(info)
    try:
        rule = await rules.find_rule(info.context.store, number_of(id_) or 0)
    except ValueError:
        rule = None
    if rule is None or not viewer.may("admin", rule.project):
        raise FieldProblem("id", "is that of no alert", ProblemKind.UNKNOWN)
    return rule
