"""The nightly backup."""

from __future__ import annotations

from collections.abc import Callable

from server.jobs.run import JobError, Run
from server.storage.sqlite import backups
from server.storage.sqlite.backups import BackupError, BackupOptions
from server.tasks import in_thread


async def backup(run: Run) -> str:
    """Back up the store into the data folder, verify the copy, and delete the oldest backups."""
    if not run.store.sql.is_file:
        return "skipped: back up PostgreSQL with its own tools, such as pg_dump"

    def work(stopped: Callable[[], bool]) -> backups.Backup:
        backups.make_room(run.settings)
        return backups.create(run.settings, kind="auto", options=BackupOptions(gentle=True, stopped=stopped))

    try:
        made = await in_thread(work)  # on cancellation the thread stops within milliseconds and removes its files
    except BackupError as error:
        raise JobError(str(error)) from error
    forgotten = backups.delete_oldest(run.settings, backups.KEPT)
    secret = "with its secret" if made.secret else "without its secret, which is in FOOTFALL_SECRET"
    return f"{made.path.name}, {made.events:,} events, {secret}; {forgotten:,} old backups deleted"
