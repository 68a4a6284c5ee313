"""Columns that keep whole events that were refused for their target, so that an admin can replay them within a week."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-21T06:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refused events that can be replayed"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    blob = "BLOB" if engine == "sqlite" else "BYTEA"
    return [f"ALTER TABLE rejected ADD COLUMN event {blob}", "ALTER TABLE rejected ADD COLUMN install_id BIGINT"]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
