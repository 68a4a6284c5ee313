"""Retention: deletes raw events once they are old enough. Rollups keep their counts."""

from __future__ import annotations

from server.event import DAY
from server.event_id import first_id
from server.jobs.pace import Pace
from server.jobs.run import Run
from server.storage.commit import REJECTED_LIFETIME
from server.storage.engine import Store
from server.storage.postgres import partitions
from server.storage.projects import audit, sessions
from server.storage.upkeep import maintenance, unused_contexts
from server.storage.upkeep.maintenance import MARKS, REFUSALS, REFUSALS_DAYS, REJECTED, ExpiringTable, Window

WHOLE_EVERY = 7 * DAY  # how often all events are examined, including imported ones that arrived late
SPARE = 0.05  # the share of the file that stays free: space that tomorrow's events need again is not returned
LEAST_SPARE = 256  # pages
_LOOK = 5_000


async def retention(run: Run) -> str:
    """Delete expired events, rejections and contexts, then return the free space to the disk."""
    store, now, pace = run.store, run.now(), Pace(run.store)
    await partitions.create_ahead(store, now)
    whole = run.by_hand or await maintenance.whole_pass_at(store) + WHOLE_EVERY <= now
    if whole:
        await partitions.split_default(store)
    # Before the first delete: if the job is interrupted, no recount takes the remaining events for all events.
    await maintenance.note_deleting(store, now, run.settings.retention_days)
    # Partitions of months that no project keeps are dropped; the rest is deleted row by row.
    events = await partitions.drop_before(store, await maintenance.expired_below(store, now, run.settings.retention_days))
    for window in await maintenance.windows(store, now, run.settings.retention_days, whole=whole):
        events += await _delete_events(store, window, pace)
        await maintenance.note_retained(store, window)
    others = await delete_aged(store, REJECTED, first_id(now - REJECTED_LIFETIME), pace)
    others += await delete_aged(store, REFUSALS, now // DAY - REFUSALS_DAYS, pace)
    unused = await delete_unused_contexts(store, pace) if whole else 0
    if whole:
        await maintenance.note_whole_pass(store, now)
    pages = await give_back(store, pace)
    return (
        f"{events:,} events, {others:,} rejected events and {unused:,} contexts deleted, {pages:,} pages freed;"
        f" the writer was held for {pace.longest * 1000:.0f} ms at most"
    )


async def expire(run: Run) -> str:
    """Delete expired marks, sessions and audit entries. They no longer have an effect and only use space."""
    pace = Pace(run.store)
    marks = await delete_aged(run.store, MARKS, run.now(), pace)
    ended = await sessions.delete_expired(run.store, run.now())
    await audit.delete_expired(run.store, run.now())
    return f"{marks:,} marks and {ended:,} sessions deleted; the writer was held for {pace.longest * 1000:.0f} ms at most"


async def _delete_events(store: Store, window: Window, pace: Pace) -> int:
    deleted, after = 0, window.first - 1
    while (last := await maintenance.next_stretch(store, after, window.end)) is not None:
        ids = await maintenance.events_between(store, after, last, window.projects)
        deleted += await pace.over(ids, lambda few: maintenance.delete_events(store, few))
        after = last
    return deleted


async def delete_aged(store: Store, aged: ExpiringTable, limit: int, pace: Pace) -> int:
    """Delete the expired rows of a table. Returns how many."""
    deleted, after = 0, None
    while keys := await maintenance.expired_keys(store, aged, limit, after, _LOOK):
        deleted += await pace.over(keys, lambda few: maintenance.delete_expired(store, aged, limit, few))
        after = keys[-1]
    return deleted


async def delete_unused_contexts(store: Store, pace: Pace) -> int:
    """Delete contexts that two runs in a row found without events. Returns how many. See `server.storage.upkeep.unused_contexts`."""
    newest = await unused_contexts.newest_context(store)
    listed, used = unused_contexts.Numbers(newest), unused_contexts.Numbers(newest)
    after = 0
    while numbers := await unused_contexts.candidates_after(store, after, _LOOK):
        for number in numbers:
            listed.add(number)
        after = numbers[-1]
    after = -1
    while (last := await maintenance.next_stretch(store, after, maintenance.NO_END)) is not None:
        for number in await unused_contexts.contexts_between(store, after, last):
            used.add(number)
        after = last
    return await _sort_out(store, listed, used, pace)


async def _sort_out(store: Store, listed: unused_contexts.Numbers, used: unused_contexts.Numbers, pace: Pace) -> int:
    deleted = after = 0
    while numbers := await unused_contexts.contexts_after(store, after, used.most, _LOOK):
        unused = [number for number in numbers if number not in used]
        deleted += await pace.over([number for number in unused if number in listed], lambda few: unused_contexts.delete_unused(store, few))
        await pace.over([number for number in unused if number not in listed], lambda few: unused_contexts.add_candidates(store, few))
        await pace.over(
            [number for number in numbers if number in used and number in listed], lambda few: unused_contexts.remove_candidates(store, few)
        )
        after = numbers[-1]
    return deleted


async def give_back(store: Store, pace: Pace) -> int:
    """Return free pages to the disk, except for a reserve. Returns how many."""
    released, steps, space = 0, Pace(store, first=20, most=1_000), await store.space()
    while space.free > (spare := max(LEAST_SPARE, int(space.pages * SPARE))):
        await steps.took(await store.release_pages(min(steps.size, space.free - spare)))
        before, space = space, await store.space()
        if space.pages >= before.pages:
            break  # the file was created without incremental vacuum, or it grows as fast
        released += before.pages - space.pages
    pace.longest = max(pace.longest, steps.longest)
    return released
