"""Events whose clock was not believed count no more for their installs: days of which some did are not counted again."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-29T03:50:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "late events apart"

_DAY = 86_400_000


def statements(engine: str) -> list[str]:
    """The SQL of this migration for `sqlite` or `postgres`, to be run in one transaction."""
    return [
        f"""INSERT INTO partial_day (project_id, day) SELECT DISTINCT project_id, occurred_at / {_DAY} FROM event
            WHERE skewed = 1 AND install_id IS NOT NULL ON CONFLICT DO NOTHING""",
    ]


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
