"""Events that were refused for their target are kept for a week as they would have been stored, so that they can be taken after all."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-21T06:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refused events that can be replayed"


def statements(engine: str) -> list[str]:
    """The SQL of this migration for `sqlite` or `postgres`, to be run in one transaction."""
    blob = "BLOB" if engine == "sqlite" else "BYTEA"
    return [f"ALTER TABLE rejected ADD COLUMN event {blob}", "ALTER TABLE rejected ADD COLUMN install_id BIGINT"]


async def forwards() -> MigrationManager:
    """For Piccolo's own command; the server runs `statements` itself, in one transaction with the record that they ran."""
    manager = MigrationManager(migration_id=ID, app_name="footfall", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        for statement in statements(engine.engine_type):
            await engine.run_querystring(QueryString(statement))

    manager.add_raw(run)
    return manager
