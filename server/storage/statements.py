"""SQL made from the rollups' data: upserts that add up, for both engines."""

from __future__ import annotations

import re
from functools import cache

from server.storage.rollups import DIMENSIONS, INSTALL_FIELDS, Rollup

INSTALL_COLUMNS = ("id", "project_id", "first_seen", "last_seen", "environment", "reason", *INSTALL_FIELDS)
EVENT_COLUMNS = (
    "id", "project_id", "install_id", "name_id", "context_id", "target_id", "occurred_at", "outcome", "duration_us", "session", "skewed",
    "error_type", "error_message", "properties",
)  # fmt: skip
ACTIVITY_COLUMNS = ("project_id", "day", "install_id", "environment", "version", "earlier")
MARK_COLUMNS = ("project_id", "key", "expires_at")
REJECTED_COLUMNS = ("id", "project_id", "route", "dialect", "reason", "errors", "excerpt", "size", "event", "install_id")
CONTEXT_COLUMNS = ("environment", "reason", "dialect", *(dimension.name for dimension in DIMENSIONS))
ERROR_INSTALL_COLUMNS = ("project_id", "day", "error_id", "name_id", "version", "install_id", "environment")
ERROR_SEEN_COLUMNS = ("project_id", "error_id", "environment", "first_seen", "last_seen")


@cache
def on_conflict_add(rollup: Rollup) -> str:
    """The end of an INSERT that adds to what is there."""
    sums = ", ".join(f"{measure} = {rollup.table}.{measure} + excluded.{measure}" for measure in rollup.measures)
    return f"ON CONFLICT ({', '.join(rollup.key)}) DO UPDATE SET {sums}"


@cache
def on_conflict_seen() -> str:
    """The end of an INSERT of installs: times only widen, fields follow the newest event that has them."""
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
    """The end of an INSERT of marks that returns those which were not there, or had expired."""
    return f"""ON CONFLICT (project_id, key) DO UPDATE SET expires_at = excluded.expires_at
        WHERE mark.expires_at <= excluded.expires_at - {lifetime_ms} RETURNING project_id, key"""


# Words that events share are kept in memory by each process that commits. Whoever takes words away says so in the same transaction.
DICTIONARY_VERSION = "SELECT value FROM note WHERE name = 'words_changed'"
BUMP_DICTIONARY_VERSION = (
    "INSERT INTO note (name, value) VALUES ('words_changed', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1"
)


def duration_bucket(column: str) -> str:
    """`rollups.duration_bucket` of a column, in whole numbers as there: the bucket of a duration in microseconds."""
    steps = " ".join(f"WHEN {column} < {64 << exponent} THEN {32 * exponent} + {column} / {1 << exponent}" for exponent in range(1, 57))
    return f"(CASE WHEN {column} < 64 THEN {column} {steps} END)"


_PROPERTY = re.compile(r"[^\"\\\x00-\x1f]{1,100}")


def property_json(engine_type: str, properties: str, name: str) -> tuple[str, str]:
    """An expression for a property's value as JSON text, NULL where there is none, and the argument that it wants.

    `properties` is the column. ValueError for a name that cannot be looked up.
    """
    if not _PROPERTY.fullmatch(name):
        raise ValueError("no property can be looked up by this name")
    if engine_type == "sqlite":
        return f"({properties} -> {{}})", f'$."{name}"'
    return f"CAST(CAST({properties} AS json) -> CAST({{}} AS text) AS text)", name


def in_a_row(engine_type: str, *columns: str) -> str:
    """An aggregate: the whole numbers of all rows in one text, row after row, with commas between them."""
    if engine_type == "sqlite":
        return f"group_concat({_BETWEEN.join(columns)})"
    return f"string_agg({_BETWEEN.join(f'CAST({column} AS text)' for column in columns)}, ',')"


_BETWEEN = " || ',' || "


# For whoever changes sums without events, or events without sums: the recount then knows that they cannot agree.
NOTE_PARTIAL_DAY = "INSERT INTO partial_day (project_id, day) VALUES ({}, {}) ON CONFLICT DO NOTHING"
