"""Every job, once: its name, what it does, how often and when, and why."""

from __future__ import annotations

from server.event import DAY, HOUR, MINUTE
from server.jobs.alert_job import alerts
from server.jobs.backup_job import backup
from server.jobs.retention import expire, retention
from server.jobs.rollup_jobs import check_rollups, fold_values, trending
from server.jobs.run import Job

JOBS = (
    Job("trending", trending, 10 * MINUTE, 2 * MINUTE, "works out which targets are trending"),
    Job("alerts", alerts, 5 * MINUTE, 1 * MINUTE, "looks whether a rule wants somebody told, and tells them"),
    Job("fold_values", fold_values, HOUR, 7 * MINUTE, "keeps the 1,000 most common values of a day's dimension and versions of its errors, counts the rest as (other)"),
    Job("expire", expire, DAY, 2 * HOUR + 40 * MINUTE, "deletes marks of ids and views that have had their time"),
    Job("retention", retention, DAY, 3 * HOUR, "deletes raw events that were kept long enough, and gives the space back"),
    Job("check_rollups", check_rollups, DAY, 3 * HOUR + 40 * MINUTE, "counts the last days again and compares; all days by hand"),
    Job("backup", backup, DAY, 4 * HOUR + 10 * MINUTE, "copies the store and its secret into the data folder, and keeps the last seven"),
)  # fmt: skip


def find(name: str) -> Job | None:
    """The job of a name; a hyphen does for an underscore."""
    return next((job for job in JOBS if job.name == name.replace("-", "_")), None)
