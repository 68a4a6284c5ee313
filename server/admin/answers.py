"""GraphQL types for the results of `server.analytics`. Fields read the attribute of the same name. Time series are parallel lists."""

from __future__ import annotations

from typing import Any

import strawberry

from server.admin.enums import Visibility
from server.admin.scalars import Count, DateTime, Duration
from server.event import Environment, LedgerEntry


def field(description: str, name: str | None = None) -> Any:
    """Declare a field that resolves to the result's attribute of the same name."""
    return strawberry.field(description=description, name=name)


def _since() -> Any:
    return field(
        "Time from which on figures count events: this filter needs older ones, which retention has deleted. Null if none are missing."
    )


@strawberry.type(description="Distinct installs.")
class InstallCounts:
    all: Count = field("All installs: people, CI, containers and tests.")
    people: Count = field("Only installs run by people, or with an unknown environment.")


@strawberry.type(description="A figure for the period and for the preceding period of the same length.")
class Change:
    value: float | None = field("Value in the period. Null if there is no data.")
    before: float | None = field("Value in the preceding period. Null if there is no data.")
    change: float | None = field("Relative change from `before` to `value`: 0.5 means 50 % more. Null if `before` is 0 or null.")
    low: float | None = field("Lower bound of the 95 % interval of `value`, if sampled events make it an estimate. Null if it is exact.")
    high: float | None = field("Upper bound of the 95 % interval of `value`.")


@strawberry.type(description="A duration for the period and for the preceding period of the same length.")
class DurationChange:
    value: Duration | None = field("Duration in the period, in milliseconds. Null if no event in it reports a duration.")
    before: Duration | None = field("Value in the preceding period. Null if there is no data.")
    change: float | None = field("Relative change from `before` to `value`: 0.5 means 50 % longer. Null if `before` is 0 or null.")
    exact: bool = field("Whether both durations are exact. Otherwise, each is within 2 % of the true value.")


@strawberry.type(description="Distinct installs in the period and in the preceding period of the same length.")
class InstallsChange:
    all: Change = field("All installs: people, CI, containers and tests.")
    people: Change = field("Only installs run by people, or with an unknown environment.")


@strawberry.type(
    description="Key figures for a period and the preceding period. An unfinished period is compared with the same elapsed time of the"
    " preceding period."
)
class Overview:
    events: Change = field("Number of events.")
    active: InstallsChange = field("Installs with at least one event in the period.")
    new: InstallsChange = field("Installs first seen in the period.")
    installs: InstallsChange = field(
        "All installs known at the end of the period. Only the audience and the environments of the filter apply."
    )
    success_rate: Change = field("Successes divided by events that report an outcome, from 0 to 1.")
    median_us: DurationChange = field("Median duration of the events.", "medianDuration")
    p95_us: DurationChange = field("95th percentile of the durations.", "p95Duration")
    compared_until: DateTime | None = field(
        "End of the part of the preceding period that is compared. `installs` is compared with the installs known at the start"
        " of the period. Null if the preceding period has no data."
    )
    since: DateTime | None = _since()


@strawberry.type(description="Event counts over time, as parallel lists with one entry per step. Steps without events have entries, too.")
class Series:
    starts: list[DateTime] = field("Start of each step.")
    events: list[Count] = field("Number of events.")
    successes: list[Count] = field("Events with the outcome `SUCCESS`.")
    failures: list[Count] = field("Events with the outcome `FAILURE`.")
    active_all: list[Count] | None = field("Active installs. Null for hourly steps.")
    active_people: list[Count] | None = field("Active installs of people. Null for hourly steps.")
    since: DateTime | None = _since()


@strawberry.type(description="Active installs, as parallel lists with one entry per day.")
class ActiveUsers:
    starts: list[DateTime] = field("Start of each day, in UTC.")
    daily_all: list[Count] = field("Installs active on the day.")
    daily_people: list[Count] = field("Only the installs of people.")
    weekly_all: list[Count] = field("Installs active in the 7 days that end with this day.")
    weekly_people: list[Count] = field("Only the installs of people.")
    monthly_all: list[Count] = field("Installs active in the 30 days that end with this day.")
    monthly_people: list[Count] = field("Only the installs of people.")
    stickiness_all: list[float | None] = field(
        "Stickiness: daily active installs divided by monthly active installs, from 0 to 1. Null if there are no monthly active installs."
    )
    stickiness_people: list[float | None] = field(
        "Stickiness of the installs of people, from 0 to 1. Null if there are no monthly active installs."
    )


@strawberry.type(description="Active installs split into new and returning, as parallel lists with one entry per step.")
class NewAndReturning:
    starts: list[DateTime] = field("Start of each step.")
    new_all: list[Count] = field("Installs first seen in the step.")
    new_people: list[Count] = field("Only the installs of people.")
    returning_all: list[Count] = field("Installs active in the step and first seen before it.")
    returning_people: list[Count] = field("Only the installs of people.")


@strawberry.type(description="The installs that began in one step, such as a week, and how many of them returned later.")
class Cohort:
    start: DateTime = field("Start of the step, such as Monday, 00:00 UTC.")
    size: InstallCounts = field("Installs in the cohort.")
    active_all: list[Count] = field("Installs of the cohort that returned, one entry per step, beginning with that of the cohort.")
    active_people: list[Count] = field("Only the installs of people.")


@strawberry.type(description="Active installs of one version, as lists with one entry per step.")
class Adoption:
    version: str | None = field("The version. Null for all versions that are not listed, combined.")
    all: list[Count] = field("All installs: people, CI, containers and tests.")
    people: list[Count] = field("Only installs run by people, or with an unknown environment.")
    failure_rate: float | None = field(
        "Failures divided by the events of the period that report an outcome, from 0 to 1. Null if there are none."
    )
    stands_out: bool = field("Whether its failure rate is far higher than that of the other versions.")


@strawberry.type(
    description="Versions over time, most used first. The newest version, versions that stand out and the most used versions are "
    "listed. Versions with a single install are not."
)
class VersionAdoption:
    starts: list[DateTime] = field("Start of each step.")
    versions: list[Adoption] = field("The versions, most used first.")


@strawberry.type(description="One value of the breakdown.")
class BreakdownRow:
    value: str | None = field("The value. Null for events that do not report one.")
    events: Count = field("Number of events.")
    successes: Count = field("Events with the outcome `SUCCESS`.")
    failures: Count = field("Events with the outcome `FAILURE`.")
    success_rate: float | None = field("Successes divided by events that report an outcome, from 0 to 1. Null if there are none.")
    installs: InstallCounts | None = field(
        "Installs with an event of this value in the period; an install with several values counts under each. Null for names, targets,"
        " tools and properties (use `ask` to count installs by these), and if there are too many events to count."
    )
    target_type: str | None = field("Type of the target. Null unless the value is a target.")


@strawberry.type(description="Events and installs by value, most events first.")
class Breakdown:
    rows: list[BreakdownRow] = field("The requested page of values.")
    other_values: Count = field("Number of values beyond the page.")
    other_events: Count = field("Number of events with one of the other values.")
    other_installs: InstallCounts | None = field("Sum of the installs of the other values. Null if `installs` of the rows is null.")
    since: DateTime | None = field(
        "Time from which on installs (and events, with a filter) are counted, if retention has deleted older events of the period. Null if"
        " none are missing."
    )


@strawberry.type(description="Median durations over time, as parallel lists with one entry per step.")
class Medians:
    starts: list[DateTime] = field("Start of each step.")
    medians: list[Duration | None] = field("Median duration of each step. Null if no event of the step reports a duration.")
    exact: bool = field("Whether the values are exact. Otherwise, each is within 2 % of the true value.")


@strawberry.type(description="Percentiles of durations. Null if there are no durations.")
class Percentiles:
    p50: Duration | None = field("50th percentile (median).")
    p75: Duration | None = field("75th percentile.")
    p90: Duration | None = field("90th percentile.")
    p95: Duration | None = field("95th percentile.")
    p99: Duration | None = field("99th percentile.")
    exact: bool = field("Whether the values are exact. Otherwise, each is within 2 % of the true value.")


@strawberry.type(description="Distribution of the durations of one event name or target. Events without a duration do not count.")
class Durations:
    label: str | None = field("Name of the event, or id of the target. Null for the total.")
    target_type: str | None = field("Type of the target. Null for event names and the total.")
    timed: Count = field("Number of events that report a duration.")
    mean: Duration | None = field("Exact mean. Null if there are no durations.")
    percentiles: Percentiles = field("Percentiles of the durations.")
    edges: list[Duration] = field("Edges of the histogram: bar `i` covers `edges[i]` to `edges[i + 1]`.")
    counts: list[Count] = field("Number of events in each bar of the histogram.")


@strawberry.type(description="Distributions of durations: in total, and by event name or target.")
class Timings:
    total: Durations = field("All events.")
    groups: list[Durations] = field("Each event name or target, most events first.")


@strawberry.type(description="A failed event. Its texts are scrubbed.")
class ErrorSample:
    id: strawberry.ID = field("Id of the event, a UUIDv7.")
    at: DateTime = field("Time of the event.")
    name: str = field("Name of the event.")
    target_type: str | None = field("Type of the event's target.")
    target: str | None = field("Id of the event's target.")
    error_type: str | None = field("Type of the error.")
    message: str | None = field("Message of the error, scrubbed.")
    duration_us: Duration | None = field("Duration of the event.", "duration")
    environment: Environment = field("Environment that ran the tool.")
    os: str | None = field("Operating system.")
    arch: str | None = field("Processor architecture.")
    runtime: str | None = field("Runtime, such as `node 20`.")
    version: str | None = field("Version of the tool.")


@strawberry.type(description="Number of events of one version.")
class VersionCount:
    version: str | None = field("The version. Null for events that do not report one.")
    events: Count = field("Number of events.")


@strawberry.type(description="All errors of one type.")
class ErrorGroup:
    type: str | None = field("The error type. Null for failures without a type.")
    events: Count = field("Number of errors of this type.")
    share: float | None = field("Share of all errors, from 0 to 1. Null if there are no errors.")
    installs: InstallCounts = field("Affected installs.")
    first_seen: DateTime | None = field(
        "Time of the first error of this type in the period, under the filter. Null if retention has deleted it. Computed only if selected."
    )
    last_seen: DateTime | None = field("Time of the last error of this type in the period, under the filter. Computed only if selected.")
    first_ever: DateTime | None = field("Time of the first error of this type ever, in the environments of the filter.")
    versions: list[VersionCount] = field("Affected versions, most errors first.")
    names: list[str] = field("Names of the events.")
    sample: ErrorSample | None = field("Newest error of this type. Null if retention has deleted it. Computed only if selected.")


@strawberry.type(description="Errors by type. An error is a failed event, or another event with an error type.")
class Errors:
    groups: list[ErrorGroup] = field("The requested page of error types, most errors first.")
    types: Count = field("Number of error types. Failures without a type count as one.")
    events: Count = field("Number of errors.")
    failures: Count = field("Number of events with the outcome `FAILURE`.")
    installs: InstallCounts = field("Installs with at least one error.")


@strawberry.type(description="A target with its counts.")
class TargetCounts:
    type: str = field("Type of the target.")
    id: strawberry.ID = field("Id of the target.")
    visibility: Visibility = field("Who can read the target's counts without a key.")
    events: Count = field("Number of events in the period.")
    total: Count | None = field(
        "Number of events over all time, with the filter's names and environments. Null if the filter has another condition."
    )
    successes: Count = field("Events of the period with the outcome `SUCCESS`.")
    failures: Count = field("Events of the period with the outcome `FAILURE`.")
    success_rate: float | None = field("Successes divided by events that report an outcome, from 0 to 1. Null if there are none.")
    mean_us: Duration | None = field("Mean duration. Null if no event reports a duration.", "meanDuration")


@strawberry.type(description="A target with its number of events over all time.")
class TargetTotal:
    type: str = field("Type of the target.")
    id: strawberry.ID = field("Id of the target.")
    visibility: Visibility = field("Who can read the target's counts without a key.")
    events: Count = field("Number of events over all time.")


@strawberry.type(description="Counters of a target, over all time.")
class Counters:
    views: Count = field("Number of views.")
    copies: Count = field("Number of copies.")
    downloads: Count = field("Number of downloads.")
    uses: Count = field("Number of uses.")
    exports: Count = field("Number of exports.")
    favorites_count: Count = field("Number of favorites, minus those that were removed.", "favorites")
    comments_count: Count = field("Number of comments.", "comments")
    votes_up: Count = field("Number of upvotes.")
    votes_down: Count = field("Number of downvotes.")


@strawberry.type(description="A trending target.")
class Trend:
    target_type: str = field("Type of the target.")
    target_id: strawberry.ID = field("Id of the target.")
    score: float = field("Number of events, weighted by age: older events count less.")
    events: Count = field("Number of events in the window.")
    counters: Counters = field("Counters of the target, over all time.")


@strawberry.type(description="Trending targets, as of the last refresh.")
class Trending:
    refreshed_at: DateTime | None = field("Time of the last refresh. Null before the first one.")
    targets: list[Trend] = field("The targets, highest score first.")


@strawberry.type(description="One step of a funnel.")
class FunnelStep:
    name: str = field("Name of the event.")
    installs: InstallCounts = field("Installs that reached this step.")
    of_first: float | None = field("Share of the installs of the first step, from 0 to 1. Null if the first step has none.", "shareOfFirst")
    of_before: float | None = field(
        "Share of the installs of the previous step, from 0 to 1. Null if the previous step has none.", "shareOfPrevious"
    )


@strawberry.type(description="A 95 % confidence interval.")
class Interval:
    low: float = field("Lower bound.")
    high: float = field("Upper bound.")


@strawberry.type(description="Success rate of the installs of one variant.")
class VariantResult:
    installs: Count = field("Installs whose first variant is this one.")
    successes: Count = field("Installs of the variant that succeeded.")
    rate: float | None = field("Successes divided by installs, from 0 to 1. Null if there are no installs.")
    interval: Interval | None = field("Confidence interval of the rate (Wilson score interval).")
    difference: float | None = field("Rate minus the rate of the baseline. Null for the baseline.")
    difference_interval: Interval | None = field("Confidence interval of the difference (Newcombe). Null for the baseline.")


@strawberry.type(description="One variant of an experiment.")
class Variant:
    value: str = field("Value of the property.")
    all: VariantResult = field("All installs: people, CI, containers and tests.")
    people: VariantResult = field("Only installs run by people, or with an unknown environment.")


@strawberry.type(description="The variants of a property, compared by the success rate of their installs.")
class Experiment:
    baseline: str | None = field("The variant that the others are compared with.")
    variants: list[Variant] = field("The variants, baseline first.")
    mixed: Count = field("Installs with more than one variant. Each counts for its first variant.")


@strawberry.type(
    description="Received events by result, as parallel lists with one entry per day. `received` = `stored` + `duplicates` + "
    "`rejected` + `limited` + `optedOut`."
)
class Ledger:
    starts: list[DateTime] = field("Start of each day, in UTC.")
    received: list[Count] = field("Events received.")
    stored: list[Count] = field("Events stored.")
    duplicates: list[Count] = field("Events with a known id, and repetitions within the debounce time.")
    rejected: list[Count] = field("Invalid events.")
    limited: list[Count] = field("Events rejected by a rate limit.")
    opted_out: list[Count] = field(
        "Events sent with the header `DNT: 1` or `Sec-GPC: 1`, which are not stored. Command-line users who opt out with "
        "`DO_NOT_TRACK=1` send nothing and appear in no count."
    )
    reasons: list[Reason] = field("Reasons over all days, most events first.")


@strawberry.type(description="A reason for a result, with its number of events.")
class Reason:
    entry: LedgerEntry = field("Result of the events.")
    reason: str = field("The reason, such as `invalid`.")
    events: Count = field("Number of events.")
