"""The job that keeps the history of a server current."""

from __future__ import annotations

from server.history import LAG, History
from server.jobs.run import Run


async def build_history(run: Run) -> str:
    """Read new events into segments, and merge these. By hand, also read the newest events, and check every file as a whole.

    The summary is empty if there was nothing to do.
    """
    history = run.history or History(run.store, run.settings, now=run.now)
    try:
        if not history.is_enabled:
            await history.build()
            return "off: FOOTFALL_HISTORY=off" if run.by_hand else ""
        if run.by_hand:
            history.check_files()
        built = await history.build(run.progress, lag=0 if run.by_hand else LAG)
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
