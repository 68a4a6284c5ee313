"""Jobs that maintain rollups: fold rare values, recount, refresh what is trending."""

from __future__ import annotations

from collections import Counter
from functools import partial

from server import logs
from server.event import DAY, MINUTE
from server.event_id import first_id
from server.jobs import value_ranking
from server.jobs.pace import Pace
from server.jobs.run import Run
from server.storage.engine import Store
from server.storage.projects import picked_properties
from server.storage.upkeep import activity_recount, common_values, common_versions, maintenance, recount
from server.storage.upkeep.recount import Complete, Difference, Recount
from server.storage.upkeep.trending import refresh_trending

log = logs.get(__name__)

NIGHTLY_DAYS = 2  # the days before today that the nightly check recounts
NIGHTLY_ACTIVITY = (
    1_000_000  # rows of activity that the nightly check recounts in about half a minute; larger stores are recounted on Sundays
)
STILL_COMING = 5 * MINUTE  # how long an event may take from receiving its id to its commit
SUNDAY = 3  # the first day of 1970 was a Thursday
_SHOWN = 3


async def trending(run: Run) -> str:
    """Recompute which targets are trending."""
    return f"{await refresh_trending(run.store, run.now()):,} targets are trending"


async def fold_values(run: Run) -> str:
    """Fold all but the most common values of a dimension (see `value_ranking`) into `(other)`, including versions of active installs and errors.

    Processes each day that was touched since the last run.
    """
    store, pace = run.store, Pace(run.store)
    # Events in flight may have lower ids than stored ones, so the next run looks at these days again.
    looked_at = first_id(run.now() - STILL_COMING)
    values = 0
    for project, day in sorted(await _days_touched(store, 0 if run.by_hand else await common_values.looked_at(store))):
        values += await _fold_day(run, project, day, pace)
    await common_values.note_looked_at(store, looked_at)
    return f"{values:,} values folded; the writer was busy for {pace.longest * 1000:.0f} ms at most"


async def _days_touched(store: Store, after: int) -> set[tuple[int, int]]:
    touched = set[tuple[int, int]]()
    while (last := await maintenance.next_stretch(store, after, maintenance.NO_END)) is not None:
        touched |= await common_values.days_touched(store, after, last)
        after = last
    return touched


async def _fold_day(run: Run, project: int, day: int, pace: Pace) -> int:
    folded, store = 0, run.store
    for dimension in await common_values.crowded(store, project, day):
        common = await value_ranking.common(store, project, day, dimension, run.history)
        for name, values in (await common_values.rare(store, project, day, dimension, common)).items():
            await pace.over(values, partial(common_values.fold, store, project, day, name, dimension))
            folded += len(values)
    await pace.over(await common_versions.rare_runs(store, project, day), partial(common_versions.fold_runs, store, project, day))
    await pace.over(await common_versions.rare_errors(store, project, day), partial(common_versions.fold_errors, store, project, day))
    return folded


async def check_rollups(run: Run) -> str:
    """Recount stored events and compare: the last days at night, all days by hand. Changes rows only if `repair` is set.

    Active installs are always counted from all their days. At night this happens only for small stores, or on Sundays.
    """
    today = run.now() // DAY
    if run.day is not None:
        first, end = run.day, run.day + 1
    else:
        first, end = (0 if run.by_hand else today - NIGHTLY_DAYS), today + 2  # client clocks may be ahead
    checked = Checked()
    async with run.store.snapshot() as snapshot:
        again = Recount(snapshot, await picked_properties.counted_by_project(snapshot))
        try:
            complete = await recount.complete_days(snapshot)
            await again.count(max(first, min((each.first_day for each in complete.values()), default=0)), end, progress=run.progress)
            for project, days in complete.items():
                await _check_project(run, again, checked, project, days, range(max(first, days.first_day), end))
                if run.by_hand or today % 7 == SUNDAY or await activity_recount.at_most(snapshot, project, NIGHTLY_ACTIVITY):
                    await _check_activity(run, checked, project, await activity_recount.differences(snapshot, project))
        finally:
            again.close()
    if run.metrics is not None:
        run.metrics.rollup_differences = 0 if run.repair else checked.differences.total()
    return checked.summary(repaired=run.repair)


class Checked:
    """The findings of a check so far."""

    def __init__(self) -> None:
        self.days = 0
        self.differences: Counter[str] = Counter()

    def summary(self, *, repaired: bool) -> str:
        checked = f"{self.days:,} project days recounted"
        if not self.differences:
            return f"{checked}: all agree"
        tables = ", ".join(f"{count:,} in {table}" for table, count in sorted(self.differences.items()))
        return f"{checked}: {self.differences.total():,} rows differ{' and were repaired' if repaired else ''} ({tables})"


async def _check_project(run: Run, again: Recount, checked: Checked, project: int, complete: Complete, days: range) -> None:
    for day in await again.days_kept(project, days.start, days.stop):
        if day not in complete.partial:
            checked.days += 1
            await _settle(run, checked, project, await again.day_differences(project, day))
    if complete.totals and days.start == 0:
        await _settle(run, checked, project, await again.total_differences(project))


async def _check_activity(run: Run, checked: Checked, project: int, found: dict[str, int]) -> None:
    """Check the counts of active installs. They are repaired together, because each follows from the days before it."""
    if found:
        log.warning("active_installs_differ", project=project, **found)
        checked.differences.update(found)
    if run.repair and (found or checked.differences[recount.ACTIVITY.table]):
        await run.store.change(*activity_recount.rebuild_statements(project), exclusive=True)
        log.warning("active_installs_recounted", project=project)


async def _settle(run: Run, checked: Checked, project: int, found: list[Difference]) -> None:
    """Log the differences, and repair them if requested."""
    if not found:
        return
    for difference in found[:_SHOWN]:
        # A key may contain client values, such as versions: the log gets only its integers.
        key = [part for part in difference.key if isinstance(part, int)]
        log.warning("rollup_differs", table=difference.rollup.table, key=key, stored=difference.stored, counted=difference.counted)
    checked.differences.update(difference.rollup.table for difference in found)
    if run.repair:
        pace = Pace(run.store, first=20)
        await pace.over(found, lambda few: run.store.change(*(each for one in few for each in recount.repairs(one)), exclusive=True))
        log.warning("rollups_repaired", project=project, rows=len(found))
