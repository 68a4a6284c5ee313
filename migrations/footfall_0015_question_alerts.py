"""The saved question of an alert rule."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T09:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "alerts on saved questions"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return ["ALTER TABLE alert_rule ADD COLUMN question_id INTEGER"]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
