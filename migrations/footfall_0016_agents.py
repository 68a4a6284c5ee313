"""Context columns for the AI agent, the install source, and whether the tool ran in a terminal."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T10:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "agent, install source, interactive"

_ADDED = ("agent", "install_source", "interactive")
_TEXTS = ("os", "arch", "runtime", "version", "package_manager", *_ADDED)


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    key = ", ".join(f"COALESCE({column}, '')" for column in _TEXTS)
    return [
        *(f"ALTER TABLE context ADD COLUMN {column} TEXT" for column in _ADDED),
        "DROP INDEX context_whole",
        f"CREATE UNIQUE INDEX context_whole ON context (environment, reason, dialect, {key})",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
