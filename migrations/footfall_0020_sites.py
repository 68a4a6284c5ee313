"""The sites of projects: domains and website ids whose events they accept without a key."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "sites of projects"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return ["ALTER TABLE project ADD COLUMN sites TEXT NOT NULL DEFAULT '[]'"]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
