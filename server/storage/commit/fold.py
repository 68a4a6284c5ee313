"""The fold of events into sums: what each event adds to the rollups, to its install and to the day's activity.

Commits fold events before they store them, and the recount folds stored events. Both use this code, so their sums agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from server.event import DAY, HOUR, Context, Environment, Outcome
from server.storage import rollups
from server.storage.rollups import DIMENSIONS, INSTALL_FIELDS, PROPERTY_PREFIX, Rollup

Sums = dict[tuple[int | str, ...], list[int]]


class StoredEvent(NamedTuple):
    """The fields of an event that count, with dictionary numbers for texts."""

    project: int
    name: int
    context: int
    target: int | None
    install: int | None
    occurred_at: int
    outcome: int
    duration_us: int | None
    picked: tuple[tuple[str, str], ...]
    error: int | None = None
    active: bool = True  # False if the day of activity of its install is stored already
    weight: int = 1


stored_event: Callable[[tuple[Any, ...]], StoredEvent] = partial(tuple.__new__, StoredEvent)
"""Make a `StoredEvent` from a tuple of all its fields. Three times as fast as the constructor, and called once per event."""


@dataclass(slots=True)
class InstallState:
    """The changes of one install in a batch: the newest value of each field, by the time of the events."""

    project: int
    first_seen: int
    last_seen: int
    environment: int = Environment.UNKNOWN
    reason: str = ""
    fields: list[str | None] = field(default_factory=lambda: [None] * len(INSTALL_FIELDS))

    def add(self, first: int, last: int, context: Context) -> None:
        """Extend the time in which the install was seen, and update its fields. Fields that an event omits keep their value."""
        newer = last >= self.last_seen
        self.first_seen = min(self.first_seen, first)
        self.last_seen = max(self.last_seen, last)
        if context.environment and (newer or not self.environment):
            self.environment, self.reason = int(context.environment), context.reason
        fields = self.fields
        values = (context.os, context.arch, context.runtime, context.version, context.package_manager, context.dialect or None)
        for place, value in enumerate(values):
            if value is not None and (newer or fields[place] is None):
                fields[place] = value


@dataclass(slots=True)
class FoldResult:
    """Everything that a set of events adds to the tables.

    `sums[rollup][key]` lists the measures of the rollup. `activity` maps keys of that table to versions. `reported` are installs that a client
    reported without an event. `error_installs` holds keys of that table. `errors_seen` maps keys of `error_seen` to the first and the last
    time, in epoch milliseconds.
    """

    sums: dict[Rollup, Sums] = field(default_factory=lambda: {rollup: {} for rollup in rollups.ROLLUPS})
    installs: dict[int, InstallState] = field(default_factory=dict)
    activity: dict[tuple[int, int, int, int], str | None] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)
    error_installs: set[tuple[int, int, int, int, str, int, int]] = field(default_factory=set)
    errors_seen: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)


# The key of events with equal sums: project, hour, name, context, outcome.
Group = tuple[int, int, int, int, int]


def fold(events: Iterable[StoredEvent], contexts: dict[int, Context], others: Mapping[Group, int] = MappingProxyType({})) -> FoldResult:
    """Fold events into sums. `others` counts events that add nothing beyond their group. `contexts` maps all context numbers to contexts."""
    folded = FoldResult()
    groups: dict[Group, list[int]] = {group: [number, 0, 0] for group, number in others.items() if number}
    for event in events:
        project, name, context_id, target, install, at, outcome, duration, picked, error, active, weight = event
        hour = at // HOUR
        group = (project, hour, name, context_id, outcome)
        cell = groups.get(group)
        if cell is None:
            groups[group] = cell = [0, 0, 0]
        cell[0] += weight
        if duration is not None:
            cell[1] += weight
            cell[2] += weight * duration
        context = contexts[context_id]
        environment = int(context.environment)
        if install is not None:
            seen = folded.installs.get(install)
            if seen is None:
                folded.installs[install] = seen = InstallState(project, at, at)
            seen.add(at, at, context)
            key = (project, hour // 24, install, environment)
            if active and (context.version is not None or key not in folded.activity):
                folded.activity[key] = context.version
        if target is not None or duration is not None or picked:
            _add_details(folded, event, hour, environment)
        if error is not None:
            _add_error(folded, event, error, context)
        if weight != 1:
            _add_spread(folded, event, context)
    _add_groups(folded, groups, contexts)
    return folded


def _add_details(folded: FoldResult, event: StoredEvent, hour: int, environment: int) -> None:
    """Add the details that only some events have: a duration, a target, picked properties."""
    project, name, _, target, _, _, outcome, duration, picked, _, _, weight = event
    day = hour // 24
    sums = folded.sums
    if duration is not None:
        bucket = rollups.duration_bucket(duration)
        _count(sums[rollups.DAILY_DURATION], (project, day, environment, bucket), weight)
        _count(sums[rollups.NAME_DURATION], (project, day, name, environment, bucket), weight)
    if target is None and not picked:
        return
    measures = _measures(weight, outcome, 0 if duration is None else weight, weight * (duration or 0))
    if target is not None:
        _add(sums[rollups.TARGET_DAY], (project, day, target, name, environment), measures)
        _add(sums[rollups.TARGET_TOTAL], (project, target, name, environment), measures)
        if duration is not None:
            _count(sums[rollups.TARGET_DURATION], (project, day, target, name, environment, bucket), weight)
    for picked_name, value in picked:
        _add(sums[rollups.DIMENSION], (project, day, name, PROPERTY_PREFIX + picked_name, value, environment), measures[:3])


def _add_error(folded: FoldResult, event: StoredEvent, error: int, context: Context) -> None:
    """Add the details of an event with an error type."""
    project, at, environment, version = event.project, event.occurred_at, int(context.environment), context.version or ""
    day = at // DAY
    _count(folded.sums[rollups.ERROR], (project, day, error, event.name, version, environment), event.weight)
    if event.install is not None:
        folded.error_installs.add((project, day, error, event.name, version, event.install, environment))
    first, last = folded.errors_seen.get((project, error, environment), (at, at))
    folded.errors_seen[project, error, environment] = (min(first, at), max(last, at))


def _add_groups(folded: FoldResult, groups: dict[Group, list[int]], contexts: dict[int, Context]) -> None:
    """Add the sums that all events have, once per group: by hour, by day, and by each dimension of the context."""
    hourly, daily, dimensions = (folded.sums[rollup] for rollup in (rollups.HOURLY, rollups.DAILY, rollups.DIMENSION))
    for (project, hour, name, context_id, outcome), (events, timed, duration_us) in groups.items():
        context = contexts[context_id]
        environment = int(context.environment)
        measures = _measures(events, outcome, timed, duration_us)
        _add(hourly, (project, hour, name, environment), measures)
        _add(daily, (project, hour // 24, name, environment), measures)
        for dimension in DIMENSIONS:
            value = getattr(context, dimension.name)
            if value is not None:
                _add(dimensions, (project, hour // 24, name, dimension.name, value, environment), measures[:3])


def _measures(events: int, outcome: int, *others: int) -> tuple[int, ...]:
    """Return events, successes, failures and other measures of events with the same outcome."""
    return (events, events * (outcome == Outcome.SUCCESS), events * (outcome == Outcome.FAILURE), *others)


def spread_of(weight: int) -> int:
    """Return what a sampled event adds to the variance of a sum: w (w - 1).

    With Bernoulli sampling, in which an event is sent with the probability 1/w, this is Horvitz and Thompson's unbiased estimate (A Generalization of
    Sampling Without Replacement From a Finite Universe, JASA 47, 1952). It includes the variance of `whole_weight`.
    """
    return weight * (weight - 1)


def _add_spread(folded: FoldResult, event: StoredEvent, context: Context) -> None:
    """Add the spread of a sampled event."""
    project, name, target, environment = event.project, event.name, event.target, int(context.environment)
    day, measures = event.occurred_at // DAY, _measures(spread_of(event.weight), event.outcome)
    _add(folded.sums[rollups.HOURLY_SPREAD], (project, event.occurred_at // HOUR, name, environment), measures)
    _add(folded.sums[rollups.DAILY_SPREAD], (project, day, name, environment), measures)
    for dimension in DIMENSIONS:
        if (value := getattr(context, dimension.name)) is not None:
            _add(folded.sums[rollups.DIMENSION_SPREAD], (project, day, name, dimension.name, value, environment), measures)
    if target is not None:
        _add(folded.sums[rollups.TARGET_SPREAD], (project, day, target, name, environment), measures)


def _add(sums: Sums, key: tuple[int | str, ...], measures: tuple[int, ...]) -> None:
    cell = sums.get(key)
    if cell is None:
        sums[key] = [int(measure) for measure in measures]
    else:
        for place, measure in enumerate(measures):
            cell[place] += measure


def _count(sums: Sums, key: tuple[int | str, ...], events: int) -> None:
    """Add events to a sum with a single measure."""
    cell = sums.get(key)
    if cell is None:
        sums[key] = [events]
    else:
        cell[0] += events
