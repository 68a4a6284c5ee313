"""The system to which a project forwards what it receives, and the counts by day."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T12:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "forwarding"

_COUNTS = ("events", "stored", "accepted", "refused", "failed", "dropped")


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    counts = ", ".join(f"{name} BIGINT NOT NULL" for name in _COUNTS)
    return [
        "ALTER TABLE project ADD COLUMN forward_to TEXT",
        f"CREATE TABLE forwarded_day (project_id INTEGER NOT NULL, day INTEGER NOT NULL, {counts}, error TEXT, PRIMARY KEY (project_id, day))",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
