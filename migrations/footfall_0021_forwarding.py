"""The system to which a project forwards what it receives, and the counts by day."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-29T12:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "forwarding"

_COUNTS = ("events", "stored", "accepted", "refused", "failed", "dropped")


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    counts = ", ".join(f"{name} BIGINT NOT NULL" for name in _COUNTS)
    return [
        "ALTER TABLE project ADD COLUMN forward_to TEXT",
        f"CREATE TABLE forwarded_day (project_id INTEGER NOT NULL, day INTEGER NOT NULL, {counts}, error TEXT, PRIMARY KEY (project_id, day))",
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
