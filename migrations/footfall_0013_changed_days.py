"""The table of days of arrival whose stored events changed after the day was read into a history."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T08:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "days whose events changed"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return ["CREATE TABLE changed_day (day INTEGER PRIMARY KEY, number BIGINT NOT NULL)"]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
