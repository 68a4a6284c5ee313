"""SQL derived from the rollups: upserts and expressions for both engines."""

from __future__ import annotations

from functools import cache

from server.event import Context
from server.storage.rollups import INSTALL_FIELDS, MAX_SUM, Rollup

INSTALL_COLUMNS = ("id", "project_id", "first_seen", "last_seen", "environment", "reason", *INSTALL_FIELDS)
EVENT_COLUMNS = (
    "id", "project_id", "install_id", "name_id", "context_id", "target_id", "occurred_at", "outcome", "duration_us", "session", "skewed",
    "error_type", "error_message", "properties", "weight",
)  # fmt: skip
ACTIVITY_COLUMNS = ("project_id", "day", "install_id", "environment", "version", "earlier")
MARK_COLUMNS = ("project_id", "key", "expires_at")
REJECTED_COLUMNS = ("id", "project_id", "route", "dialect", "reason", "errors", "excerpt", "size", "event", "install_id")
CONTEXT_COLUMNS = Context.__struct_fields__
ERROR_INSTALL_COLUMNS = ("project_id", "day", "error_id", "name_id", "version", "install_id", "environment")
ERROR_SEEN_COLUMNS = ("project_id", "error_id", "environment", "first_seen", "last_seen")


@cache
def on_conflict_add(rollup: Rollup) -> str:
    """Return the end of an INSERT that adds its measures to those of existing rows, up to MAX_SUM."""
    sums = ", ".join(f"{measure} = {_added(rollup, measure)}" for measure in rollup.measures)
    return f"ON CONFLICT ({', '.join(rollup.key)}) DO UPDATE SET {sums}"


def _added(rollup: Rollup, measure: str) -> str:
    added, most = f"{rollup.table}.{measure} + excluded.{measure}", MAX_SUM.get(measure)
    return added if most is None else f"CASE WHEN {added} < {most} THEN {added} ELSE {most} END"


@cache
def on_conflict_seen() -> str:
    """Return the end of an INSERT of installs. It extends the time seen, and takes each field from the newest event that has it."""
    newer = "excluded.last_seen >= install.last_seen"
    fields = ", ".join(
        f"{name} = CASE WHEN {newer} THEN COALESCE(excluded.{name}, install.{name}) ELSE COALESCE(install.{name}, excluded.{name}) END"
        for name in INSTALL_FIELDS
    )
    known = f"excluded.environment <> 0 AND ({newer} OR install.environment = 0)"
    return f"""ON CONFLICT (id) DO UPDATE SET {fields},
        environment = CASE WHEN {known} THEN excluded.environment ELSE install.environment END,
        reason = CASE WHEN {known} THEN excluded.reason ELSE install.reason END,
        first_seen = CASE WHEN excluded.first_seen < install.first_seen THEN excluded.first_seen ELSE install.first_seen END,
        last_seen = CASE WHEN {newer} THEN excluded.last_seen ELSE install.last_seen END"""


ON_ACTIVITY = """ON CONFLICT (project_id, day, install_id, environment) DO UPDATE SET version = excluded.version
    WHERE excluded.version IS NOT NULL AND activity.version IS DISTINCT FROM excluded.version"""


ON_ERROR_INSTALL = "ON CONFLICT DO NOTHING"
ON_ERROR_SEEN = """ON CONFLICT (project_id, error_id, environment) DO UPDATE SET
    first_seen = CASE WHEN excluded.first_seen < error_seen.first_seen THEN excluded.first_seen ELSE error_seen.first_seen END,
    last_seen = CASE WHEN excluded.last_seen > error_seen.last_seen THEN excluded.last_seen ELSE error_seen.last_seen END"""


@cache
def on_conflict_mark(lifetime_ms: int) -> str:
    """Return the end of an INSERT of marks that returns only marks that are new or had expired."""
    return f"""ON CONFLICT (project_id, key) DO UPDATE SET expires_at = excluded.expires_at
        WHERE mark.expires_at <= excluded.expires_at - {lifetime_ms} RETURNING project_id, key"""


# Processes that commit cache the dictionaries. A transaction that deletes dictionary rows also increments their version. With it, a commit
# reads below which id events may be part of a history; see `server.storage.changed_days`.
COMMIT_NOTES = """SELECT COALESCE((SELECT value FROM note WHERE name = 'words_changed'), 0),
    COALESCE((SELECT value FROM note WHERE name = 'history_sealed'), 0)"""
BUMP_DICTIONARY_VERSION = (
    "INSERT INTO note (name, value) VALUES ('words_changed', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1"
)


def duration_bucket(column: str, divide: str = "/") -> str:
    """Return an SQL expression for `rollups.duration_bucket` of a column with microseconds. `divide` is the operator that divides integers."""
    steps = " ".join(
        f"WHEN {column} < {64 << exponent} THEN {32 * exponent} + {column} {divide} {1 << exponent}" for exponent in range(1, 57)
    )
    return f"(CASE WHEN {column} < 64 THEN {column} {steps} END)"


# Run where sums change without events, or events without sums: the recount then skips the day.
NOTE_PARTIAL_DAY = "INSERT INTO partial_day (project_id, day) VALUES ({}, {}) ON CONFLICT DO NOTHING"
