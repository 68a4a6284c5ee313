"""Mutations of alerts and jobs, replay and erasure."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import argument

from server.admin.inputs import parse_id
from server.admin.mutations.projects import Slug, find
from server.admin.mutations.result import Result, attempt, record_audit
from server.admin.project import Alert, alert_of
from server.admin.rejected_replay import replay_rejected
from server.admin.request_context import AnyInfo, admin, any_admin
from server.admin.scalars import Count, Hash
from server.clock import epoch_ms
from server.event_id import from_uuid
from server.identifiers import identifier
from server.jobs import Run, Runner, rules
from server.jobs import find as find_job
from server.jobs.rules import Draft
from server.jobs.webhooks import Webhooks
from server.storage.projects import FieldProblem, ProblemKind
from server.storage.upkeep.alert_rules import Kind, Rule


@strawberry.input(description="A rule that notifies a webhook of unusual events.")
class AlertInput:
    kind: Kind = strawberry.field(description="Condition of the alert.")
    url: str = strawberry.field(description="URL of the webhook, beginning with `https://`.")
    name: str = strawberry.field(default="", description="Display name.")
    threshold: float | None = strawberry.field(
        default=None,
        description="Threshold in percent; for `QUESTION_ABOVE` and `QUESTION_BELOW`, in the unit of the figure. Default: the default of the kind.",
    )
    window_minutes: int = strawberry.field(default=60, description="Length of the evaluated window in minutes: full hours.")
    minimum_events: int = strawberry.field(
        default=20, description="Minimum number of events in the window. With fewer events, the alert does not fire."
    )
    cooldown_minutes: int = strawberry.field(default=60, description="Minimum number of minutes between two notifications.")
    question: str | None = strawberry.field(
        default=None, description="Name of a saved question or funnel. Required by the kinds `QUESTION_…`."
    )


@strawberry.input(description="Changes to an alert. Omitted fields stay as they are.")
class AlertChanges:
    enabled: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether the alert is evaluated.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Display name.")
    threshold: float | None = strawberry.field(
        default=strawberry.UNSET, description="Threshold in percent; for `QUESTION_ABOVE` and `QUESTION_BELOW`, in the unit of the figure."
    )
    window_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="Length of the evaluated window in minutes: full hours."
    )
    minimum_events: int | None = strawberry.field(
        default=strawberry.UNSET, description="Minimum number of events in the window. With fewer events, the alert does not fire."
    )
    cooldown_minutes: int | None = strawberry.field(
        default=strawberry.UNSET, description="Minimum number of minutes between two notifications."
    )
    question: str | None = strawberry.field(
        default=strawberry.UNSET, description="Name of another saved question or funnel, for the kinds `QUESTION_…`."
    )

    def columns(self) -> dict[str, Any]:
        """Return the changed columns by name."""
        return {name: getattr(self, name) for name in type(self).__annotations__ if getattr(self, name) not in (strawberry.UNSET, None)}


@strawberry.type(description="Result of creating or changing an alert.")
class AlertResult(Result):
    alert: Alert | None = strawberry.field(default=None, description="The alert. Null if there are errors.")
    secret: str | None = strawberry.field(
        default=None, description="Secret that signs the notifications. Shown once, when the alert is created. Null otherwise."
    )


@strawberry.type(description="Result of testing an alert.")
class TestAlertResult(Result):
    finding: str | None = strawberry.field(
        default=None, description="Message of the notification that the alert would send now. Null if it would not fire."
    )
    response_status: int | None = strawberry.field(
        default=None, description="HTTP status of the webhook's response. Null if there was none."
    )
    delivery_error: str | None = strawberry.field(default=None, description="Reason for a failed delivery. Null if it succeeded.")


@strawberry.type(description="Result of erasing an install.")
class EraseResult(Result):
    events: Count = strawberry.field(default=Count(0), description="Number of events erased.")
    days: Count = strawberry.field(default=Count(0), description="Number of days of activity erased.")


@strawberry.type(description="Result of replaying refused events.")
class ReplayResult(Result):
    stored: Count = strawberry.field(default=Count(0), description="Number of events stored.")
    duplicates: Count = strawberry.field(default=Count(0), description="Number of duplicates of stored events.")
    refused: Count = strawberry.field(default=Count(0), description="Number of events refused again.")


@strawberry.type
class OperationMutations:
    @strawberry.mutation(description="Create an alert.")
    async def create_alert(
        self, info: AnyInfo, slug: Slug, alert: Annotated[AlertInput, argument(description="The alert.")]
    ) -> AlertResult:
        async def work() -> AlertResult:
            project = await find(info, slug)
            draft = Draft(
                alert.kind,
                alert.url,
                alert.name,
                alert.threshold,
                alert.window_minutes,
                alert.minimum_events,
                alert.cooldown_minutes,
                question=alert.question,
            )
            number, secret = await rules.create(
                info.context.store, slug, draft, now=epoch_ms(), private=info.context.state.settings.alert_private
            )
            await record_audit(info, admin(info, project.id), "alert.create", project.id, f"alert {number}: {alert.kind.value}")
            return AlertResult(alert=alert_of(await rules.find_rule(info.context.store, number), None), secret=secret)

        return await attempt(AlertResult, work)

    @strawberry.mutation(description="Change or pause an alert. The webhook and the signing secret cannot be changed.")
    async def update_alert(
        self,
        info: AnyInfo,
        id: Annotated[strawberry.ID, argument(description="Id of the alert.")],
        changes: Annotated[AlertChanges, argument(description="Changes to the alert.")],
    ) -> AlertResult:
        async def work() -> AlertResult:
            rule, columns = await _rule(info, id), changes.columns()
            await rules.change(info.context.store, rule.id, **columns)
            await record_audit(
                info, admin(info, rule.project), "alert.update", rule.project, f"alert {rule.id}: {', '.join(sorted(columns))}"
            )
            last = await rules.last_of(info.context.store, rule.id)
            return AlertResult(alert=alert_of(await rules.find_rule(info.context.store, rule.id), last))

        return await attempt(AlertResult, work)

    @strawberry.mutation(description="Delete an alert.")
    async def delete_alert(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Id of the alert.")]) -> Result:
        async def work() -> Result:
            rule = await _rule(info, id)
            await rules.delete(info.context.store, rule.id)
            await record_audit(info, admin(info, rule.project), "alert.delete", rule.project, f"alert {rule.id}")
            return Result()

        return await attempt(Result, work)

    @strawberry.mutation(description="Evaluate an alert now, and send a test notification to its webhook.")
    async def test_alert(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Id of the alert.")]) -> TestAlertResult:
        async def work() -> TestAlertResult:
            rule = await _rule(info, id)
            test = await rules.try_rule(
                info.context.store, rule.id, Webhooks(private=info.context.state.settings.alert_private), now=epoch_ms()
            )
            await record_audit(info, admin(info, rule.project), "alert.try", rule.project, f"alert {rule.id}")
            return TestAlertResult(
                finding=None if test.finding is None else test.finding.message,
                response_status=test.delivered.answered,
                delivery_error=test.delivered.error,
            )

        return await attempt(TestAlertResult, work)

    @strawberry.mutation(description="Start a job. The query `jobs` reports its result.")
    async def run_job(self, info: AnyInfo, name: Annotated[str, argument(description="Name of the job.")]) -> Result:
        viewer = admin(info)

        async def work() -> Result:
            job = find_job(name)
            if job is None:
                raise FieldProblem("name", "does not exist", ProblemKind.UNKNOWN)
            state = info.context.state
            run = Run(info.context.store, state.settings, state.metrics, by_hand=True, history=state.history)
            state.scheduler.look_after(Runner(run).run(job))
            await record_audit(info, viewer, "job.run", detail=job.name)
            return Result()

        return await attempt(Result, work)

    @strawberry.mutation(
        description="Replay refused events, once each, with the current decoder and the targets that the project accepts now. Stored "
        "events move from `rejected` to `stored` in the ledger; the others remain refused."
    )
    async def replay_rejected(
        self,
        info: AnyInfo,
        slug: Slug,
        ids: Annotated[list[strawberry.ID] | None, argument(description="Ids of refused events. Default: all replayable ones.")] = None,
    ) -> ReplayResult:
        async def work() -> ReplayResult:
            project = await find(info, slug)
            viewer, state = admin(info, project.id), info.context.state
            live = next((each for each in state.projects.all() if each.id == project.id), None)
            if live is None:
                raise FieldProblem("slug", "is an archived project")
            replayed = await replay_rejected(state, live, None if ids is None else _numbers(ids))
            await record_audit(
                info, viewer, "rejected.replay", project.id, f"{replayed.attempted - replayed.refused} of {replayed.attempted} events"
            )
            return ReplayResult(
                stored=Count(replayed.stored),
                duplicates=Count(replayed.duplicates),
                refused=Count(replayed.refused),
            )

        return await attempt(ReplayResult, work)

    @strawberry.mutation(
        description="Erase an install with its events and its days of activity. Aggregate counts stay, and cannot be traced to it."
    )
    async def erase_install(
        self,
        info: AnyInfo,
        slug: Slug,
        installation_id: Annotated[
            str | None, argument(description="Raw id of the install, as sent by its client. Cannot be combined with `hash`.")
        ] = None,
        hash: Annotated[
            Hash | None, argument(description="Hash of the install, as shown in lists. Cannot be combined with `installationId`.")
        ] = None,
    ) -> EraseResult:
        async def work() -> EraseResult:
            project = await find(info, slug)
            if (installation_id is None) is (hash is None):
                raise FieldProblem("installationId", "must be given, or else `hash`")
            if installation_id is not None and (not 1 <= len(installation_id) <= 200 or "\0" in installation_id):
                raise FieldProblem("installationId", "must have 1 to 200 characters")
            if installation_id is not None and identifier(installation_id) is None:
                raise FieldProblem("installationId", "is a placeholder, not an id")
            number = hash if installation_id is None else info.context.state.privacy.install(project.id, installation_id)
            assert number is not None
            erased = await info.context.state.history.erase(project.id, number)
            if not erased.known:
                raise FieldProblem(
                    "hash" if installation_id is None else "installationId", "is not an install of this project", ProblemKind.UNKNOWN
                )
            await record_audit(info, admin(info, project.id), "install.erase", project.id, f"{erased.events} events")
            return EraseResult(events=Count(erased.events), days=Count(erased.days))

        return await attempt(EraseResult, work)


def _numbers(ids: list[strawberry.ID]) -> list[int]:
    try:
        return [from_uuid(str(id_)) for id_ in ids]
    except ValueError:
        raise FieldProblem("ids", "contains an invalid id") from None


async def _rule(info: AnyInfo, id_: str) -> Rule:
    viewer = any_admin(info)
    try:
        rule = await rules.find_rule(info.context.store, parse_id(id_) or 0)
    except ValueError:
        rule = None
    if rule is None or not viewer.may("admin", rule.project):
        raise FieldProblem("id", "does not exist", ProblemKind.UNKNOWN)
    return rule
