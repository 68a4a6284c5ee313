"""An independent calculation of the answers, in plain Python over raw events. Only the list of context fields is shared with the server."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from server.event import CONTEXT_FIELDS

HOUR, DAY = 3_600_000, 86_400_000
OUTCOMES = {"none": 0, "success": 1, "failure": 2}
ENVIRONMENTS = {"unknown": 0, "person": 1, "ci": 2, "container": 3, "development": 4, "test": 5}
COUNTED = {"events": (0, 1, 2), "successes": (1,), "failures": (2,)}  # the outcomes of each count
WORDS = {"outcome": OUTCOMES, "environment": ENVIRONMENTS}
QUERY = f"""SELECT e.id, install_id, skewed, n.text, occurred_at, outcome, duration_us, error_type, properties, environment, c.dialect, t.type,
    t.external_id, COALESCE(weight, 1), {", ".join(CONTEXT_FIELDS)} FROM event e JOIN context c ON c.id = context_id
    JOIN event_name n ON n.id = name_id LEFT JOIN target t ON t.id = target_id WHERE e.project_id = 1 ORDER BY e.id"""

Key = tuple[str | None, ...]
Lists = tuple[list[float | None], list[float | None]]


class Raw(NamedTuple):
    """One stored event. `read` keeps the elements of each field once they are read."""

    id: int
    install: int | None
    skewed: int | None
    name: str
    at: int
    outcome: int
    duration_us: int | None
    error_type: str | None
    properties: str | None
    environment: int
    dialect: str
    target_type: str | None
    target: str | None
    weight: int
    described: dict[str, str | None]
    read: dict[str, list[tuple[str, float | None]]]

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Raw:
        """Make an event from a row of `QUERY`."""
        own = len(cls._fields) - 2
        return cls._make((*row[:own], dict(zip(CONTEXT_FIELDS, row[own:], strict=True)), {}))


def values(event: Raw, field: str) -> list[str]:
    """The values of a field: none, one, or several of a property that is an array."""
    return [text for text, _ in elements(event, field)]


def elements(event: Raw, field: str) -> list[tuple[str, float | None]]:
    """Each value with its number, if it is one."""
    found = event.read.get(field)
    if found is None:
        found = event.read[field] = read_elements(event, field)
    return found


def read_elements(event: Raw, field: str) -> list[tuple[str, float | None]]:
    if field.startswith("properties."):
        path = field.removeprefix("properties.")
        found = property_of(event.properties, path)
        listed = found if isinstance(found, list) else [found]
        return [(as_text(each), as_number(each)) for each in listed if isinstance(each, str | int | float)]
    if field in WORDS:
        return [(word, None) for word, number in WORDS[field].items() if number == getattr(event, field)]
    if field == "duration_ms":
        return [] if event.duration_us is None else [("", event.duration_us / 1000)]
    text = event.described[field] if field in event.described else getattr(event, field)
    return [] if text is None else [(text, None)]


@lru_cache(maxsize=100_000)
def property_of(properties: str | None, path: str) -> Any:
    document = json.loads(properties or "{}")
    return document[path] if path in document else nested(document, path.split("."))


def nested(document: Any, parts: list[str]) -> Any:
    for part in parts:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def as_number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:64]


def meets(event: Raw, field: str, op: str, wanted: list[str]) -> bool:
    """Return whether an event meets one condition."""
    found = elements(event, field)
    if op == "exists":
        return bool(found)
    if op == "missing":
        return not found
    if op == "is_not":
        return not any(text in wanted for text, _ in found)
    checks: dict[str, Callable[[str, float | None], bool]] = {
        "is": lambda text, _: text in wanted,
        "prefix": lambda text, _: text.startswith(tuple(wanted)),
        "contains": lambda text, _: any(each in text for each in wanted),
        "semver": lambda text, _: in_range(text, wanted[0]),
        "above": lambda _, number: number is not None and number > float(wanted[0]),
        "below": lambda _, number: number is not None and number < float(wanted[0]),
    }
    return any(checks[op](*each) for each in found)


@lru_cache(maxsize=1_000)
def precedence(text: str) -> tuple[Any, ...] | None:
    """Semver, item 11, for the versions of the data set."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-rc\.(\d+))?(?:\+.*)?", text)
    if not match:
        return None
    return (*map(int, match.groups()[:3]), 1 if match[4] is None else 0, int(match[4] or 0))


def in_range(text: str, range_: str) -> bool:
    """Ranges made of `>=x.y.z`, `>x.y.z`, `<=x.y.z`, `<x.y.z`."""
    version = precedence(text)
    if version is None:
        return False
    for operator, bound in re.findall(r"(>=|<=|>|<)(\S+)", range_):
        end = precedence(bound)
        assert end is not None
        if not {">=": version >= end, ">": version > end, "<=": version <= end, "<": version < end}[operator]:
            return False
    return True


def group_keys(event: Raw, by: list[tuple[str, str | None]]) -> set[Key]:
    """The groups in which an event counts: once in each."""
    found: set[Key] = {()}
    for field, parts in by:
        own: list[str | None] = [*dict.fromkeys(values(event, field))] or [None]
        if parts and own[0] is not None and (version := precedence(own[0])):
            own = [".".join(str(number) for number in version[: 1 if parts == "major" else 2])]
        # Elements that have no text (null, a nested object) stand for "no value".
        if field.startswith("properties.") and has_textless(event, field):
            own = [*dict.fromkeys([*own, None])]
        found = {(*key, each) for key in found for each in own}
    return found


def has_textless(event: Raw, field: str) -> bool:
    found = property_of(event.properties, field.removeprefix("properties."))
    return isinstance(found, list) and any(not isinstance(each, str | int | float) for each in found)


def step_starts(start: int, end: int, over: str | None) -> list[int]:
    """The start of each step."""
    if over is None:
        return [start]
    moment = datetime.fromtimestamp(start / 1000, UTC)
    moment = moment.replace(minute=0, second=0, microsecond=0)
    if over != "hour":
        moment = moment.replace(hour=0)
    if over == "week":
        moment -= timedelta(days=moment.weekday())
    if over == "month":
        moment = moment.replace(day=1)
    found = []
    while (at := int(moment.timestamp() * 1000)) < end:
        found.append(at)
        if over == "month":
            moment = (moment + timedelta(days=32)).replace(day=1)
        else:
            moment += {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}[over]
    return found


class Recount:
    """The figures of one question over a period. `first_seen` are the installs' first events.

    `summed` are the events in the sums, which keep erased and deleted ones; by default the stored events.
    """

    def __init__(
        self,
        events: Iterable[Raw],
        first_seen: dict[int, int],
        period: tuple[int, int],
        over: str | None,
        summed: Iterable[Raw] | None = None,
    ) -> None:
        self.period = period
        self.starts = step_starts(*period, over)
        self.first_seen = first_seen
        self.events = [event for event in events if period[0] <= event.at < period[1]]
        days = range(period[0] // DAY, (period[1] - 1) // DAY + 1)
        self.of_days = [event for event in (events if summed is None else summed) if event.at // DAY in days]
        self.sampled = [event.at // HOUR for event in self.of_days if event.weight > 1]

    def step(self, at: int) -> int:
        return bisect_right(self.starts, at) - 1

    def groups(self, where: list[Any], by: list[tuple[str, str | None]]) -> dict[Key, list[Raw]]:
        found: dict[Key, list[Raw]] = defaultdict(list)
        chosen = self.events
        for condition in where:
            chosen = [event for event in chosen if meets(event, *condition)]
        for event in chosen:
            for key in group_keys(event, by):
                found[key].append(event)
        return found

    def figures(self, events: Iterable[Raw], measure: str) -> Lists:
        """A measure for each step, for all and for people. An event counts once in a row, however many of its groups the row holds, and as
        often as its weight says.
        """
        steps = self.by_step(events)
        several = [[event for event in step for _ in range(event.weight)] for step in steps]
        return (
            [self.figure(step, number, measure) for number, step in enumerate(several)],
            [self.figure([event for event in step if event.environment in (0, 1)], number, measure) for number, step in enumerate(several)],
        )

    def by_step(self, events: Iterable[Raw]) -> list[list[Raw]]:
        steps: list[list[Raw]] = [[] for _ in self.starts]
        for event in {event.id: event for event in events}.values():
            steps[self.step(event.at)].append(event)
        return steps

    def intervals(self, events: Iterable[Raw], measure: str) -> list[tuple[float, float] | None] | None:
        """The 95 % interval of a measure for each step; None for a step without sampled events, and if no step has any."""
        found = [interval(step, measure) or self.none(step, measure, number) for number, step in enumerate(self.by_step(events))]
        return found if any(found) else None

    def none(self, events: list[Raw], measure: str, step: int) -> tuple[float, float] | None:
        """The interval of a count of 0. Its end is the number of events of which none is sent with a probability of 5 %.

        Exact outside the sampled hours.
        """
        if measure not in COUNTED or any(event.outcome in COUNTED[measure] for event in events) or not self.sampled:
            return None
        start, end = [*self.starts, self.period[1]][step : step + 2]
        if end <= min(self.sampled) * HOUR or start >= (max(self.sampled) + 1) * HOUR:
            return None
        weights = [event.weight for event in self.of_days if start // DAY <= event.at // DAY <= (end - 1) // DAY]
        mean = sum(weight * weight for weight in weights) / (sum(weights) or 1)
        return (0, math.ceil(math.log(0.05) / math.log(1 - 1 / mean))) if mean > 1 else None

    def is_new(self, event: Raw, step: int) -> bool:
        """Return True if the event's install was first seen in a step."""
        if event.install is None or event.skewed:
            return False
        return self.first_seen[event.install] >= self.period[0] and self.step(self.first_seen[event.install]) == step

    def figure(self, events: list[Raw], step: int, measure: str) -> float | None:
        outcomes = Counter(event.outcome for event in events)
        owned = [event.install for event in events if event.install is not None and not event.skewed]
        if measure == "events":
            return len(events)
        if measure in ("successes", "failures"):
            return outcomes[1 if measure == "successes" else 2]
        if measure == "failure_rate":
            return outcomes[2] / (outcomes[1] + outcomes[2]) if outcomes[1] + outcomes[2] else None
        if measure == "installs":
            return len(set(owned))
        if measure == "new_installs":
            return len({event.install for event in events if self.is_new(event, step)})
        if measure.startswith("per_install_"):
            return spread(sorted(Counter(owned).values()), measure.removeprefix("per_install_"), 1)
        return spread(sorted(event.duration_us for event in events if event.duration_us is not None), measure, 1000)


def interval(events: list[Raw], measure: str) -> tuple[float, float] | None:
    """The interval of a count by Horvitz and Thompson, that of a rate by the delta method, or Wilson's if one outcome is missing."""
    if measure in COUNTED:
        counted = [event.weight for event in events if event.outcome in COUNTED[measure]]
        half = 1.96 * math.sqrt(sum(weight * (weight - 1) for weight in counted))
        return (max(0, math.floor(sum(counted) - half)), math.ceil(sum(counted) + half)) if half else None
    if measure != "failure_rate":
        return None
    failed, ended = ([event.weight for event in events if event.outcome in outcomes] for outcomes in ((2,), (1, 2)))
    if not ended or sum(ended) == len(ended):
        return None
    rate = sum(failed) / sum(ended)
    if rate in (0, 1):
        number = sum(ended) ** 2 / sum(weight * (weight - 1) for weight in ended)
        return (0.0, 1.96**2 / (number + 1.96**2)) if rate == 0 else (number / (number + 1.96**2), 1.0)
    variance = sum(event.weight * (event.weight - 1) * ((event.outcome == 2) - rate) ** 2 for event in events if event.outcome in (1, 2))
    half = 1.96 * math.sqrt(variance) / sum(ended)
    return max(0.0, rate - half), min(1.0, rate + half)


def spread(ordered: list[int], measure: str, unit: int) -> float | None:
    """A percentile by the nearest rank, or the mean."""
    if not ordered:
        return None
    if measure == "mean":
        return sum(ordered) / len(ordered) / unit
    rank = -(-int(measure[1:]) * len(ordered) // 100)
    return ordered[rank - 1] / unit
