"""The job that keeps the history of a server current."""

from __future__ import annotations

from server.history import LAG, History
from server.jobs.calm import Calm
from server.jobs.run import Run


async def build_history(run: Run) -> str:
    """Read new events into segments, and merge these, when clients leave time for it.

    A run that an operator starts does not wait. It also reads the newest events, and checks every file completely.

    The summary is empty if there was nothing to do.
    """
    history = run.history or History(run.store, run.settings, now=run.now)
    try:
        if not history.is_enabled:
            await history.build()
            return "off: FOOTFALL_HISTORY=off" if run.by_hand else ""
        if run.by_hand:
            history.check_files()
            built = await history.build(run.progress, lag=0)
        else:
            built = await history.build(run.progress, lag=LAG, before_step=Calm().wait)
    finally:
        if run.history is None:
            history.close()
    if not built and not run.by_hand:
        return ""
    report = history.report()
    return (
        f"{built.events:,} events read, {built.merges:,} merges;"
        f" {report.segments:,} files with {report.rows:,} events, {report.bytes / 1e6:,.1f} MB"
    )
