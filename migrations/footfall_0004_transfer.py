"""What imports must remember for ever, so that a file that comes twice counts once; and the errors of one install, to be shown and erased."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

ID = "2026-11-21T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "what was imported, errors by install"


def statements(engine: str) -> list[str]:
    """The SQL of this migration for `sqlite` or `postgres`, to be run in one transaction."""
    keyed = "WITHOUT ROWID" if engine == "sqlite" else ""
    return [
        # Each imported event by a hash of its identity. Unlike a mark it never expires: a file may be imported again after a year.
        f"CREATE TABLE imported (project_id INTEGER NOT NULL, key BIGINT NOT NULL, PRIMARY KEY (project_id, key)) {keyed}",
        # Each imported count of a pack by its day; days below zero are `server.storage.history.imports.TOTAL` and `COUNTED`.
        f"""CREATE TABLE imported_count (
            project_id INTEGER NOT NULL, pack TEXT NOT NULL, day INTEGER NOT NULL, value BIGINT NOT NULL,
            PRIMARY KEY (project_id, pack, day)) {keyed}""",
        "CREATE INDEX error_install_install ON error_install (install_id)",
    ]


async def forwards() -> MigrationManager:
    """For Piccolo's own command; the server runs `statements` itself, in one transaction with the record that they ran."""
    manager = MigrationManager(migration_id=ID, app_name="footfall", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        for statement in statements(engine.engine_type):
            await engine.run_querystring(QueryString(statement.replace("{", "{{").replace("}", "}}")))

    manager.add_raw(run)
    return manager
