"""Notes of partial days: events with an implausible clock no longer count for their installs, so recounts skip days on which they did."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T03:50:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "late events apart"

_DAY = 86_400_000


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        f"""INSERT INTO partial_day (project_id, day) SELECT DISTINCT project_id, occurred_at / {_DAY} FROM event
            WHERE skewed = 1 AND install_id IS NOT NULL ON CONFLICT DO NOTHING""",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
