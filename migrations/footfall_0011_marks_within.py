"""A note of the time until which marks of the old kind exist: event ids are now unique per install, no longer per project."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T03:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "ids of events within their install"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        """INSERT INTO note (name, value) SELECT 'marks_by_project_until', max(expires_at) FROM mark HAVING count(*) > 0
            ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
