"""SQL made from the rollups' data: upserts that add up, for both engines."""

from __future__ import annotations

from server.storage.rollups import DIMENSIONS, Rollup

_INSTALL_FIELDS = tuple(dimension.name for dimension in DIMENSIONS)
INSTALL_COLUMNS = ("id", "project_id", "first_seen", "last_seen", "environment", "reason", *_INSTALL_FIELDS)
EVENT_COLUMNS = (
    "id", "project_id", "install_id", "name_id", "context_id", "target_id", "occurred_at", "outcome", "duration_us", "session", "skewed",
    "error_type", "error_message", "properties",
)  # fmt: skip
ACTIVITY_COLUMNS = ("project_id", "day", "install_id", "environment", "version")
MARK_COLUMNS = ("project_id", "key", "expires_at")
REJECTED_COLUMNS = ("id", "project_id", "route", "dialect", "reason", "errors", "excerpt", "size")
CONTEXT_COLUMNS = ("environment", "reason", "dialect", *_INSTALL_FIELDS)


def on_conflict_add(rollup: Rollup) -> str:
    """The end of an INSERT that adds to what is there."""
    sums = ", ".join(f"{measure} = {rollup.table}.{measure} + excluded.{measure}" for measure in rollup.measures)
    return f"ON CONFLICT ({', '.join(rollup.key)}) DO UPDATE SET {sums}"


def on_conflict_seen() -> str:
    """The end of an INSERT of installs: times only widen, fields follow the newest event that has them."""
    newer = "excluded.last_seen >= install.last_seen"
    fields = ", ".join(
        f"{name} = CASE WHEN {newer} THEN COALESCE(excluded.{name}, install.{name}) ELSE COALESCE(install.{name}, excluded.{name}) END"
        for name in _INSTALL_FIELDS
    )
    known = f"excluded.environment <> 0 AND ({newer} OR install.environment = 0)"
    return f"""ON CONFLICT (id) DO UPDATE SET {fields},
        environment = CASE WHEN {known} THEN excluded.environment ELSE install.environment END,
        reason = CASE WHEN {known} THEN excluded.reason ELSE install.reason END,
        first_seen = CASE WHEN excluded.first_seen < install.first_seen THEN excluded.first_seen ELSE install.first_seen END,
        last_seen = CASE WHEN {newer} THEN excluded.last_seen ELSE install.last_seen END"""


ON_ACTIVITY = """ON CONFLICT (project_id, day, install_id, environment) DO UPDATE SET version = excluded.version
    WHERE excluded.version IS NOT NULL AND activity.version IS DISTINCT FROM excluded.version"""


def on_conflict_mark(lifetime_ms: int) -> str:
    """The end of an INSERT of marks that returns those which were not there, or had expired."""
    return f"""ON CONFLICT (project_id, key) DO UPDATE SET expires_at = excluded.expires_at
        WHERE mark.expires_at <= excluded.expires_at - {lifetime_ms} RETURNING project_id, key"""
