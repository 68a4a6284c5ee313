"""An independent calculation of the answers in plain Python over raw events: slow, simple, and without code of the server.

Results are dicts, lists and pairs (all, people).
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

HOUR, DAY = 3_600_000, 86_400_000
PEOPLE = (0, 1)
Pair = tuple[int, int]


class Raw(NamedTuple):
    """A stored event with its texts."""

    id: int
    project: int
    install: int | None
    name: str
    at: int
    outcome: int
    took: int | None
    error: str | None
    properties: str | None
    environment: int
    dialect: str
    os: str | None
    arch: str | None
    runtime: str | None
    version: str | None
    package_manager: str | None
    target_type: str | None
    target: str | None

    @property
    def day(self) -> int:
        return self.at // DAY


class Machine:
    """The state of an install, from all its events."""

    def __init__(self) -> None:
        self.first = 1 << 62
        self.last: dict[str, Any] = {"environment": 0}


def load(database: Path) -> list[Raw]:
    """All events in order of arrival, each repeated by its weight."""
    query = (
        "SELECT coalesce(weight, 1), e.id, e.project_id, install_id, n.text, occurred_at, outcome, duration_us, error_type, properties,"
        " environment, c.dialect, os, arch, runtime, version, package_manager, t.type, t.external_id FROM event e"
        " JOIN context c ON c.id = context_id JOIN event_name n ON n.id = name_id LEFT JOIN target t ON t.id = target_id ORDER BY e.id"
    )
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [Raw._make(row) for weight, *row in connection.execute(query) for _ in range(weight)]


def stored(events: Iterable[Raw]) -> list[Raw]:
    """The events without the repetitions of `load`."""
    return list(dict.fromkeys(events))


def machines(events: Iterable[Raw]) -> dict[int, Machine]:
    """The installs: first seen, and the newest value of each field."""
    found: dict[int, Machine] = defaultdict(Machine)
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        if event.install is not None:
            machine = found[event.install]
            machine.first = min(machine.first, event.at)
            for field in ("os", "arch", "runtime", "version", "package_manager", "dialect"):
                if getattr(event, field):
                    machine.last[field] = getattr(event, field)
            if event.environment:
                machine.last["environment"] = event.environment
    return dict(found)


def pair(events: Iterable[Raw]) -> Pair:
    """Distinct installs: all, people's."""
    everyone, people = set(), set()
    for event in events:
        if event.install is not None:
            everyone.add(event.install)
            if event.environment in PEOPLE:
                people.add(event.install)
    return len(everyone), len(people)


def outcomes(events: Iterable[Raw]) -> tuple[int, int, int]:
    """Events, successes, failures."""
    kinds = Counter(event.outcome for event in events)
    return kinds.total(), kinds[1], kinds[2]


def quantile(durations: list[int], share: float) -> int | None:
    """The quantile by the nearest rank."""
    return sorted(durations)[math.ceil(share * len(durations)) - 1] if durations else None


def took(events: Iterable[Raw]) -> list[int]:
    return [event.took for event in events if event.took is not None]


def grouped(events: Iterable[Raw], key: Callable[[Raw], Any]) -> dict[Any, list[Raw]]:
    found: dict[Any, list[Raw]] = defaultdict(list)
    for event in events:
        found[key(event)].append(event)
    return dict(found)


def begins(at: int, step: str) -> int:
    """The start of the hour, day, ISO week or month of a time, in epoch ms, from the standard library's calendar."""
    return _begins(at // HOUR, step)  # a million events have few distinct hours


@functools.cache
def _begins(hour: int, step: str) -> int:
    moment = datetime.fromtimestamp(hour * HOUR / 1000, UTC)
    if step == "hour":
        return int(moment.replace(minute=0, second=0, microsecond=0).timestamp()) * 1000
    day = moment.date()
    if step == "week":
        day = date.fromisocalendar(day.isocalendar().year, day.isocalendar().week, 1)
    if step == "month":
        day = day.replace(day=1)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def every(start: int, end: int, step: str) -> list[int]:
    """The starts of all steps that overlap the period."""
    hours = range(start, end, 3_600_000)
    return sorted({begins(at, step) for at in hours})


def failing(events: Iterable[Raw]) -> dict[str | None, list[Raw]]:
    """Failures and other events with an error type, by type; None for failures without one."""
    return grouped((event for event in events if event.error or event.outcome == 2), lambda event: event.error or None)


def rolling(events: Iterable[Raw], day: int, days: int) -> Pair:
    """Installs active in the days that end with one."""
    return pair(event for event in events if day - days < event.day <= day)


def cohorts(events: list[Raw], known: dict[int, Machine], first_monday: int, weeks: int) -> list[tuple[Pair, list[Pair]]]:
    """For each week: installs first seen in it that were active at all, and how many were in that week and each after it."""
    found = []
    by_cohort = grouped(
        (event for event in events if event.install is not None), lambda event: (known[event.install or 0].first // DAY - first_monday) // 7
    )
    for cohort in range(weeks):
        there = by_cohort.get(cohort, [])
        by_week = grouped(there, lambda event: (event.day - first_monday) // 7)
        found.append((pair(there), [pair(by_week.get(week, [])) for week in range(cohort, weeks)]))
    return found


def adoption(events: Iterable[Raw], step: str) -> dict[tuple[str, int], int]:
    """Installs by version and step, each under the version of its last day there: of a person before CI and so on, unknown last."""
    last_of_day: dict[tuple[int, int, int], str] = {}
    for event in sorted(events, key=lambda event: event.id):
        if event.install is not None and event.version is not None:
            last_of_day[event.install, event.day, event.environment] = event.version
    best: dict[tuple[int, int], tuple[int, int, str]] = {}
    for (install, day, environment), version in last_of_day.items():
        key, candidate = (install, begins(day * DAY, step)), (day, -(environment or 9), version)
        if key not in best or candidate[:2] > best[key][:2]:
            best[key] = candidate
    return Counter((version, step_) for (_, step_), (_, _, version) in best.items())


def reached(events: Iterable[Raw], names: list[str], within: int) -> list[int]:
    """Installs that reached each step: every start is tried, and each continues with the earliest next step."""
    counts = [0] * len(names)
    for own in grouped(
        (event for event in events if event.install is not None and event.name in names), lambda event: event.install
    ).values():
        ordered = sorted((event.at, names.index(event.name), event.name) for event in stored(own))
        best = 0
        for place, (began, _, name) in enumerate(ordered):
            if name != names[0]:
                continue
            step = 1
            for at, _, other in ordered[place + 1 :]:
                if step < len(names) and other == names[step] and at - began <= within:
                    step += 1
            best = max(best, step)
        for step in range(best):
            counts[step] += 1
    return counts


def variants(exposed: Iterable[Raw], all_events: Iterable[Raw], name: str, goal: str | None) -> dict[str, Pair]:
    """Pairs of installs and successes by the first variant of each install. The second number counts successes, not people."""
    first: dict[int, tuple[int, str]] = {}
    said = []
    for event in exposed:
        value = json.loads(event.properties).get(name) if event.properties and event.install is not None else None
        if value is not None and event.install is not None:
            said.append((event, value))
            first[event.install] = min(first.get(event.install, (1 << 62, "")), (event.at, value))
    if goal is None:
        won = {event.install for event, value in said if event.outcome == 1 and first[event.install or 0][1] == value}
    else:
        won = {
            event.install for event in all_events if event.name == goal and event.install in first and event.at >= first[event.install][0]
        }
    trials = Counter(value for _, value in first.values())
    return {
        value: (count, sum(1 for install in won if install is not None and first[install][1] == value)) for value, count in trials.items()
    }


def trending(events: Iterable[Raw], today: int, days: int, half_life: float, weights: dict[str, float]) -> dict[str, float]:
    """Scores by target id."""
    scores: dict[str, float] = defaultdict(float)
    for event in events:
        if event.target is not None and event.environment in PEOPLE and today - days < event.day <= today:
            scores[event.target] += weights.get(event.name, 1.0) * 0.5 ** ((today - event.day) / half_life)
    return dict(scores)
