"""The answers of `server.analytics` as GraphQL types: the same fields, read off the same objects. Series are parallel lists of scalars."""

from __future__ import annotations

from typing import Any

import strawberry

from server.admin.enums import Visibility
from server.admin.scalars import Count, DateTime, Duration
from server.event import Environment, LedgerEntry


def said(description: str, name: str | None = None) -> Any:
    """A field that is read off the answer under its own name."""
    return strawberry.field(description=description, name=name)


@strawberry.type(description="How many installs, each once.")
class InstallCounts:
    all: Count = said("Everything: people, CI, containers, tests.")
    people: Count = said("People only.")


@strawberry.type(description="A figure beside that of the period before, which is as long.")
class Change:
    value: float | None = said("In the period; null where nothing is known.")
    before: float | None = said("In the period before.")
    change: float | None = said("By which part of the figure before it grew: 0.5 is half as much again. Null where that was nothing.")


@strawberry.type(description="A duration beside that of the period before.")
class DurationChange:
    value: Duration | None = said("In the period; null where no event says how long it took.")
    before: Duration | None = said("In the period before.")
    change: float | None = said("By which part of the duration before it grew.")
    exact: bool = said("Whether both are exact, as they are while durations are few; else each is within 2 %.")


@strawberry.type(description="How many installs beside those of the period before.")
class InstallsChange:
    all: Change = said("Everything.")
    people: Change = said("People only.")


@strawberry.type(
    description="Figures of a period beside those of the one before. A period that has not ended is compared with the same time into the one before."
)
class Overview:
    events: Change = said("Events.")
    active: InstallsChange = said("Installs with an event in the period.")
    new: InstallsChange = said("Those of them that were first seen in it.")
    installs: InstallsChange = said("All installs that were known at the period's end, whatever the filter says of events.")
    success_rate: Change = said("Successes of all events that say how they ended, 0 to 1.")
    median_us: DurationChange = said("Half of the events took less.", "medianDuration")
    p95_us: DurationChange = said("95 of 100 events took less.", "p95Duration")
    compared_until: DateTime | None = said(
        "Where the period before ends as far as it is compared: while this period has not ended, the same time into the one before. "
        "Installs are compared with all that were known when this period began. Null where there is nothing to compare with."
    )


@strawberry.type(description="What happened over time: parallel lists, an entry for each step, also for those in which nothing happened.")
class Series:
    starts: list[DateTime] = said("When each step begins.")
    events: list[Count] = said("Events.")
    successes: list[Count] = said("Events that were a success.")
    failures: list[Count] = said("Events that were a failure.")
    active_all: list[Count] | None = said("Active installs; null by the hour.")
    active_people: list[Count] | None = said("Active installs of people; null by the hour.")


@strawberry.type(description="Active installs, an entry for each day.")
class ActiveUsers:
    starts: list[DateTime] = said("When each day begins.")
    daily_all: list[Count] = said("Active on the day.")
    daily_people: list[Count] = said("The people among them.")
    weekly_all: list[Count] = said("Active in the 7 days that end with it.")
    weekly_people: list[Count] = said("The people among them.")
    monthly_all: list[Count] = said("Active in the 30 days that end with it.")
    monthly_people: list[Count] = said("The people among them.")
    stickiness_all: list[float | None] = said("Daily by monthly, 0 to 1.")
    stickiness_people: list[float | None] = said("The same for people.")


@strawberry.type(description="Active installs that are new, and that came back, an entry for each step.")
class NewAndReturning:
    starts: list[DateTime] = said("When each step begins.")
    new_all: list[Count] = said("First seen in the step.")
    new_people: list[Count] = said("The people among them.")
    returning_all: list[Count] = said("Seen before it, too.")
    returning_people: list[Count] = said("The people among them.")


@strawberry.type(description="The installs that were first seen in one week.")
class Cohort:
    start: DateTime = said("When the week begins, a Monday.")
    size: InstallCounts = said("How many they are.")
    active_all: list[Count] = said("How many of them were active in that week, and in each one since.")
    active_people: list[Count] = said("The people among them.")


@strawberry.type(description="How many installs ran one version, an entry for each step.")
class Adoption:
    version: str | None = said("The version; null for all that are not named, together.")
    all: list[Count] = said("Everything.")
    people: list[Count] = said("People only.")
    failure_rate: float | None = said("Failures of the period's events that say how they ended, 0 to 1.")
    stands_out: bool = said("Whether it fails far more often than the other versions.")


@strawberry.type(
    description="Versions over time, the most used first. The newest, those that stand out and the most used are named; one of a single install is not."
)
class VersionAdoption:
    starts: list[DateTime] = said("When each step begins.")
    versions: list[Adoption] = said("The versions.")


@strawberry.type(description="One value of what was broken down.")
class BreakdownRow:
    value: str | None = said("The value; null for events that do not say.")
    events: Count = said("Events.")
    successes: Count = said("Those that were a success.")
    failures: Count = said("Those that were a failure.")
    success_rate: float | None = said("Successes of those that say how they ended, 0 to 1.")
    installs: InstallCounts | None = said("Active installs whose newest value this is; null where installs have no value of their own.")
    target_type: str | None = said("The type, where the value is a target.")


@strawberry.type(description="The values by their events, most first.")
class Breakdown:
    rows: list[BreakdownRow] = said("The values.")
    other_values: Count = said("How many more values there are.")
    other_events: Count = said("Their events.")
    other_installs: InstallCounts | None = said("Their installs; null where installs have no value of their own.")


@strawberry.type(description="How long things took over time: parallel lists, an entry for each step.")
class Medians:
    starts: list[DateTime] = said("When each step begins.")
    medians: list[Duration | None] = said("Half of the step's events took less; null where none says how long it took.")
    exact: bool = said("Whether they are exact, as they are while durations are few; else each is within 2 %.")


@strawberry.type(description="Durations that so many of 100 events stay under.")
class Percentiles:
    p50: Duration | None = said("50 of 100.")
    p75: Duration | None = said("75 of 100.")
    p90: Duration | None = said("90 of 100.")
    p95: Duration | None = said("95 of 100.")
    p99: Duration | None = said("99 of 100.")
    exact: bool = said("Whether they are exact, as they are while durations are few; else each is within 2 %.")


@strawberry.type(description="How long one thing took, of the events that say so.")
class Durations:
    label: str | None = said("The name of the event or the id of the target; null for all together.")
    target_type: str | None = said("The type of the target.")
    timed: Count = said("How many events say how long they took.")
    mean: Duration | None = said("The mean, exactly.")
    percentiles: Percentiles = said("The percentiles.")
    edges: list[Duration] = said("A histogram's edges: the bar i lies between edges[i] and edges[i + 1].")
    counts: list[Count] = said("The events in each bar.")


@strawberry.type(description="How long things took.")
class Timings:
    total: Durations = said("All together.")
    groups: list[Durations] = said("Each by itself, most events first.")


@strawberry.type(description="An event that failed, as far as it is kept: scrubbed.")
class ErrorSample:
    id: strawberry.ID = said("The event's id.")
    at: DateTime = said("When it happened.")
    name: str = said("The event's name.")
    target_type: str | None = said("The type of its target.")
    target: str | None = said("The id of its target.")
    error_type: str | None = said("The type of the error.")
    message: str | None = said("The error's message.")
    duration_us: Duration | None = said("How long it took.", "duration")
    environment: Environment = said("Who ran the tool.")
    os: str | None = said("The operating system.")
    arch: str | None = said("The processor architecture.")
    runtime: str | None = said("The runtime.")
    version: str | None = said("The version of the tool.")


@strawberry.type(description="A version with a count.")
class VersionCount:
    version: str | None = said("The version; null where events do not say.")
    events: Count = said("The events.")


@strawberry.type(description="All errors of one type.")
class ErrorGroup:
    type: str | None = said("The error type; null for failures that name none.")
    events: Count = said("Its events.")
    share: float | None = said("The share of all failures and other events with an error type, 0 to 1.")
    installs: InstallCounts = said("The affected installs.")
    first_seen: DateTime | None = said(
        "The first of these events: in the period, under the filter. Null where retention has deleted it. Read only where it is asked for."
    )
    last_seen: DateTime | None = said("The last of these events. Read only where it is asked for.")
    first_ever: DateTime | None = said("The first time in the filter's environments, whatever the period.")
    versions: list[VersionCount] = said("In which versions, most events first.")
    names: list[str] = said("The names of the events.")
    sample: ErrorSample | None = said("The newest of them, as far as it is kept. Read only where it is asked for.")


@strawberry.type(description="Errors by type.")
class Errors:
    groups: list[ErrorGroup] = said("The types, most events first.")
    types: Count = said("How many types there are; failures without a type count as one.")
    events: Count = said("Failures and other events with an error type.")
    failures: Count = said("Events that failed.")
    installs: InstallCounts = said("Installs with any of these events.")


@strawberry.type(description="A target with its counts.")
class TargetCounts:
    type: str = said("Its type.")
    id: strawberry.ID = said("Its id.")
    visibility: Visibility = said("Who may see its counts without a key.")
    events: Count = said("Events in the period.")
    total: Count | None = said("Events ever of the filter's names and environments; null where it has another condition.")
    successes: Count = said("Those of the period that were a success.")
    failures: Count = said("Those of the period that were a failure.")
    success_rate: float | None = said("Successes of those that say how they ended, 0 to 1.")
    mean_us: Duration | None = said("How long they took on average.", "meanDuration")


@strawberry.type(description="A target with its events over all time.")
class TargetTotal:
    type: str = said("Its type.")
    id: strawberry.ID = said("Its id.")
    visibility: Visibility = said("Who may see its counts without a key.")
    events: Count = said("Events over all time.")


@strawberry.type(description="What happened to a target, ever.")
class Counters:
    views: Count = said("Views.")
    copies: Count = said("Copies.")
    downloads: Count = said("Downloads.")
    uses: Count = said("Uses.")
    exports: Count = said("Exports.")
    favorites_count: Count = said("Favourites, less those that were taken back.", "favorites")
    comments_count: Count = said("Comments.", "comments")
    votes_up: Count = said("Votes for it.")
    votes_down: Count = said("Votes against it.")


@strawberry.type(description="A target that rises.")
class Trend:
    target_type: str = said("Its type.")
    target_id: strawberry.ID = said("Its id.")
    score: float = said("Events, of which older ones count for less.")
    events: Count = said("Events in the window.")
    counters: Counters = said("What happened to it, ever.")


@strawberry.type(description="Targets that rise, as of the last time that was looked.")
class Trending:
    refreshed_at: DateTime | None = said("When that was.")
    targets: list[Trend] = said("The targets, the one that rises most first.")


@strawberry.type(description="One step of a funnel.")
class FunnelStep:
    name: str = said("The name of the event.")
    installs: InstallCounts = said("Installs that came as far as this.")
    of_first: float | None = said("Of those of the first step, 0 to 1.")
    of_before: float | None = said("Of those of the step before, 0 to 1.")


@strawberry.type(description="An interval that holds the true value in 95 of 100 cases.")
class Interval:
    low: float = said("Its lower end.")
    high: float = said("Its upper end.")


@strawberry.type(description="How the installs of one variant fared.")
class VariantResult:
    installs: Count = said("Installs that saw it first.")
    successes: Count = said("Those of them that succeeded.")
    rate: float | None = said("Successes of installs, 0 to 1.")
    interval: Interval | None = said("Of the rate, after Wilson.")
    difference: float | None = said("The rate less that of the baseline.")
    difference_interval: Interval | None = said("Of the difference, after Newcombe.")


@strawberry.type(description="One variant of an experiment.")
class Variant:
    value: str = said("The property's value.")
    all: VariantResult = said("Everything.")
    people: VariantResult = said("People only.")


@strawberry.type(description="The variants of a property, compared by installs.")
class Experiment:
    baseline: str | None = said("The variant that the others are compared with.")
    variants: list[Variant] = said("The variants, the baseline first.")
    mixed: Count = said("Installs that saw more than one; they count for their first.")


@strawberry.type(description="The ledger, an entry for each day: received = stored + duplicates + rejected + limited + opted out.")
class Ledger:
    starts: list[DateTime] = said("When each day begins.")
    received: list[Count] = said("Everything that arrived.")
    stored: list[Count] = said("Stored.")
    duplicates: list[Count] = said("Known already, or the same again within a moment.")
    rejected: list[Count] = said("Refused, because something was wrong with it.")
    limited: list[Count] = said("Refused, because one address sent too much.")
    opted_out: list[Count] = said(
        "Sent with the header `DNT: 1` or `Sec-GPC: 1`, as browsers do: nothing was stored. Command-line users who opt out "
        "(`DO_NOT_TRACK=1`) send nothing, and are in no count."
    )
    reasons: list[Reason] = said("Why, over all days, most first.")


@strawberry.type(description="A reason with a count.")
class Reason:
    entry: LedgerEntry = said("What became of them.")
    reason: str = said("The reason, such as `invalid`.")
    events: Count = said("How many events.")
