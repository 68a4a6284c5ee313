"""SQLite: events have no index by install any more.

An install's events lie all over the file, and so did the index: each event wrote a page of its own for it, about a third of a commit. Who
looks at one install's events waits a little instead.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-21T05:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "no index of events by install on SQLite"


def statements(engine: str) -> list[str]:
    """The SQL of this migration for `sqlite` or `postgres`, to be run in one transaction."""
    return ["DROP INDEX event_install"] if engine == "sqlite" else []


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
