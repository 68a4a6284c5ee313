"""Who is there, who is active on a day, and when in the day: installs that come, stay or leave, upgrade, sleep and have weekends."""

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
_NOISE = 0.08  # how much a day differs from what it should be: the sigma of a log-normal distribution


class Period(NamedTuple):
    """From when to when, in epoch milliseconds."""

    start: int
    end: int

    def at(self, share: float) -> int:
        """The moment at a share of the period."""
        return self.start + round(share * (self.end - self.start))

    def share(self, at: int) -> float:
        return (at - self.start) / (self.end - self.start)

    def days(self) -> Iterator[Period]:
        """The period's calendar days in UTC; the first and the last one may be less than a whole day."""
        for day in range(self.start // DAY, (self.end - 1) // DAY + 1):
            yield Period(max(self.start, day * DAY), min(self.end, (day + 1) * DAY))


@dataclass(slots=True)
class Install:
    """One installation of one tool. `kind` is who runs it; `lag` is how long it waits with upgrades, as a share of the month."""

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
    browser: str
    habit: float  # 0 to 1: which of a client's several ways this one has
    met: bool = False
    total: int = 0

    def active_share(self, day: Period, stay: float) -> float:
        """How likely it is active on a day, by its age (retention) and the weekday."""
        if not self.met:
            return 1.0
        age = (day.start - self.born) / DAY
        share = min(0.97, self.loyalty * stay * (0.3 + 0.7 * math.exp(-age / self.patience)))
        return share * (scenario.WEEKEND[self.kind] / max(1.0, scenario.WEEKDAY[self.kind]) if weekend(day.start) else 1.0)

    def weight(self, day: Period) -> float:
        """How much it does on a day on which it is active, against others."""
        return self.pace * (scenario.WEEKEND if weekend(day.start) else scenario.WEEKDAY)[self.kind]


@dataclass(slots=True)
class Draw:
    """Chance, the same for the same seed. `marks` makes what must never come twice, in no other run either: ids of events."""

    seed: str
    unique: str
    _chance: random.Random = field(init=False)
    _marks: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a story, no secret
        self._marks = random.Random(f"{self.seed} {self.unique}")  # noqa: S311

    def one(self, table: Weighted[T]) -> T:
        """One of a weighted table."""
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
        """A name of the story, as an install's id."""
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def mark(self) -> str:
        """The id of one event, as `crypto.randomUUID()` makes it."""
        return as_uuid4(f"{self._marks.getrandbits(128):032x}")


def as_uuid4(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def weekend(at: int) -> bool:
    return datetime.fromtimestamp(at / 1000, UTC).weekday() >= 5


def budget(total: int, weights: Sequence[float]) -> list[int]:
    """`total` split in proportion to weights, exactly (largest remainders)."""
    whole = sum(weights) or 1.0
    exact = [total * weight / whole for weight in weights]
    parts = [int(part) for part in exact]
    behind = sorted(range(len(weights)), key=lambda place: parts[place] - exact[place])
    for place in behind[: total - sum(parts)]:
        parts[place] += 1
    return parts


def day_weights(period: Period, draw: Draw, *, first: float, last: float, launch: float = 1.0) -> list[float]:
    """How much happens on each day of a period: growth, weekends, a launch, some noise, and how much of the day there is."""
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
    """The installs of a family by the day on which they turn up; on the first day also those that were there before."""
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
    """Kinds in the family's proportions, in each twenty of them exactly: so even a small demo has all."""
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
        runtime=draw.one(scenario.RUNTIMES),
        package_manager=draw.one(scenario.PACKAGE_MANAGERS),
        browser=draw.one(scenario.BROWSERS),
        habit=draw.share(),
    )


def _address(draw: Draw) -> str:
    """An address of the networks that are set aside for tests and documentation (RFC 2544, RFC 3849)."""
    bits = int(draw.hex(8), 16)
    if draw.share() < 0.3:
        return f"2001:db8:{bits >> 16:x}:{bits & 0xFFFF:x}::1"
    return f"198.{18 + (bits >> 16 & 1)}.{bits >> 8 & 255}.{bits & 255}"


def crowd(installs: Sequence[Install], day: Period, stay: float, draw: Draw) -> Iterator[Install]:
    """Who does something on a day, again and again without end: first everybody who is new, then whoever is busy."""
    active = [install for install in installs if draw.share() < install.active_share(day, stay)] or list(installs)
    yield from [install for install in active if not install.met]
    weights = list(accumulate(install.weight(day) for install in active))
    while True:
        yield draw.of(active, weights)


def when(day: Period, zone: int, draw: Draw, kind: str = "person") -> int:
    """A moment in a day, at an hour at which people (or machines) in that time zone are about."""
    curve = scenario.MACHINES_DAY if kind in _MACHINES else scenario.PEOPLES_DAY
    hours = range(day.start // HOUR, (day.end - 1) // HOUR + 1)
    hour = draw.of(hours, list(accumulate(curve[(hour + zone) % 24] for hour in hours)))
    return round(draw.between(max(day.start, hour * HOUR), min(day.end, (hour + 1) * HOUR) - 1))


def version(tool: str, install: Install, at: int, period: Period) -> str:
    """What an install runs: the newest release that it has taken up. Whoever is new starts with the newest there is."""
    if install.kind == "development" and tool == "native":
        return scenario.NIGHTLY
    taken = scenario.RELEASES[tool][0]
    for release in scenario.RELEASES[tool]:
        if install.born >= period.at(release.at) or at >= period.at(release.at + install.lag * release.haste):
            taken = release
    return taken.version
