"""Sends the simulated month to the server, in order of arrival."""

from __future__ import annotations

import dataclasses
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from server.app import create_app
from server.clock import epoch_ms
from server.demo import scenario, simulated_installs
from server.demo.calls import Call, Story
from server.demo.in_process import Clock, running, send
from server.demo.simulated_clients import VISITS
from server.demo.simulated_installs import Draw, Install, Period
from server.event import DAY, HOUR, MINUTE, LedgerEntry
from server.settings import Settings
from server.storage.engine import Store, open_store
from server.storage.projects import ProjectError, create_project, hash_key, picked_properties, project_changes
from server.storage.tables import ApiKey, Project

AT_ONCE = 256  # calls that are sent together
WITHIN = HOUR  # of simulated time
PICKED = ("shell", "trigger", "build.stage", "plugins")  # the properties of kelp that get rollups


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of filling a project. `sent` counts events by family, `ledger` counts their outcomes by ledger entry."""

    slug: str
    created: bool
    days: int
    calls: int
    sent: dict[str, int]
    ledger: dict[str, int]
    seconds: float

    @property
    def events(self) -> int:
        """All events that were sent."""
        return sum(self.sent.values())

    def __str__(self) -> str:
        families = ", ".join(f"{name} {events:,}" for name, events in self.sent.items())
        became = ", ".join(f"{events:,} {entry.replace('_', ' ')}" for entry, events in self.ledger.items() if events)
        head = f"{self.events:,} events over {self.days} days into project {self.slug}, in {self.calls:,} requests and {self.seconds:.1f} s"
        return f"{head}\n  sent      {families}\n  became    {became}"


class _Before(NamedTuple):
    project: int
    created: bool
    ledger: dict[str, int]


async def held(settings: Settings, slug: str) -> int:
    """The number of events a project has stored, 0 if it does not exist. Raises StoreError."""
    store = await open_store(settings)
    try:
        row = await Project.select(Project.id).where(Project.slug == slug).first()
        return 0 if row is None else (await _ledger(store, int(row["id"]))).get(LedgerEntry.STORED.value, 0)
    finally:
        await store.close()


async def fill(
    settings: Settings,
    *,
    slug: str = "demo",
    days: int = 30,
    events: int = 20_000,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Fill a project with `events` realistic events from the last `days` days; see the package.

    Creates the project if it does not exist. A second run adds as many events again; with the same seed they come from the same installs.
    `progress` is called with the events sent so far and the total. Raises StoreError if the store cannot be opened or written,
    ProjectError for a project that does not accept these events, and ValueError for less than one day or event.
    """
    if days < 1 or events < 1:
        raise ValueError("days and events must be at least 1")
    started = time.monotonic()
    end = epoch_ms()
    period = Period(end - days * DAY, end)
    before = await _prepare(settings, slug)
    clock = Clock(period.start)
    app = create_app(_unlimited(settings), clock=clock)
    sent: Counter[str] = Counter({family.name: 0 for family in scenario.FAMILIES})
    calls = 0
    async with running(app):
        if app.first_token is not None:
            # The token would not be seen here. The first real start creates another one and prints it.
            await ApiKey.delete().where(ApiKey.hash == hash_key(app.first_token))
        for wave in _waves(simulate(period, events, seed)):
            await send(app, wave, slug=slug, clock=clock)
            calls += len(wave)
            for call in wave:
                sent[call.family] += call.events
            progress(sent.total(), events)
    after = await _look(settings, before.project)
    gained = {entry.value: after.get(entry.value, 0) - before.ledger.get(entry.value, 0) for entry in LedgerEntry}
    return Summary(slug, before.created, days, calls, dict(sent), gained, time.monotonic() - started)


def simulate(period: Period, events: int, seed: int) -> Iterator[Call]:
    """Generate the calls of a period in order of arrival, with exactly `events` events. Deterministic for the same arguments."""
    story = Story(period, Draw(f"footfall {seed}", str(period.end)))
    simulations = [_Simulation(family, part, story) for family, part in zip(scenario.FAMILIES, _parts(events), strict=True)]
    ahead: list[tuple[int, int, Call]] = []  # calls that arrive after the day that generated them
    number = 0
    for place, day in enumerate(period.days()):
        for simulation in simulations:
            for call in simulation.day(place, day):
                heapq.heappush(ahead, (min(call.at, period.end), number, call))
                number += 1
        while ahead and (ahead[0][0] < day.end or day.end == period.end):
            at, _, call = heapq.heappop(ahead)
            yield call._replace(at=at)


def _parts(events: int) -> list[int]:
    return simulated_installs.budget(events, [family.share for family in scenario.FAMILIES])


class _Simulation:
    """The simulation of one family: its installs, and the number of events for each day."""

    def __init__(self, family: scenario.Family, events: int, story: Story) -> None:
        self._family = family
        self._story = story
        self._new = simulated_installs.settle(family, events, story.period, story.draw)
        self._there: list[Install] = []
        self._budget = simulated_installs.budget(
            events, simulated_installs.day_weights(story.period, story.draw, first=0.6, last=1.1, launch=1.25)
        )

    def day(self, place: int, day: Period) -> Iterator[Call]:
        """The calls of a day, unordered."""
        self._there += self._new[place]
        left = self._budget[place]
        crowd = simulated_installs.crowd(self._there, day, self._family.stay, self._story.draw)
        while left > 0:
            for call in self._visit(next(crowd), day, left):
                left -= call.events
                yield call

    def _visit(self, install: Install, day: Period, room: int) -> list[Call]:
        at = simulated_installs.when(self._early(day), install.zone, self._story.draw, install.kind)
        if not install.met:
            install.met, install.born = True, at
        calls = VISITS[self._family.name](install, at, room, self._story)
        install.total += len(calls)
        return calls

    def _early(self, day: Period) -> Period:
        """The day without the current quarter of an hour, whose visits have mostly not ended yet."""
        latest = self._story.period.end - 15 * MINUTE
        return day if day.end <= latest else Period(day.start, max(day.start + 1, latest))


def _waves(calls: Iterator[Call]) -> Iterator[list[Call]]:
    """Group calls that are sent together: close in time, and not too many."""
    wave: list[Call] = []
    for call in calls:
        if wave and (len(wave) >= AT_ONCE or call.at - wave[0].at > WITHIN):
            yield wave
            wave = []
        wave.append(call)
    if wave:
        yield wave


def _unlimited(settings: Settings) -> Settings:
    """The settings without live updates, and without limits, which would slow down a month that passes in seconds."""
    return dataclasses.replace(settings, rate_limit=None, event_limit=None, max_queue=max(settings.max_queue, 20_000), redis_url=None)


async def _prepare(settings: Settings, slug: str) -> _Before:
    """Create the project if needed, and check that it accepts the demo's events."""
    store = await open_store(settings)
    try:
        stored = await project_changes.stored_project(slug)
        if stored is None:
            project = await create_project(slug, name="Demo" if slug == "demo" else "")
            await Project.update({Project.dimensions: msgspec.json.encode(PICKED).decode()}).where(Project.id == project)
            named = dict.fromkeys(PICKED, epoch_ms())
            await picked_properties.rename(project, list(named), named[PICKED[0]])
            await picked_properties.note_counted(store, project, named, named[PICKED[0]])  # there are no events yet
            return _Before(project, True, {})
        if stored.archived_at is not None:
            raise ProjectError(f"the project {slug} is archived; choose another")
        if stored.requires_key or stored.lists_targets or stored.rate_limit or stored.event_limit:
            raise ProjectError(
                f"the project {slug} requires keys, restricts its targets or has its own limits; choose another for the demo"
            )
        return _Before(stored.id, False, await _ledger(store, stored.id))
    finally:
        await store.close()


async def _look(settings: Settings, project: int) -> dict[str, int]:
    store = await open_store(settings)
    try:
        return await _ledger(store, project)
    finally:
        await store.close()


async def _ledger(store: Store, project: int) -> dict[str, int]:
    rows = await store.rows("SELECT entry, SUM(events) AS events FROM ledger WHERE project_id = {} GROUP BY entry", project)
    return {row["entry"]: int(row["events"]) for row in rows}
