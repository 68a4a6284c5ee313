"""Columns that keep whole events that were refused for their target, so that an admin can replay them within a week."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-21T06:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refused events that can be replayed"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    blob = "BLOB" if engine == "sqlite" else "BYTEA"
    return [f"ALTER TABLE rejected ADD COLUMN event {blob}", "ALTER TABLE rejected ADD COLUMN install_id BIGINT"]


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
