"""Tables for imports, so that a file that is imported twice counts once; and an index of errors by install, for exports and erasure."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-21T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "what was imported, errors by install"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    keyed = "WITHOUT ROWID" if engine == "sqlite" else ""
    return [
        # Imported events by a hash of their identity. Unlike marks, these never expire: a file may be imported again after a year.
        f"CREATE TABLE imported (project_id INTEGER NOT NULL, key BIGINT NOT NULL, PRIMARY KEY (project_id, key)) {keyed}",
        # Imported counts of a pack by day; days below zero are `server.storage.history.imports.TOTAL` and `COUNTED`.
        f"""CREATE TABLE imported_count (
            project_id INTEGER NOT NULL, pack TEXT NOT NULL, day INTEGER NOT NULL, value BIGINT NOT NULL,
            PRIMARY KEY (project_id, pack, day)) {keyed}""",
        "CREATE INDEX error_install_install ON error_install (install_id)",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
