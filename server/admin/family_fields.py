"""Fields of a project for single families of clients: packs, target counters, FlakeDrop's statistics, tool calls. They match the public
routes.
"""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument

from server.admin.answers import Counters, field
from server.admin.charts import First, Period
from server.admin.inputs import PeriodInput, check_count
from server.admin.request_context import AnyInfo, reader
from server.admin.scalars import Count, DateTime, Duration
from server.analytics import family_stats, pack_downloads, targets
from server.clock import epoch_ms
from server.event import DAY, FieldError
from server.problems import BadQuery

MOST = 200
MAX_IDS = 100


@strawberry.type(description="Download counts of a pack.")
class PackCounts:
    pack: str = field("Name of the pack.")
    total: Count = field("Downloads over all time.")
    last7d: Count = field("Downloads of today and the six days before, in UTC.")
    today: Count = field("Downloads of today, in UTC.")


@strawberry.type(description="Counters of one target, over all time.")
class TargetCounters:
    id: strawberry.ID = field("Id of the target.")
    counters: targets.Counters = strawberry.field(graphql_type=Counters, description="Counters of the target.")


@strawberry.type(description="Number of users with a value. Each user counts once, at the newest value.")
class UserCount:
    value: str = field("The value.")
    users: Count = field("Number of users.")


@strawberry.type(description="FlakeDrop's statistics over all time.")
class FlakeDropStats:
    unique_users: Count = field("Number of distinct users.")
    total_deployments: Count = field("Number of deployments.")
    successful_deploys: Count = field("Deployments that succeeded.")
    failed_deploys: Count = field("Deployments that failed.")
    configs_created: Count = field("Number of configurations created.")
    total_events: Count = field("Number of events.")
    os: list[UserCount] = field("Users by operating system.")
    versions: list[UserCount] = field("Users by version.")


@strawberry.type(description="Calls of a tool.")
class ToolCalls:
    tool: str | None = field("Name of the tool. Null for the total of all tools.")
    calls: Count = field("Number of calls.")
    mean: Duration | None = field("Mean duration of a call. Null if no call reports one.")
    success_rate: float | None = field("Successes divided by calls that report an outcome, from 0 to 1. Null if there are none.")


@strawberry.type(description="Calls of tools and their callers. A caller is a session, a key, or an address on one day.")
class ToolUse:
    total: ToolCalls = field("All calls.")
    tools: list[ToolCalls] = field("Calls of each tool, most called first.")
    callers: Count = field("Distinct callers in the period.")
    starts: list[DateTime] = field("Start of each day, in UTC.")
    daily_callers: list[Count] = field("Distinct callers on each day.")
    callers_of_last_week: Count = field("Distinct callers in the last 7 days of the period.")


@strawberry.type(description="Fields for single families of clients.")
class Families:
    number: strawberry.Private[int]

    @strawberry.field(description="Downloads by pack, most downloaded first.")
    async def packs(self, info: AnyInfo, first: First = 50) -> list[PackCounts]:
        reader(info, self.number)
        limit = check_count("first", first, MOST)
        found = await pack_downloads.pack_counts(info.context.store, self.number, epoch_ms() // DAY)
        return [
            PackCounts(pack=pack, total=Count(its.total), last7d=Count(its.last7d), today=Count(its.today))
            for pack, its in list(found.items())[:limit]
        ]

    @strawberry.field(description="Counters of the given targets, over all time. Unknown and private targets are omitted.")
    async def counters(
        self,
        info: AnyInfo,
        type: Annotated[str, argument(description="Type of the targets.")],
        ids: Annotated[list[strawberry.ID], argument(description="Ids of the targets, at most 100.")],
    ) -> list[TargetCounters]:
        reader(info, self.number)
        if len(ids) > MAX_IDS:
            raise BadQuery(FieldError("ids", f"must be at most {MAX_IDS}"))
        found = await targets.counters(info.context.store, self.number, type, [str(id_) for id_ in ids])
        return [TargetCounters(id=strawberry.ID(id_), counters=its) for id_, its in found.items()]

    @strawberry.field(description="FlakeDrop's statistics over all time.")
    async def flakedrop(self, info: AnyInfo) -> FlakeDropStats:
        reader(info, self.number)
        found = await family_stats.flakedrop_stats(info.context.store, self.number)
        return FlakeDropStats(
            unique_users=Count(found.unique_users),
            total_deployments=Count(found.total_deployments),
            successful_deploys=Count(found.successful_deploys),
            failed_deploys=Count(found.failed_deploys),
            configs_created=Count(found.configs_created),
            total_events=Count(found.total_events),
            os=_users(found.os_breakdown),
            versions=_users(found.version_breakdown),
        )

    @strawberry.field(description="Calls of tools, as reported by Track-Skills' clients.")
    async def tool_use(self, info: AnyInfo, period: Period = None) -> ToolUse:
        reader(info, self.number)
        store, span = info.context.store, (period or PeriodInput()).read()
        info.context.spend(2 * (span.last_day - span.first_day + 1))
        users = await family_stats.tool_users(store, self.number, span)
        return ToolUse(
            total=_calls(await family_stats.tool_calls(store, self.number, span)),
            tools=[_calls(each) for each in (await family_stats.tools(store, self.number, span))[:MOST]],
            callers=Count(await family_stats.tool_callers(store, self.number, span)),
            starts=[DateTime(start) for start in users.starts],
            daily_callers=[Count(callers) for callers in users.daily],
            callers_of_last_week=Count(users.last_week),
        )


def _users(breakdown: dict[str, int]) -> list[UserCount]:
    return [UserCount(value=value, users=Count(users)) for value, users in breakdown.items()]


def _calls(calls: family_stats.ToolCalls) -> ToolCalls:
    mean = None if calls.mean_ms is None else Duration(calls.mean_ms * 1000)
    return ToolCalls(tool=calls.tool, calls=Count(calls.calls), mean=mean, success_rate=calls.success_rate)
