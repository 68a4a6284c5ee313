"""The questions of `server.analytics` as fields of a project: what anybody may see where its dashboard is public."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry
from strawberry import argument

from server.admin import answers
from server.admin.filter_warnings import FilterWarning, warning
from server.admin.inputs import EventFilter, PeriodInput, window, within
from server.admin.request_context import AnyInfo, asks_for, reader
from server.analytics import absent_values, breakdown, errors, experiments, funnel, installs, overview, targets, timings, vocabulary
from server.analytics.breakdown import By
from server.analytics.filters import Filter, Step, starts
from server.analytics.folding import Folding
from server.analytics.timings import Of
from server.event import Environment, FieldError
from server.problems import BadQuery

Period = Annotated[PeriodInput | None, argument(description="The period; the last 30 days if it is left out.")]
Which = Annotated[EventFilter | None, argument(description="Which events count; all if it is left out.")]
Cut = Annotated[Step, argument(description="How the series is cut.")]
First = Annotated[int, argument(description="How many rows, at most 200.")]
Property = Annotated[str | None, argument(description="The name of the property, where that is what is asked for.")]

Offset = Annotated[int, argument(description="How many rows are passed over first.")]

MOST = 200


def _skipped(offset: int) -> int:
    """A number of rows to pass over. Raises BadQuery."""
    if not 0 <= offset <= 1_000_000:
        raise BadQuery(FieldError("offset", "must be from 0 to 1000000"))
    return offset


@strawberry.type(description="The words that there are to filter by.")
class Vocabulary:
    names: list[str] = answers.said("Names of events.")
    target_types: list[str] = answers.said("Types of targets.")
    os: list[str] = answers.said("Operating systems, the most common first.")
    arch: list[str] = answers.said("Processor architectures.")
    runtime: list[str] = answers.said("Runtimes.")
    version: list[str] = answers.said("Versions of the tool.", "versions")
    package_manager: list[str] = answers.said("Package managers.", "packageManagers")
    environments: list[Environment] = answers.said("Environments.")
    properties: list[str] = answers.said("Properties that are counted by value.")


@strawberry.type(description="What a project's charts are made of.")
class Charts:
    number: strawberry.Private[int]

    def about(self, info: AnyInfo, period: PeriodInput | None, filter: EventFilter | None) -> Filter:
        """What a question is about. Raises BadQuery, and Unauthorized for targets, of which some are not for everybody."""
        if filter is not None and (filter.target is not None or filter.target_type is not None):
            reader(info, self.number)
        asked = (filter or EventFilter()).about(self.number, period)
        if self.folding(info) is not None:
            window(period)
        elif filter is not None and info.context.viewer is not None:
            info.context.asked.append(asked)
        return asked

    def folding(self, info: AnyInfo) -> Folding | None:
        """The questions for callers without a login, whose figures are about a few installs at least; None where all are shown."""
        viewer = info.context.viewer
        least = info.context.state.settings.public_minimum
        reads = viewer is not None and viewer.may("read", self.number)
        return None if reads or least == 1 else Folding(info.context.store, least)

    def over_time(self, info: AnyInfo, period: PeriodInput | None, filter: EventFilter | None, step: Step, lists: int) -> Filter:
        """The same for so many parallel lists with an entry for each step. Raises BadQuery, and GraphQLError where they are too long."""
        asked = self.about(info, period, filter)
        info.context.spend(lists * len(starts(asked.period, step)))
        return asked

    @strawberry.field(
        description="The number of installs below which figures are left out for callers without a login; null where all are shown."
    )
    def minimum_installs(self, info: AnyInfo) -> int | None:
        return None if self.folding(info) is None else int(info.context.state.settings.public_minimum)

    @strawberry.field(description="How it is doing: the period beside the one before.")
    async def overview(self, info: AnyInfo, period: Period = None, filter: Which = None) -> answers.Overview:
        asked = self.about(info, period, filter)
        folding = self.folding(info)
        return cast(Any, await (folding.overview(asked) if folding else overview.overview(info.context.store, asked)))

    @strawberry.field(description="What happened over time.")
    async def series(self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY) -> answers.Series:
        asked = self.over_time(info, period, filter, step, 6)
        folding = self.folding(info)
        return cast(Any, await (folding.series(asked, step) if folding else overview.series(info.context.store, asked, step)))

    @strawberry.field(description="How long things took over time, by the day or longer.")
    async def medians(self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY) -> answers.Medians:
        asked = self.over_time(info, period, filter, step, 2)
        folding = self.folding(info)
        return cast(Any, await (folding.medians(asked, step) if folding else timings.medians(info.context.store, asked, step)))

    @strawberry.field(description="Events and installs by the values of something.")
    async def breakdown(
        self,
        info: AnyInfo,
        by: Annotated[By, argument(description="Of what.")],
        period: Period = None,
        filter: Which = None,
        property: Property = None,
        first: First = 10,
        offset: Offset = 0,
    ) -> answers.Breakdown:
        asked = self.about(info, period, filter)
        if by in (By.TARGET, By.TOOL, By.PROPERTY):  # of which some are not for everybody
            reader(info, self.number)
        limit, skipped = within("first", first, MOST), _skipped(offset)
        if folding := self.folding(info):
            return cast(Any, await folding.breakdown(asked, by, limit, skipped))
        found = await breakdown.breakdown(info.context.store, asked, by, property_name=property, limit=limit, offset=skipped)
        return cast(Any, found)

    @strawberry.field(description="Active installs by day, in 7 and in 30 days, with their ratio.")
    async def active_users(self, info: AnyInfo, period: Period = None, filter: Which = None) -> answers.ActiveUsers:
        asked = self.over_time(info, period, filter, Step.DAY, 9)
        folding = self.folding(info)
        return cast(Any, await (folding.active_users(asked) if folding else installs.active_users(info.context.store, asked)))

    @strawberry.field(description="Active installs that are new, and that came back.")
    async def new_and_returning(
        self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY
    ) -> answers.NewAndReturning:
        asked = self.over_time(info, period, filter, step, 5)
        if folding := self.folding(info):
            return cast(Any, await folding.new_and_returning(asked, step))
        return cast(Any, await installs.new_and_returning(info.context.store, asked, step))

    @strawberry.field(description="By week: of the installs first seen in it, how many came back in each week since.")
    async def retention(self, info: AnyInfo, period: Period = None, filter: Which = None) -> list[answers.Cohort]:
        asked = self.about(info, period, filter)
        weeks = len(starts(asked.period, Step.WEEK))
        info.context.spend(weeks * (weeks + 1))
        folding = self.folding(info)
        return cast(Any, await (folding.retention(asked) if folding else installs.retention(info.context.store, asked)))

    @strawberry.field(description="Which versions are run, over time.")
    async def versions(
        self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY, first: First = 10
    ) -> answers.VersionAdoption:
        limit = within("first", first, 50)
        asked = self.over_time(info, period, filter, step, 2 * limit)
        if folding := self.folding(info):
            return cast(Any, await folding.versions(asked, step, limit))
        return cast(Any, await installs.version_adoption(info.context.store, asked, step, limit=limit))

    @strawberry.field(description="How long things take.")
    async def durations(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        of: Annotated[Of, argument(description="Told apart by name or by target.")] = Of.NAME,
        first: First = 20,
    ) -> answers.Timings:
        reader(info, self.number)
        limit = within("first", first, MOST)
        return cast(Any, await timings.timings(info.context.store, self.about(info, period, filter), of, limit=limit))

    @strawberry.field(description="Errors by type.")
    async def errors(
        self, info: AnyInfo, period: Period = None, filter: Which = None, first: First = 20, offset: Offset = 0
    ) -> answers.Errors:
        reader(info, self.number)
        limit = within("first", first, MOST)
        asked = self.about(info, period, filter)
        times = asks_for(info, "firstSeen") or asks_for(info, "lastSeen")
        samples, skipped = asks_for(info, "sample"), _skipped(offset)
        found = await errors.errors(info.context.store, asked, limit=limit, offset=skipped, samples=samples, times=times)
        return cast(Any, found)

    @strawberry.field(description="From one event to the next. Reads raw events, as far as they are kept.")
    async def funnel(
        self,
        info: AnyInfo,
        names: Annotated[list[str], argument(description="The names of the events, in their order.")],
        period: Period = None,
        filter: Which = None,
        within_hours: Annotated[int, argument(description="All of them within so many hours of the first.")] = 24,
    ) -> list[answers.FunnelStep]:
        reader(info, self.number)
        longest = within("withinHours", within_hours, 24 * 90) * 3_600_000
        return cast(Any, await funnel.funnel(info.context.store, self.about(info, period, filter), names, within=longest))

    @strawberry.field(description="The variants of a property, compared. Reads raw events, as far as they are kept.")
    async def experiment(
        self,
        info: AnyInfo,
        property: Annotated[str, argument(description="The property that holds the variant.")],
        goal: Annotated[str | None, argument(description="The event that is success; without it an event's own outcome says so.")] = None,
        baseline: Annotated[str | None, argument(description="The variant that the others are compared with.")] = None,
        period: Period = None,
        filter: Which = None,
    ) -> answers.Experiment:
        reader(info, self.number)
        asked = self.about(info, period, filter)
        return cast(Any, await experiments.experiment(info.context.store, asked, property, goal=goal, baseline=baseline))

    @strawberry.field(description="Targets and their counts, most events first.")
    async def targets(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        first: First = 20,
        offset: Offset = 0,
    ) -> list[answers.TargetCounts]:
        reader(info, self.number)
        limit, skipped = within("first", first, MOST), _skipped(offset)
        found = await targets.targets(info.context.store, self.about(info, period, filter), limit=limit, offset=skipped)
        return cast(Any, found)

    @strawberry.field(
        description="Targets by their events over all time, most first: with the name `download` as `/counts` and badges count."
    )
    async def target_totals(
        self,
        info: AnyInfo,
        names: Annotated[list[str] | None, argument(description="Only events of these names.")] = None,
        type: Annotated[str | None, argument(description="Only targets of this type.")] = None,
        first: First = 20,
        offset: Offset = 0,
    ) -> list[answers.TargetTotal]:
        reader(info, self.number)
        if names is not None and len(names) > 100:
            raise BadQuery(FieldError("names", "must be at most 100"))
        limit, skipped = within("first", first, MOST), _skipped(offset)
        found = await targets.target_totals(
            info.context.store, self.number, names=tuple(names or ()), type_=type, limit=limit, offset=skipped
        )
        return cast(Any, found)

    @strawberry.field(description="Targets that rise.")
    async def trending(
        self,
        info: AnyInfo,
        type: Annotated[str | None, argument(description="Only targets of this type.")] = None,
        days: Annotated[int, argument(description="In the last 7 or 30 days.")] = 7,
        first: First = 20,
    ) -> answers.Trending:
        limit = within("first", first, MOST)
        viewer = info.context.viewer
        listed = viewer is None or not viewer.may("read", self.number)
        found = await targets.trending(info.context.store, self.number, type_=type, window_days=days, limit=limit, listed_only=listed)
        return cast(Any, found)

    @strawberry.field(
        description="Conditions of the filter that no event of the period meets. Other answers have them in `extensions.warnings`."
    )
    async def warnings(self, info: AnyInfo, period: Period = None, filter: Which = None) -> list[FilterWarning]:
        reader(info, self.number)
        return [warning(each) for each in await absent_values.absent(info.context.store, self.about(info, period, filter))]

    @strawberry.field(description="The words that there are to filter by.")
    async def vocabulary(self, info: AnyInfo, period: Period = None) -> Vocabulary:
        reader(info, self.number)
        store, span = info.context.store, (period or PeriodInput()).read()
        words = {
            name: await vocabulary.values(store, self.number, name, span)
            for name in ("os", "arch", "runtime", "version", "package_manager")
        }
        return Vocabulary(
            names=await vocabulary.names(store, self.number),
            target_types=await vocabulary.target_types(store, self.number),
            environments=await vocabulary.environments(store, self.number, span),
            properties=await breakdown.picked_properties(store, self.number),
            **words,
        )
