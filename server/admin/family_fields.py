"""What single families of clients are asked about: packs, targets' counters, FlakeDrop's statistics, calls of tools. As the public routes say it."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry
from strawberry import argument

from server.admin.answers import Counters, said
from server.admin.charts import First, Period
from server.admin.inputs import PeriodInput, within
from server.admin.request_context import AnyInfo, reader
from server.admin.scalars import Count, DateTime, Duration, now
from server.analytics import family_stats, pack_downloads, targets
from server.event import DAY, FieldError
from server.problems import BadQuery

MOST = 200
MOST_IDS = 100


@strawberry.type(description="How often a pack was downloaded.")
class PackCounts:
    pack: str = said("The pack.")
    total: Count = said("Ever.")
    last7d: Count = said("In the last seven days: today and the six before, in UTC.")
    today: Count = said("Today.")


@strawberry.type(description="What happened to one target, ever.")
class TargetCounters:
    id: strawberry.ID = said("Its id.")
    counters: Counters = said("Its counters.")


@strawberry.type(description="How many users have a value, each at the newest that it sent.")
class UsersOf:
    value: str = said("The value.")
    users: Count = said("The users.")


@strawberry.type(description="Everything that FlakeDrop's clients ever sent.")
class FlakeDropStats:
    unique_users: Count = said("Users.")
    total_deployments: Count = said("Deployments.")
    successful_deploys: Count = said("Those that succeeded.")
    failed_deploys: Count = said("Those that failed.")
    configs_created: Count = said("Configurations that were made.")
    total_events: Count = said("Events.")
    os: list[UsersOf] = said("Users by operating system.")
    versions: list[UsersOf] = said("Users by version.")


@strawberry.type(description="Calls of a tool.")
class ToolCalls:
    tool: str | None = said("The tool; null for all together.")
    calls: Count = said("Calls.")
    mean: Duration | None = said("How long one took on average.")
    success_rate: float | None = said("Successes of those that say how they ended, 0 to 1.")


@strawberry.type(description="Calls of tools, and who made them. Callers are sessions, keys, or addresses of a day.")
class ToolUse:
    total: ToolCalls = said("All calls.")
    tools: list[ToolCalls] = said("The calls of each tool, the most called first.")
    callers: Count = said("Distinct callers in the period.")
    starts: list[DateTime] = said("When each day begins.")
    daily_callers: list[Count] = said("Distinct callers on each day.")
    callers_of_last_week: Count = said("Distinct callers in the 7 days that end with the last.")


@strawberry.type(description="What single families of clients are asked about.")
class Families:
    number: strawberry.Private[int]

    @strawberry.field(description="How often its packs were downloaded, the most downloaded first.")
    async def packs(self, info: AnyInfo, first: First = 50) -> list[PackCounts]:
        reader(info, self.number)
        limit = within("first", first, MOST)
        found = await pack_downloads.pack_counts(info.context.store, self.number, now() // DAY)
        return [
            PackCounts(pack=pack, total=Count(its.total), last7d=Count(its.last7d), today=Count(its.today))
            for pack, its in list(found.items())[:limit]
        ]

    @strawberry.field(description="What happened to some targets, ever; without those that are not known or are private.")
    async def counters(
        self,
        info: AnyInfo,
        type: Annotated[str, argument(description="Their type.")],
        ids: Annotated[list[strawberry.ID], argument(description="Their ids, at most 100.")],
    ) -> list[TargetCounters]:
        reader(info, self.number)
        if len(ids) > MOST_IDS:
            raise BadQuery(FieldError("ids", f"must be at most {MOST_IDS}"))
        found = await targets.counters(info.context.store, self.number, type, [str(id_) for id_ in ids])
        return [TargetCounters(id=strawberry.ID(id_), counters=cast(Any, its)) for id_, its in found.items()]

    @strawberry.field(description="Everything that FlakeDrop's clients ever sent.")
    async def flakedrop(self, info: AnyInfo) -> FlakeDropStats:
        reader(info, self.number)
        found = await family_stats.flakedrop_stats(info.context.store, self.number)
        names = ("unique_users", "total_deployments", "successful_deploys", "failed_deploys", "configs_created", "total_events")
        return FlakeDropStats(
            os=_users(found.os_breakdown), versions=_users(found.version_breakdown), **{name: getattr(found, name) for name in names}
        )

    @strawberry.field(description="Calls of tools, as Track-Skills' clients report them.")
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


def _users(breakdown: dict[str, int]) -> list[UsersOf]:
    return [UsersOf(value=value, users=Count(users)) for value, users in breakdown.items()]


def _calls(calls: family_stats.ToolCalls) -> ToolCalls:
    mean = None if calls.mean_ms is None else Duration(calls.mean_ms * 1000)
    return ToolCalls(tool=calls.tool, calls=Count(calls.calls), mean=mean, success_rate=calls.success_rate)
