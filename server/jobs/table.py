"""The table of all jobs: name, function, period, offset and description."""

from __future__ import annotations

from server.event import DAY, HOUR, MINUTE
from server.jobs.alert_job import alerts
from server.jobs.backup_job import backup
from server.jobs.history_job import build_history
from server.jobs.property_job import count_properties
from server.jobs.retention_job import expire, retention
from server.jobs.rollup_jobs import check_rollups, fold_values, trending
from server.jobs.run import Job

JOBS = (
    Job("trending", trending, 10 * MINUTE, 2 * MINUTE, "computes which targets are trending"),
    Job("alerts", alerts, 5 * MINUTE, 1 * MINUTE, "evaluates alert rules and delivers their alerts"),
    Job("fold_values", fold_values, HOUR, 7 * MINUTE, "keeps, for each dimension and day, the 1,000 values with the most installs, and counts the rest as (other)"),
    Job("count_properties", count_properties, 5 * MINUTE, 4 * MINUTE, "counts stored events by properties that were named after they arrived"),
    Job("expire", expire, DAY, 2 * HOUR + 40 * MINUTE, "deletes expired marks of ids and views, and expired sessions"),
    Job("retention", retention, DAY, 3 * HOUR, "deletes raw events past their retention period and frees the space"),
    Job("check_rollups", check_rollups, DAY, 3 * HOUR + 40 * MINUTE, "recounts the last days and compares them with the rollups; if started by hand, all days"),
    Job("backup", backup, DAY, 4 * HOUR + 10 * MINUTE, "backs up the store and its secret into the data folder, and keeps the last seven backups"),
    Job("build_history", build_history, 2 * MINUTE, MINUTE, "reads new events into the history, on each server", each_server=True),
)  # fmt: skip


def find(name: str) -> Job | None:
    """Find a job by name. Hyphens and underscores are equivalent."""
    return next((job for job in JOBS if job.name == name.replace("-", "_")), None)
