"""Simulated installs: they arrive, stay or leave, upgrade, and are less active at night and at weekends."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple, TypeVar

from server.demo import scenario
from server.demo.scenario import Family, Weighted
from server.event import DAY, HOUR

T = TypeVar("T")

_MACHINES = ("ci", "container", "test")
_NOISE = 0.08  # the daily variation: the sigma of a log-normal distribution


class Period(NamedTuple):
    """A time range in epoch milliseconds."""

    start: int
    end: int

    def at(self, share: float) -> int:
        """The time at a share of the period."""
        return self.start + round(share * (self.end - self.start))

    def share(self, at: int) -> float:
        return (at - self.start) / (self.end - self.start)

    def days(self) -> Iterator[Period]:
        """Split the period into calendar days in UTC. The first and last may be partial."""
        for day in range(self.start // DAY, (self.end - 1) // DAY + 1):
            yield Period(max(self.start, day * DAY), min(self.end, (day + 1) * DAY))


@dataclass(slots=True)
class Install:
    """One installation of one tool. `kind` is its environment; `lag` is its delay of upgrades, as a share of the month."""

    id: str
    kind: str
    born: int
    address: str
    zone: int
    loyalty: float
    patience: float
    pace: float
    lag: float
    os: str
    arch: str
    runtime: str
    package_manager: str
    source: str
    theme: str
    plugins: tuple[str, ...]
    browser: str
    habit: float  # 0 to 1: selects one of several client behaviors
    met: bool = False
    total: int = 0

    def active_share(self, day: Period, stay: float) -> float:
        """The probability of activity on a day, by age (retention) and weekday."""
        if not self.met:
            return 1.0
        age = (day.start - self.born) / DAY
        share = min(0.97, self.loyalty * stay * scenario.STAY_BY_OS[self.os] * (0.3 + 0.7 * math.exp(-age / self.patience)))
        return share * (scenario.WEEKEND[self.kind] / max(1.0, scenario.WEEKDAY[self.kind]) if weekend(day.start) else 1.0)

    def weight(self, day: Period) -> float:
        """The relative activity on an active day."""
        return self.pace * (scenario.WEEKEND if weekend(day.start) else scenario.WEEKDAY)[self.kind]


@dataclass(slots=True)
class Draw:
    """A seeded random generator. `unique` seeds `mark`, whose event ids differ between runs."""

    seed: str
    unique: str
    _chance: random.Random = field(init=False)
    _marks: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a simulation, no secret
        self._marks = random.Random(f"{self.seed} {self.unique}")  # noqa: S311

    def one(self, table: Weighted[T]) -> T:
        """Draw one value of a weighted table."""
        values, weights = zip(*table, strict=True)
        return self._chance.choices(values, weights)[0]  # type: ignore[no-any-return]

    def of(self, values: Sequence[T], cumulated: Sequence[float]) -> T:
        return self._chance.choices(values, cum_weights=cumulated)[0]

    def share(self) -> float:
        return self._chance.random()

    def between(self, low: float, high: float) -> float:
        return self._chance.uniform(low, high)

    def lognormal(self, median: float, spread: float) -> float:
        return median * math.exp(self._chance.gauss(0, spread))

    def exponential(self, mean: float) -> float:
        return self._chance.expovariate(1 / mean)

    def shuffled(self, values: Sequence[T]) -> list[T]:
        return self._chance.sample(values, len(values))

    def hex(self, digits: int) -> str:
        """A random identifier, such as an installation id."""
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def mark(self) -> str:
        """A unique event id in the format of `crypto.randomUUID()`."""
        return as_uuid4(f"{self._marks.getrandbits(128):032x}")


def as_uuid4(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def weekend(at: int) -> bool:
    return datetime.fromtimestamp(at / 1000, UTC).weekday() >= 5


def budget(total: int, weights: Sequence[float]) -> list[int]:
    """Split `total` in proportion to weights, exactly (largest remainder method)."""
    whole = sum(weights) or 1.0
    exact = [total * weight / whole for weight in weights]
    parts = [int(part) for part in exact]
    behind = sorted(range(len(weights)), key=lambda place: parts[place] - exact[place])
    for place in behind[: total - sum(parts)]:
        parts[place] += 1
    return parts


def day_weights(period: Period, draw: Draw, *, first: float, last: float, launch: float = 1.0) -> list[float]:
    """The relative activity of each day of a period: growth, weekends, a launch, noise, and partial days."""
    weights = []
    for day in period.days():
        share = period.share((day.start + day.end) // 2)
        weight = (first + (last - first) * share) * draw.lognormal(1.0, _NOISE) * (day.end - day.start) / DAY
        if weekend(day.start):
            weight *= 0.6
        if 0 <= share - scenario.LAUNCH < 0.08:
            weight *= launch
        weights.append(weight)
    return weights


def settle(family: Family, events: int, period: Period, draw: Draw) -> list[list[Install]]:
    """Create the installs of a family by the day they first appear; the first day includes those from before the period."""
    count = max(family.fewest, round(events / family.events_an_install))
    there = round(count * scenario.ALREADY_THERE)
    new = budget(count - there, day_weights(period, draw, first=0.7, last=1.2, launch=2.0))
    kinds = _kinds(family, draw)
    days = [
        [_install(next(kinds), when(day, 0, draw), draw) for _ in range(births)] for day, births in zip(period.days(), new, strict=True)
    ]
    for _ in range(there):
        install = _install(next(kinds), period.start - round(draw.exponential(40 * DAY)), draw)
        install.met = True
        days[0].append(install)
    return days


def _kinds(family: Family, draw: Draw) -> Iterator[str]:
    """Kinds in the family's proportions, exact in every twenty installs, so that a small demo has all of them."""
    twenty = [kind for kind, twentieths in family.kinds for _ in range(twentieths)]
    while True:
        yield from draw.shuffled(twenty)


def _install(kind: str, born: int, draw: Draw) -> Install:
    machine = kind in _MACHINES
    os, arch = draw.one(scenario.RUNNERS if machine else scenario.DESKTOPS)
    loyalty, patience = draw.one(scenario.LOYALTIES)
    stuck = draw.share() < scenario.NEVER_UPGRADE[kind]
    return Install(
        id=as_uuid4(draw.hex(32)),
        kind=kind,
        born=born,
        address=_address(draw),
        zone=draw.one(scenario.ZONES),
        loyalty=loyalty,
        patience=patience,
        pace=draw.lognormal(1.0, 0.6),
        lag=9.0 if stuck else draw.exponential(scenario.USUAL_LAG) * (0.2 if machine else 1.0),
        os=os,
        arch=arch,
        runtime=draw.one(scenario.OLD_RUNTIMES if (os, arch) == ("win32", "arm64") else scenario.RUNTIMES),
        package_manager=draw.one(scenario.PACKAGE_MANAGERS),
        source=draw.one(scenario.MACHINES_SOURCES if machine else scenario.SOURCES[os]),
        theme=draw.one(scenario.THEMES),
        plugins=draw.one(scenario.SITE_PLUGINS),
        browser=draw.one(scenario.BROWSERS),
        habit=draw.share(),
    )


def _address(draw: Draw) -> str:
    """An address from networks reserved for tests and documentation (RFC 2544, RFC 3849)."""
    bits = int(draw.hex(8), 16)
    if draw.share() < 0.3:
        return f"2001:db8:{bits >> 16:x}:{bits & 0xFFFF:x}::1"
    return f"198.{18 + (bits >> 16 & 1)}.{bits >> 8 & 255}.{bits & 255}"


def crowd(installs: Sequence[Install], day: Period, stay: float, draw: Draw) -> Iterator[Install]:
    """Draw the active installs of a day without end: first all new ones, then the busy ones more often."""
    active = [install for install in installs if draw.share() < install.active_share(day, stay)] or list(installs)
    yield from [install for install in active if not install.met]
    weights = list(accumulate(install.weight(day) for install in active))
    while True:
        yield draw.of(active, weights)


def when(day: Period, zone: int, draw: Draw, kind: str = "person") -> int:
    """Draw a time in a day, by the hourly activity of people (or machines) in a time zone."""
    curve = scenario.MACHINES_DAY if kind in _MACHINES else scenario.PEOPLES_DAY
    hours = range(day.start // HOUR, (day.end - 1) // HOUR + 1)
    hour = draw.of(hours, list(accumulate(curve[(hour + zone) % 24] for hour in hours)))
    return round(draw.between(max(day.start, hour * HOUR), min(day.end, (hour + 1) * HOUR) - 1))


def version(tool: str, install: Install, at: int, period: Period) -> str:
    """The version of an install: the newest release that it has adopted. New installs start with the newest release."""
    if install.kind == "development" and tool == "native":
        return scenario.NIGHTLY
    taken = scenario.RELEASES[tool][0]
    for release in scenario.RELEASES[tool]:
        if install.born >= period.at(release.at) or at >= period.at(release.at + install.lag * release.haste):
            taken = release
    return taken.version
