"""Removal of the unique key on ids of events on PostgreSQL, so that events can be distributed by install (Citus)."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-26T00:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "events that can be spread by install"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    if engine == "sqlite":
        return []
    # The server that receives an event gives it a unique id; lookups by id still need an index.
    return ["ALTER TABLE event DROP CONSTRAINT event_pkey", "CREATE INDEX event_id ON event (id)"]


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
