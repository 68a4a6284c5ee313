"""The nightly backup."""

from __future__ import annotations

from collections.abc import Callable

from server.jobs.run import JobError, Run
from server.storage.sqlite import backups
from server.storage.sqlite.backups import BackupError, BackupOptions
from server.tasks import in_thread


async def backup(run: Run) -> str:
    """Copy the store into the data folder, check the copy, and keep the last few."""
    if run.store.engine_type != "sqlite":
        return "PostgreSQL is backed up by its own means, such as pg_dump"

    def work(stopped: Callable[[], bool]) -> backups.Backup:
        backups.make_room(run.settings)
        return backups.create(run.settings, kind="auto", options=BackupOptions(gentle=True, stopped=stopped))

    try:
        made = await in_thread(work)  # the thread sees it within milliseconds, and leaves nothing behind
    except BackupError as error:
        raise JobError(str(error)) from error
    forgotten = backups.delete_oldest(run.settings, backups.KEPT)
    kept = "its secret beside it" if made.secret else "its secret is in FOOTFALL_SECRET"
    return f"{made.path.name}, {made.events:,} events, {kept}; {forgotten:,} older ones deleted"
