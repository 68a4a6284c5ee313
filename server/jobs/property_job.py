"""The job that counts stored events by properties that projects named after the events arrived."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from server.event import DAY, MINUTE
from server.jobs.pace import Pace
from server.jobs.run import Run
from server.storage.changes import Change
from server.storage.projects import picked_properties
from server.storage.upkeep import recount
from server.storage.upkeep.recount import Complete, Difference, Recount

SETTLED = 5 * MINUTE  # after which all servers know of a name, and have committed the events that they took without it


async def count_properties(run: Run) -> str:
    """Count the past events by each property that was named after they arrived.

    The events and the sums are read at one moment, and only their difference is added: commits continue meanwhile, and an interrupted run is simply
    repeated.
    """
    await picked_properties.sync(run.now())
    waiting = await picked_properties.waiting(run.store, run.now() - SETTLED)
    events = 0
    for project, named in waiting.items():
        events += await _count(run, project, tuple(named), events)
        await picked_properties.note_counted(run.store, project, named, run.now())
    later = await picked_properties.waiting(run.store, run.now())
    properties = sum(map(len, waiting.values()))
    return f"{properties} properties counted in {events:,} events; {sum(map(len, later.values()))} named within the last minutes"


async def _count(run: Run, project: int, names: tuple[str, ...], before: int) -> int:
    pace, end = Pace(run.store, first=20), run.now() // DAY + 2  # client clocks may be ahead
    async with run.store.snapshot() as snapshot:
        again = Recount(snapshot, {project: names})
        try:
            complete = (await recount.complete_days(snapshot))[project]
            number = await again.count(0, end, project=project, progress=lambda counted: run.progress(before + counted))
            for day in await again.days_kept(project, 0, end):
                found = _to_add(await again.property_differences(project, day), day, complete)
                await pace.over(found, partial(_add, run))
        finally:
            again.close()
    return number


def _to_add(found: list[Difference], day: int, complete: Complete) -> list[Difference]:
    """The differences to repair. For days of which not all events are stored, only those that increase a sum."""
    if day >= complete.first_day and day not in complete.partial:
        return found
    return [raised for difference in found if (raised := recount.only_raised(difference)) is not None]


async def _add(run: Run, few: Sequence[Difference]) -> Change:
    return await run.store.change(*(each for one in few for each in recount.repairs(one)), exclusive=True)
