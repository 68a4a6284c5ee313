"""Notes of partial days: events with an implausible clock no longer count for their installs, so recounts skip days on which they did."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

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
