"""The table of properties that projects count by value. A job counts the stored events of each one."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T12:05:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "properties counted by value"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        """CREATE TABLE picked_property (
            project_id INTEGER NOT NULL, name TEXT NOT NULL, named_at BIGINT NOT NULL, counted_at BIGINT, PRIMARY KEY (project_id, name))"""
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
