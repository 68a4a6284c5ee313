"""On PostgreSQL the ids of events are no unique key any more: nothing that spans all events keeps them from being spread by their install."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-26T00:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "events that can be spread by install"


def statements(engine: str) -> list[str]:
    """The SQL of this migration for `sqlite` or `postgres`, to be run in one transaction."""
    if engine == "sqlite":
        return []
    # Ids are given once, by who takes the event; found by them they must be all the same.
    return ["ALTER TABLE event DROP CONSTRAINT event_pkey", "CREATE INDEX event_id ON event (id)"]


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
