"""Counts of failures without an error type, under the type with an empty text."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T03:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "failures without an error type"

_DAY = 86_400_000
# Existing events only: failures with events that retention has deleted stay uncounted.
_UNTYPED = f"""WITH untyped AS (
    SELECT event.project_id, occurred_at, occurred_at / {_DAY} AS day, error_type.id AS error_id, name_id, COALESCE(version, '') AS version,
        install_id, environment
    FROM event JOIN context ON context.id = event.context_id
    JOIN error_type ON error_type.project_id = event.project_id AND error_type.text = ''
    WHERE outcome = 2 AND event.error_type IS NULL)"""


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        """INSERT INTO error_type (project_id, text) SELECT DISTINCT project_id, '' FROM event WHERE outcome = 2 AND error_type IS NULL
            ON CONFLICT DO NOTHING""",
        f"""INSERT INTO rollup_error (project_id, day, error_id, name_id, version, environment, events) {_UNTYPED}
            SELECT project_id, day, error_id, name_id, version, environment, COUNT(*) FROM untyped GROUP BY 1, 2, 3, 4, 5, 6
            ON CONFLICT (project_id, day, error_id, name_id, version, environment) DO UPDATE SET events = rollup_error.events + excluded.events""",
        f"""INSERT INTO error_install (project_id, day, error_id, name_id, version, install_id, environment) {_UNTYPED}
            SELECT DISTINCT project_id, day, error_id, name_id, version, install_id, environment FROM untyped WHERE install_id IS NOT NULL
            ON CONFLICT DO NOTHING""",
        f"""INSERT INTO error_seen (project_id, error_id, environment, first_seen, last_seen) {_UNTYPED}
            SELECT project_id, error_id, environment, MIN(occurred_at), MAX(occurred_at) FROM untyped GROUP BY 1, 2, 3
            ON CONFLICT DO NOTHING""",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
