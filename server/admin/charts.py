"""Fields of a project that return charts. Without a login they are available where the project's dashboard is public."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import argument
from strawberry.utils.str_converters import to_camel_case

from server.admin import answers
from server.admin.filter_warnings import FilterWarning, warnings_of
from server.admin.inputs import EventFilter, PeriodInput, check_count, window
from server.admin.request_context import AnyInfo, is_selected, reader
from server.analytics import breakdown, errors, experiments, installs, overview, sequences, targets, timings, vocabulary
from server.analytics.breakdown import Breakdown, By
from server.analytics.errors import Errors
from server.analytics.experiments import Experiment
from server.analytics.filters import Filter, resolved
from server.analytics.folding import Folding
from server.analytics.installs import ActiveUsers, NewAndReturning, VersionAdoption
from server.analytics.overview import Overview, Series
from server.analytics.sequences import FunnelStep
from server.analytics.targets import TargetCounts, TargetTotal, Trending
from server.analytics.timings import Medians, Of, Timings
from server.event import Environment, FieldError
from server.fields import is_private
from server.problems import BadQuery
from server.questions.cohorts import Cohort
from server.questions.periods import Step, starts

Period = Annotated[PeriodInput | None, argument(description="Period of the figures. Default: the last 30 days.")]
Which = Annotated[EventFilter | None, argument(description="Filter for the events that count. Default: all events.")]
Cut = Annotated[Step, argument(description="Length of a step.")]
First = Annotated[int, argument(description="Maximum number of rows, from 1 to 200.")]
Property = Annotated[str | None, argument(description="Name of the property. Required if `by` is `PROPERTY`.")]

Offset = Annotated[int, argument(description="Number of rows to skip.")]

MOST = 200


def _skipped(offset: int) -> int:
    """Check a number of rows to skip. Raises BadQuery."""
    if not 0 <= offset <= 1_000_000:
        raise BadQuery(FieldError("offset", "must be from 0 to 1000000"))
    return offset


@strawberry.type(description="Values that filters accept.")
class Vocabulary:
    names: list[str] = answers.field("Names of events.")
    target_types: list[str] = answers.field("Types of targets.")
    os: list[str] = answers.field("Operating systems, most common first.")
    arch: list[str] = answers.field("Processor architectures, most common first.")
    runtime: list[str] = answers.field("Runtimes, most common first.")
    version: list[str] = answers.field("Versions of the tool, most common first.", "versions")
    package_manager: list[str] = answers.field("Package managers, most common first.", "packageManagers")
    environments: list[Environment] = answers.field("Environments with events in the period.")
    properties: list[str] = answers.field("Properties whose values are counted.")


@strawberry.type(description="Charts of a project.")
class Charts:
    number: strawberry.Private[int]

    async def to_filter(self, info: AnyInfo, period: PeriodInput | None, filter: EventFilter | None) -> Filter:
        """Like `selection`, with ranges of versions as lists."""
        return await resolved(info.context.store, self.selection(info, period, filter))

    def selection(self, info: AnyInfo, period: PeriodInput | None, filter: EventFilter | None) -> Filter:
        """The filter for a query. Raises BadQuery; raises Unauthorized for targets, error types and properties, which may be private."""
        selection = (filter or EventFilter()).to_filter(self.number, period)
        if any(is_private(condition.field) for condition in selection.where):
            reader(info, self.number)
        if self.folding(info) is not None:
            window(period)
        elif filter is not None and info.context.viewer is not None:
            info.context.filters.append(selection)
        return selection

    def folding(self, info: AnyInfo) -> Folding | None:
        """The queries for callers without a login, which hide figures of few installs; None if the caller sees all figures."""
        viewer = info.context.viewer
        least = info.context.state.settings.public_minimum
        reads = viewer is not None and viewer.may("read", self.number)
        return None if reads or least == 1 else Folding(info.context.store, least, info.context.history)

    async def over_time(self, info: AnyInfo, period: PeriodInput | None, filter: EventFilter | None, step: Step, lists: int) -> Filter:
        """The filter for a query that returns `lists` parallel lists, one entry per step. Raises BadQuery, and GraphQLError if they are too long."""
        selection = await self.to_filter(info, period, filter)
        info.context.spend(lists * len(starts(selection.period, step)))
        return selection

    @strawberry.field(
        description="Number of installs below which figures are hidden from callers without a login. Null if the caller sees all figures."
    )
    def minimum_installs(self, info: AnyInfo) -> int | None:
        return None if self.folding(info) is None else info.context.state.settings.public_minimum

    @strawberry.field(graphql_type=answers.Overview, description="Key figures of the period, compared with the preceding period.")
    async def overview(self, info: AnyInfo, period: Period = None, filter: Which = None) -> Overview:
        selection = await self.to_filter(info, period, filter)
        folding = self.folding(info)
        return await (folding.overview(selection) if folding else overview.overview(info.context.store, selection, info.context.history))

    @strawberry.field(graphql_type=answers.Series, description="Event counts over time.")
    async def series(self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY) -> Series:
        selection = await self.over_time(info, period, filter, step, 6)
        folding = self.folding(info)
        return await (
            folding.series(selection, step) if folding else overview.series(info.context.store, selection, step, info.context.history)
        )

    @strawberry.field(graphql_type=answers.Medians, description="Median durations over time. The shortest step is a day.")
    async def medians(self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY) -> Medians:
        selection = await self.over_time(info, period, filter, step, 2)
        folding = self.folding(info)
        return await (
            folding.medians(selection, step) if folding else timings.medians(info.context.store, selection, step, info.context.history)
        )

    @strawberry.field(graphql_type=answers.Breakdown, description="Events and installs by the values of a dimension.")
    async def breakdown(
        self,
        info: AnyInfo,
        by: Annotated[By, argument(description="Dimension to break down by.")],
        period: Period = None,
        filter: Which = None,
        property: Property = None,
        first: First = 10,
        offset: Offset = 0,
    ) -> Breakdown:
        selection = await self.to_filter(info, period, filter)
        if by in (By.TARGET, By.TOOL, By.PROPERTY):  # some of them are private
            reader(info, self.number)
        limit, skipped = check_count("first", first, MOST), _skipped(offset)
        if folding := self.folding(info):
            return await folding.breakdown(selection, by, limit, skipped)
        return await breakdown.breakdown(
            info.context.store, selection, by, property_name=property, limit=limit, offset=skipped, history=info.context.history
        )

    @strawberry.field(graphql_type=answers.ActiveUsers, description="Daily, weekly and monthly active installs, and stickiness.")
    async def active_users(self, info: AnyInfo, period: Period = None, filter: Which = None) -> ActiveUsers:
        selection = await self.over_time(info, period, filter, Step.DAY, 9)
        folding = self.folding(info)
        return await (
            folding.active_users(selection) if folding else installs.active_users(info.context.store, selection, info.context.history)
        )

    @strawberry.field(graphql_type=answers.NewAndReturning, description="Active installs, split into new and returning.")
    async def new_and_returning(self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY) -> NewAndReturning:
        selection = await self.over_time(info, period, filter, step, 5)
        if folding := self.folding(info):
            return await folding.new_and_returning(selection, step)
        return await installs.new_and_returning(info.context.store, selection, step, info.context.history)

    @strawberry.field(
        graphql_type=list[answers.Cohort],
        description="Weekly cohorts: of the installs first seen in a week, the number active in each week since.",
    )
    async def retention(self, info: AnyInfo, period: Period = None, filter: Which = None) -> list[Cohort]:
        selection = self.selection(info, period, filter)
        weeks = len(starts(selection.period, Step.WEEK))
        info.context.spend(weeks * (weeks + 1))
        folding = self.folding(info)
        if folding:
            return await folding.retention(selection)
        return await sequences.retention(info.context.store, selection, history=info.context.history)

    @strawberry.field(graphql_type=answers.VersionAdoption, description="Active installs by version over time.")
    async def versions(
        self, info: AnyInfo, period: Period = None, filter: Which = None, step: Cut = Step.DAY, first: First = 10
    ) -> VersionAdoption:
        limit = check_count("first", first, 50)
        selection = await self.over_time(info, period, filter, step, 2 * limit)
        if folding := self.folding(info):
            return await folding.versions(selection, step, limit)
        return await installs.version_adoption(info.context.store, selection, step, limit=limit, history=info.context.history)

    @strawberry.field(
        graphql_type=answers.Timings, description="Distributions of durations by event name or by target. Requires the `read` scope."
    )
    async def durations(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        of: Annotated[Of, argument(description="Groups: event names or targets.")] = Of.NAME,
        first: First = 20,
    ) -> Timings:
        reader(info, self.number)
        limit = check_count("first", first, MOST)
        selection = await self.to_filter(info, period, filter)
        return await timings.timings(info.context.store, selection, of, limit=limit, history=info.context.history)

    @strawberry.field(graphql_type=answers.Errors, description="Errors by type. Requires the `read` scope.")
    async def errors(self, info: AnyInfo, period: Period = None, filter: Which = None, first: First = 20, offset: Offset = 0) -> Errors:
        reader(info, self.number)
        limit = check_count("first", first, MOST)
        selection = await self.to_filter(info, period, filter)
        of_groups = {name for name in errors.PARTS if is_selected(info, to_camel_case(name))}
        parts = frozenset(of_groups - {"installs"} | ({"installs"} if is_selected(info, "installs", deep=False) else set()))
        return await errors.errors(
            info.context.store, selection, limit=limit, offset=_skipped(offset), parts=parts, history=info.context.history
        )

    @strawberry.field(
        graphql_type=list[answers.FunnelStep],
        description="Installs that sent events in the given order. Reads raw events, so retention limits the period.",
    )
    async def funnel(
        self,
        info: AnyInfo,
        names: Annotated[list[str], argument(description="Names of the events, in order.")],
        period: Period = None,
        filter: Which = None,
        within_hours: Annotated[int, argument(description="Maximum time from the first event to the last, in hours, from 1 to 2160.")] = 24,
    ) -> list[FunnelStep]:
        reader(info, self.number)
        longest = check_count("withinHours", within_hours, 24 * 90) * 3_600_000
        selection, context = self.selection(info, period, filter), info.context
        return await sequences.funnel(context.store, selection, names, within=longest, history=context.history)

    @strawberry.field(
        graphql_type=answers.Experiment,
        description="Comparison of the variants of a property. Reads raw events, so retention limits the period.",
    )
    async def experiment(
        self,
        info: AnyInfo,
        property: Annotated[str, argument(description="Name of the property that holds the variant.")],
        goal: Annotated[
            str | None, argument(description="Name of the event that counts as success. Default: the outcome of the event itself.")
        ] = None,
        baseline: Annotated[str | None, argument(description="Variant that the others are compared with. Default: the first one.")] = None,
        period: Period = None,
        filter: Which = None,
    ) -> Experiment:
        reader(info, self.number)
        selection = await self.to_filter(info, period, filter)
        return await experiments.experiment(info.context.store, selection, property, goal=goal, baseline=baseline)

    @strawberry.field(graphql_type=list[answers.TargetCounts], description="Targets with their counts in the period, most events first.")
    async def targets(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        first: First = 20,
        offset: Offset = 0,
    ) -> list[TargetCounts]:
        reader(info, self.number)
        limit, skipped = check_count("first", first, MOST), _skipped(offset)
        return await targets.targets(info.context.store, await self.to_filter(info, period, filter), limit=limit, offset=skipped)

    @strawberry.field(
        graphql_type=list[answers.TargetTotal],
        description="Targets by events over all time, most events first. With the name `download`, the figures equal those of `/counts` "
        "and of badges.",
    )
    async def target_totals(
        self,
        info: AnyInfo,
        names: Annotated[
            list[str] | None, argument(description="Only events with one of these names, at most 100. Default: all events.")
        ] = None,
        type: Annotated[str | None, argument(description="Only targets of this type. Default: all types.")] = None,
        first: First = 20,
        offset: Offset = 0,
    ) -> list[TargetTotal]:
        reader(info, self.number)
        if names is not None and len(names) > 100:
            raise BadQuery(FieldError("names", "must be at most 100"))
        limit, skipped = check_count("first", first, MOST), _skipped(offset)
        return await targets.target_totals(
            info.context.store, self.number, names=tuple(names or ()), type_=type, limit=limit, offset=skipped
        )

    @strawberry.field(graphql_type=answers.Trending, description="Trending targets.")
    async def trending(
        self,
        info: AnyInfo,
        type: Annotated[str | None, argument(description="Only targets of this type. Default: all types.")] = None,
        days: Annotated[int, argument(description="Length of the window in days: 7 or 30.")] = 7,
        first: First = 20,
    ) -> Trending:
        limit = check_count("first", first, MOST)
        viewer = info.context.viewer
        listed = viewer is None or not viewer.may("read", self.number)
        return await targets.trending(info.context.store, self.number, type_=type, window_days=days, limit=limit, listed_only=listed)

    @strawberry.field(
        description="Conditions of the filter that no event of the period meets, and deleted events that the filter needs. Other fields report"
        " these in `extensions.warnings` of the response."
    )
    async def warnings(self, info: AnyInfo, period: Period = None, filter: Which = None) -> list[FilterWarning]:
        reader(info, self.number)
        return await warnings_of(info.context.store, (filter or EventFilter()).to_filter(self.number, period), info.context.history)

    @strawberry.field(description="Values that filters accept.")
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
            properties=await breakdown.named_properties(store, self.number),
            **words,
        )
