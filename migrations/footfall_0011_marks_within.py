"""A note of the time until which marks of the old kind exist: event ids are now unique per install, no longer per project."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-29T03:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "ids of events within their install"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        """INSERT INTO note (name, value) SELECT 'marks_by_project_until', max(expires_at) FROM mark HAVING count(*) > 0
            ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
    ]


async def forwards() -> MigrationManager:
    """Return the migration for Piccolo's own command. The server itself runs `statements` and the record of it in one transaction."""
    manager = MigrationManager(migration_id=ID, app_name="footfall", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        for statement in statements(engine.engine_type):
            await engine.run_querystring(QueryString(statement))

    manager.add_raw(run)
    return manager
