"""The table of properties that projects count by value. A job counts the stored events of each one."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-29T12:05:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "properties counted by value"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return [
        """CREATE TABLE picked_property (
            project_id INTEGER NOT NULL, name TEXT NOT NULL, named_at BIGINT NOT NULL, counted_at BIGINT, PRIMARY KEY (project_id, name))"""
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
